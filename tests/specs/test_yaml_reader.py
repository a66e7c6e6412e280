"""The strict reader: exact messages, places, hostile text, and JSON as an independent referee."""

# ruff: noqa: E501  (messages are compared word for word, each on one line)

from __future__ import annotations

import json
import time

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from mlx_runner.specs.document import Document
from mlx_runner.specs.errors import ConfigError
from mlx_runner.specs.yaml_reader import parse_value, parse_yaml, read_yaml

COLON = "a ':' is not expected here; check the indentation, or put text with ': ' in quotes"
INDENT = "check the indentation, and that each line reads"
TAB = "a tab cannot indent YAML; use spaces"
BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 10)}]\n" for level in range(1, 30)
)
TOO_MANY = "more than 20,000 values, each alias counted as what it stands for"

MESSAGES = [
    ("", "x: the file is empty; a config is a mapping that begins with 'name: ...'"),
    ("# a comment\n", "x: the file is empty; a config is a mapping that begins with 'name: ...'"),
    ("---\n", "x: the file is empty; a config is a mapping that begins with 'name: ...'"),
    ("- a\n- b\n", "x:1:1: a config must be a mapping at the top, not a list"),
    ("\n  some text", "x:2:3: a config must be a mapping at the top, not text"),
    ("12", "x:1:1: a config must be a mapping at the top, not a whole number"),
    ("a: 1\nb:\n  c: 1\n  c: 2\n", "x:4:3: b: duplicate key 'c'; it is first given at line 3, column 3"),
    ("{a: 1, 'a': 2}", "x:1:8: duplicate key 'a'; it is first given at line 1, column 2"),
    ("a: !!str 5", "x:1:4: a: tags are not allowed: remove '!!str', or put the text in quotes"),
    ("a: !!python/name:os.system ''", "x:1:4: a: tags are not allowed: remove '!!python/name:os.system', or put the text in quotes"),
    ("a: !mine [1]", "x:1:4: a: tags are not allowed: remove '!mine', or put the text in quotes"),
    ("a: ! x", "x:1:4: a: tags are not allowed: remove '!', or put the text in quotes"),
    ("b: {<<: {c: 1}}", "x:1:5: b: merge keys ('<<') are not allowed; write the keys out"),
    ("b: {1: 2}", "x:1:5: b: a key must be text, not the whole number 1; put it in quotes"),
    ("true: 2", "x:1:1: a key must be text, not true; put it in quotes"),
    ("null: 2", "x:1:1: a key must be text, not nothing; put it in quotes"),
    ("? [a]\n: 1", "x:1:3: a key must be text, not a list"),
    ("{{a: 1}: 1}", "x:1:2: a key must be text, not a mapping"),
    ("a: &a [*a]", "x:1:8: a.0: the alias '*a' stands inside what it refers to"),
    ("b: &a 1\na: &a {c: *a}", "x:2:11: a.c: the alias '*a' stands inside what it refers to"),
    ("a: *b", "x:1:4: a: the alias '*b' has no anchor '&b' above it; put text that begins with '*' in quotes"),
    (BOMB, f"x:4:5: {TOO_MANY}"),
    ("a: [" + "1," * 20_001 + "]", f"x:1:40003: {TOO_MANY}"),
    ("[" * 70 + "]" * 70, "x:1:65: nested more than 64 levels deep"),
    ("{a: " * 500, "x:1:257: nested more than 64 levels deep"),
    ("a: &a " + "[" * 40 + "]" * 40 + "\nb: " + "[" * 40 + "*a" + "]" * 40, "x:2:44: nested more than 64 levels deep"),
    ("a: 1\n---\nb: 1\n", "x:2:1: a second document begins here; a config is a single document"),
    ("a: " + "9" * 400, "x:1:4: a: a whole number of 400 characters is too long; at most 300"),
    ("a:\n\tb: 1\n", f"x:2:1: {TAB}"),
    ("\ta: 1", f"x:1:1: {TAB}"),
    ("a: 1\n\tb: 2\n", f"x:2:1: {TAB}"),
    ("a: |\n\tb", f"x:2:1: {TAB}"),
    ("a: b: c", f"x:1:5: {COLON}"),
    ("a: 1\n b: 2", f"x:2:3: {COLON}"),
    ("a: - b", "x:1:4: a '-' is not expected here; begin a list on a line of its own, or put the '-' in quotes"),
    ("a: [1, 2\nb: 1", "x:2:2: the list that opens at line 1, column 4 lacks a ',' or its closing ']'"),
    ("a: {b: 1", "x:1:4: the mapping that opens at line 1, column 4 lacks a ',' or its closing '}'"),
    ("a: 'b\nc: 1\n", "x:1:4: the quoted text that opens at line 1, column 4 is not closed"),
    ("a: @b", "x:1:4: text cannot begin with '@'; put it in quotes"),
    ("a: %b", "x:1:4: text cannot begin with '%'; put it in quotes"),
    ("a: *", "x:1:4: text cannot begin with '*'; put it in quotes"),
    ("a: ]", "x:1:4: a value is expected before ']'"),
    ("a: |b\n  c", "x:1:5: '|' and '>' begin a block of text; write it on the lines below, indented with spaces"),
    ("a:\n  b: 1\n c: 2", f"x:3:2: the mapping that begins at line 1, column 1 goes wrong here; {INDENT} 'key: value'"),
    ("- a\nb: 1", f"x:2:1: the list that begins at line 1, column 1 goes wrong here; {INDENT} '- value'"),
    ("%YAML 2.0\n---\na: 1", "x:1:1: this version of YAML is not known; remove the line"),
]  # fmt: skip


@pytest.fixture(params=[True, False], ids=["c_parser", "python_parser"])
def either_parser(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(yaml, "__with_libyaml__", request.param and yaml.__with_libyaml__)


def complaints(text: str | bytes) -> str:
    with pytest.raises(ConfigError) as caught:
        read_yaml(text, file="x")
    return str(caught.value)


@pytest.mark.parametrize(("text", "message"), MESSAGES)
def test_messages(text: str, message: str) -> None:
    assert complaints(text) == message


@pytest.mark.usefixtures("either_parser")
@pytest.mark.parametrize(("text", "message"), [case for case in MESSAGES if len(case[0]) < 1000])
def test_both_parsers_say_the_same(text: str, message: str) -> None:
    assert complaints(text) == message


def test_an_unknown_escape() -> None:  # the parsers differ by one column
    assert "unknown escape in double-quoted text" in complaints('a: "C:\\q"')


def test_several_at_once_in_the_order_of_the_text() -> None:
    text = "a: !x 1\nb: {c: 1, c: 2}\n3: 4\n<<: {d: 1}\ne: *f\nf: [1\n"
    assert [line.split(": ")[0] for line in complaints(text).splitlines()] == [
        "x:1:4", "x:2:11", "x:3:1", "x:4:1", "x:5:4", "x:6:4",
    ]  # fmt: skip


def test_problems_are_capped() -> None:
    lines = complaints("a: 1\n" * 5000).splitlines()
    assert len(lines) == 101
    assert lines[-1] == "x:102:1: more than 100 problems; the rest is not read"


def test_control_characters_of_a_key_never_reach_the_message() -> None:
    assert "\x1b" not in complaints('"\\e[31m": {1: 2}\n"\\e[31m": 1')


def test_parse_keeps_what_could_be_read() -> None:
    document = parse_yaml("a: 1\na: 2\nb: {<<: {c: 1}, d: 3}", file="x")
    assert document.data == {"a": 1, "b": {"d": 3}}
    assert len(document.problems) == 2
    assert document.doubtful == {("b",)}


def test_places_count_from_one() -> None:
    places = read_yaml(
        "\ufeffname: x\nmodel:\n  layers:\n    d: {units: 3}\n    e: [1, 2]\n", file="x"
    ).places
    assert _point(places.find(("name",), of="key")) == (1, 1)
    assert _point(places.find(("name",))) == (1, 7)
    assert _point(places.find(("model", "layers", "d", "units"), of="key")) == (4, 9)
    assert _point(places.find(("model", "layers", "d", "units"))) == (4, 16)
    assert _point(places.find(("model", "layers", "e", 1))) == (5, 12)
    assert _point(places.find(("model", "layers", "d", "bias"))) == (4, 5)
    assert _point(places.find(("nothing",))) == (1, 1)


def _point(place: object) -> tuple[object, object]:
    return getattr(place, "line", None), getattr(place, "column", None)


def test_aliases() -> None:
    document = read_yaml("a: &a {b: [1, 2]}\nc: *a\nd: [*a]\n&k e: *k", file="x")
    assert document.data == {"a": {"b": [1, 2]}, "c": {"b": [1, 2]}, "d": [{"b": [1, 2]}], "e": "e"}
    assert _point(document.places.find(("c",))) == (2, 4)
    assert _point(document.places.find(("c", "b"))) == (1, 11)


@pytest.mark.usefixtures("either_parser")
def test_scalars_in_every_style() -> None:
    text = (
        "a: 1e-3\nb: '1e-3'\nc: \"no\"\nd: no\ne: 010\nf:\ng: |\n  1\nh: >-\n  2\ni: 1\n  2\nj: '<<'\n'<<': 1"
    )
    assert read_yaml(text, file="x").data == {
        "a": 0.001, "b": "1e-3", "c": "no", "d": "no", "e": 10, "f": None, "g": "1\n", "h": "2", "i": "1 2",
        "j": "<<", "<<": 1,
    }  # fmt: skip


JSON_TEXT = st.text(
    st.characters(exclude_categories=("Cc", "Cs", "Cn"), exclude_characters="\ufeff\u2028\u2029")
)
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | JSON_TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(JSON_TEXT, inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(JSON_TEXT, JSON_VALUES, max_size=4))
def test_json_means_in_yaml_what_it_means_in_json(value: dict[str, object]) -> None:
    text = json.dumps(value, ensure_ascii=False)
    assert json.dumps(read_yaml(text, file="x").data) == json.dumps(value)


YAML_SOUP = st.text(alphabet="ab01:-?[]{},&*!|>'\"%@`#\n\t ~<.\\=é\ufeff\x00\x85") | st.lists(
    st.sampled_from(["a: ", "- ", "\n", "  ", "&a ", "*a", "[", "]", "{", "}", ", ", "!t ", "'", '"', "|\n", "? ", "---\n", "<<: "])
).map("".join)  # fmt: skip


@given(st.binary() | st.text() | YAML_SOUP)
def test_anything_gives_a_document_or_a_config_error(source: str | bytes) -> None:
    try:
        document = read_yaml(source, file="x")
    except ConfigError as error:
        assert error.problems
        assert all(problem.file == "x" and "\x00" not in problem.message for problem in error.problems)
    else:
        assert isinstance(document, Document)


@given(YAML_SOUP)
def test_a_value_alone_is_read_or_refused(text: str) -> None:
    try:
        parse_value(text, file="x")
    except ConfigError as error:
        assert error.problems


MEGABYTE = 1 << 20
HOSTILE = {
    "bomb": BOMB,
    "brackets": "[" * MEGABYTE,
    "dashes": "- " * (MEGABYTE // 2),
    "question_marks": "? " * (MEGABYTE // 2),
    "wide": "a: [" + "1," * (MEGABYTE // 2 - 10) + "]",
    "long_text": "a: " + "x" * (MEGABYTE - 3),
    "long_key": "x" * (MEGABYTE - 3) + ": 1",
    "digits": "a: " + "9" * (MEGABYTE - 3),
    "tag_directives": "%TAG !a! b\n" * 90_000,
    "aliased_keys": "a: &a " + "k" * 100_000 + "\nb: [" + "{*a : 1, *a : 2}," * 30_000 + "]",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_text_is_done_with_quickly(name: str) -> None:
    started = time.process_time()
    try:
        read_yaml(HOSTILE[name], file="x")
    except ConfigError as error:
        assert len(str(error)) < 50_000
    assert time.process_time() - started < 2
