"""Numbers as text: nine digits give a float32 back, JSON never holds NaN."""

from __future__ import annotations

import json
import math

import numpy
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from mlx_runner.records.numbers import finite_or_none, format_number, to_json


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.1, "0.1"),
        (0.05836, "0.05836"),
        (1.0, "1.0"),
        (-0.0, "-0.0"),
        (1 / 3, "0.333333333"),
        (123456789.0, "123456789.0"),
        (1e20, "1e+20"),
        (1.5e-7, "1.5e-07"),
        (5200610, "5200610"),
        (10**20, "100000000000000000000"),
        (math.nan, ""),
        (math.inf, ""),
        (-math.inf, ""),
    ],
)
def test_format_number(value: float, text: str) -> None:
    assert format_number(value) == text


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_every_float32_is_read_back_exactly(value: float) -> None:
    assert numpy.float32(float(format_number(value))) == numpy.float32(value)


def test_what_is_not_finite_is_null_at_any_depth() -> None:
    document = {"b": [1.0, math.nan, (math.inf,)], "a": {"x": -math.inf, "y": True, "z": None}}
    text = to_json(document)
    assert json.loads(text) == {"b": [1.0, None, [None]], "a": {"x": None, "y": True, "z": None}}
    assert list(json.loads(text)) == ["b", "a"], "keys stay in the given order"
    assert text.endswith("}\n")


def test_json_refuses_what_it_has_no_form_for() -> None:
    with pytest.raises(TypeError):
        to_json({"value": object()})


@given(st.text())
@example("\x1b[31m\x9b\u202e\u200b\x7f\u2028")
@example("a file named \udcff")
@example("größer, 数, 😀")
def test_text_in_json_is_visible_and_read_back(text: str) -> None:
    written = to_json({text: [text]})
    assert written.replace("\n", "").isprintable()
    assert written.encode()
    assert json.loads(written) == {text: [text]}


def test_letters_in_json_stay_letters() -> None:
    assert to_json({"größer": "数😀"}) == '{\n  "größer": "数😀"\n}\n'


def test_finite_or_none() -> None:
    assert [finite_or_none(value) for value in (0.5, math.nan, math.inf, None)] == [0.5, None, None, None]
