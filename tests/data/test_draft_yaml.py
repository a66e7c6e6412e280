"""How a draft writes YAML: whatever a column is called or holds is read back as it was."""

from __future__ import annotations

import re
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlx_runner.data.draft_yaml import WIDTH, Namer, Value, comment, entry, number, scalar, section
from mlx_runner.specs.base import NAME_PATTERN
from mlx_runner.specs.yaml_reader import read_yaml

ODD = (
    "", " ", "null", "~", "true", "No", "on", "1", "1e5", "0x1", ".5", "-", "- a", "a: b", "a #b", "#", "'",
    '"', "\\", "{", "[x]", "*", "&a", "!tag", "%TAG x", "@", "`", "|", ">", "?", ": ", "a,b", "line\nbreak",
    "\t", "\r", "\0", "\x85", "\u2028", "\ufeff", "\ufffe", "größe", "日本", "😀", "\ue000", "...", "---",
    "<<",
)  # fmt: skip

texts = st.one_of(st.sampled_from(ODD), st.text(alphabet=st.characters(exclude_categories=["Cs"])))
singles = st.one_of(texts, st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False))
values = st.one_of(singles, st.lists(singles, min_size=1, max_size=30))


@given(st.dictionaries(st.from_regex(r"[a-z][a-z0-9_]{0,20}", fullmatch=True), values, min_size=1))
def test_values_are_read_back(fields: Mapping[str, Value]) -> None:
    lines = [line for key, value in fields.items() for line in entry(key, value, indent=0)]
    assert read_yaml("\n".join(lines), file="t").data == fields
    lines = ["top:", *section("key", fields, indent=2, pad=9), *comment("a comment", indent=2)]
    assert read_yaml("\n".join(lines), file="t").data == {"top": {"key": fields}}


def test_plain_text_stays_plain() -> None:
    assert [scalar(text) for text in ("name", "two words", "data/t.csv", "../t.csv", "a-b")] == [
        "name",
        "two words",
        "data/t.csv",
        "../t.csv",
        "a-b",
    ]
    assert scalar('a "b"\n') == '"a \\"b\\"\\n"'


def test_long_lists_go_on_in_the_next_line() -> None:
    names = [f"column_{index}" for index in range(40)]
    lines = entry("columns", names, indent=4)
    assert len(lines) > 1
    assert max(map(len, lines)) <= WIDTH
    assert all(line.startswith("      column_") for line in lines[1:])


@given(st.lists(texts))
def test_names_are_valid_and_distinct(columns: list[str]) -> None:
    namer = Namer()
    names = [namer.name(column, otherwise="input_1") for column in columns]
    assert all(re.fullmatch(NAME_PATTERN, name) and len(name) <= 80 for name in names)
    assert len(set(names)) == len(names)
    assert all(scalar(name) == name for name in names)


@pytest.mark.parametrize(
    ("column", "name"),
    [
        ("Sepal length (cm)", "Sepal_length_cm"),
        ("größe", "grosse"),
        ("naïve", "naive"),
        ("日本", "input_3"),
        ("yes", "column_yes"),
        ("2nd", "column_2nd"),
        ("x" * 100, "x" * 40),
    ],
)
def test_names_resemble_their_columns(column: str, name: str) -> None:
    assert Namer().name(column, otherwise="input_3") == name


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]), min_size=1))
def test_a_comment_is_nothing_but_a_comment(text: str) -> None:
    quoted = repr(text)
    lines = ["name: x", *comment(f"unsure: {quoted} or so", indent=2)]
    assert read_yaml("\n".join(lines), file="t").data == {"name": "x"}


def test_numbers_in_sentences() -> None:
    assert [number(value) for value in (3.0, 1234567.0, 0.123456789, 1e20)] == [
        "3",
        "1,234,567",
        "0.123457",
        "1e+20",
    ]
