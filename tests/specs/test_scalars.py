"""Plain scalars against the core schema table of YAML 1.2.2, section 10.3.2."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlx_runner.specs.scalars import LONGEST_INTEGER, plain_scalar

CORE_SCHEMA = [
    ("", None),
    ("~", None),
    ("null", None),
    ("Null", None),
    ("NULL", None),
    ("true", True),
    ("True", True),
    ("TRUE", True),
    ("false", False),
    ("False", False),
    ("FALSE", False),
    ("0", 0),
    ("010", 10),
    ("-19", -19),
    ("+12", 12),
    ("0o17", 15),
    ("0x1F", 31),
    ("0x1f", 31),
    ("1e-3", 0.001),
    ("1E5", 1e5),
    (".5", 0.5),
    ("-.5", -0.5),
    ("1.", 1.0),
    ("+12e03", 12000.0),
    ("-2E+05", -2e5),
    ("6.8523015e+5", 685230.15),
    (".inf", math.inf),
    ("-.Inf", -math.inf),
    ("+.INF", math.inf),
]

TEXT = [
    "no",
    "yes",
    "on",
    "off",
    "No",
    "Y",
    "n",
    "1:30",
    "1:30.5",
    "2020-01-01",
    "2001-12-14t21:59:43Z",
    "1_000",
    "0b11",
    "0O17",
    "0X1F",
    "-0x1F",
    "0o8",
    "nULL",
    "tRUE",
    "None",
    "nan",
    "inf",
    "NaN",
    "-.nan",
    ".",
    "-",
    "+",
    "1e",
    "e5",
    "1.2.3",
    "1 2",
    "--1",
    "0x",
    "0o",
    "\u0661",
    "1\n",
    "=",
    "1f",
    ".e5",
]


@pytest.mark.parametrize(("text", "value"), CORE_SCHEMA)
def test_core_schema(text: str, value: object) -> None:
    read = plain_scalar(text)
    assert read == value
    assert type(read) is type(value)


def test_not_a_number() -> None:
    for text in (".nan", ".NaN", ".NAN"):
        read = plain_scalar(text)
        assert isinstance(read, float)
        assert math.isnan(read)


@pytest.mark.parametrize("text", TEXT)
def test_everything_else_is_text(text: str) -> None:
    assert plain_scalar(text) == text


@given(st.integers() | st.floats(allow_nan=False, allow_infinity=False))
def test_what_python_writes_reads_back(number: float) -> None:
    read = plain_scalar(repr(number))
    assert read == number
    assert type(read) is type(number)


@given(st.text(alphabet="0123456789+-.eExoabfinul", max_size=8))
def test_decimal_numbers_agree_with_python(text: str) -> None:
    read = plain_scalar(text)
    if (
        isinstance(read, int | float)
        and not text.startswith(("0x", "0o"))
        and "i" not in text
        and "n" not in text
    ):
        assert read == float(text)


def test_endless_integers_are_refused() -> None:
    assert plain_scalar("9" * LONGEST_INTEGER) == int("9" * LONGEST_INTEGER)
    for text in ("9" * 301, "0x" + "f" * 5000):
        with pytest.raises(ValueError, match="too long; at most 300"):
            plain_scalar(text)
