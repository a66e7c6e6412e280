"""Overrides do what the same edit in the file would do, or say why they cannot."""

# ruff: noqa: E501  (messages are compared word for word, each on one line)

from __future__ import annotations

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlx_runner.specs.document import Document
from mlx_runner.specs.errors import ConfigError
from mlx_runner.specs.overrides import apply_overrides, merge_overrides
from mlx_runner.specs.yaml_reader import read_yaml

TEXT = """
training: {epochs: 1, batch_size: 32}
optimizer:
layers: [{units: 1}, {units: 2}]
compare: {a: {losses.aux.weight: 0, losses: {aux: {weight: 5}}}}
"""


def document() -> Document:
    return read_yaml(TEXT, file="x.yaml")


def changed(*overrides: str) -> dict[str, object]:
    before = document()
    data = apply_overrides(before, overrides).data
    assert before.data == document().data, "an override must not change the document it is given"
    return {key: value for key, value in data.items() if value != before.data.get(key, "absent")}


CHANGES = [
    ("training.epochs=5", {"training": {"epochs": 5, "batch_size": 32}}),
    ("training.epochs=1e-3", {"training": {"epochs": 1e-3, "batch_size": 32}}),
    ("training.epochs=", {"training": {"epochs": None, "batch_size": 32}}),
    ("training.epochs=no", {"training": {"epochs": "no", "batch_size": 32}}),
    ("training.epochs='5'", {"training": {"epochs": "5", "batch_size": 32}}),
    ("training.epochs=a=b", {"training": {"epochs": "a=b", "batch_size": 32}}),
    ("training={a: 1, b: [2, .5]}", {"training": {"a": 1, "b": [2, 0.5]}}),
    (" training.epochs = 5", {"training": {"epochs": 5, "batch_size": 32}}),
    ("optimizer.type=sgd", {"optimizer": {"type": "sgd"}}),
    ("model.layers.d.units=3", {"model": {"layers": {"d": {"units": 3}}}}),
    ("layers.1.units=7", {"layers": [{"units": 1}, {"units": 7}]}),
    ("layers.0=x", {"layers": ["x", {"units": 2}]}),
    ("compare.a.losses.aux.weight=1", {"compare": {"a": {"losses.aux.weight": 1, "losses": {"aux": {"weight": 5}}}}}),
    ("compare.a.losses.aux=1", {"compare": {"a": {"losses.aux.weight": 0, "losses": {"aux": 1}}}}),
]  # fmt: skip


@pytest.mark.parametrize(("override", "change"), CHANGES)
def test_changes(override: str, change: dict[str, object]) -> None:
    assert changed(override) == change


def test_the_last_of_several_wins() -> None:
    assert changed("training.epochs=5", "training={epochs: 6}", "training.epochs=7") == {
        "training": {"epochs": 7}
    }


MESSAGES = [
    ("epochs", "command line: 'epochs' is not an override; write key.path=value, such as training.epochs=5"),
    ("=5", "command line: '=5' is not an override; write key.path=value, such as training.epochs=5"),
    ("a..b=5", "command line: 'a..b=5' is not an override; write key.path=value, such as training.epochs=5"),
    ("training.epochs.x=1", "command line: training.epochs: cannot set 'x' in it: it is a whole number, not a mapping"),
    ("compare.a.losses.aux.weight.x.y=1", "command line: compare.a.losses.aux.weight: cannot set 'x.y' in it: it is a whole number, not a mapping"),
    ("layers.2.units=1", "command line: layers: no item '2' in this list; its items are 0 to 1"),
    ("layers.-1=1", "command line: layers: no item '-1' in this list; its items are 0 to 1"),
    ("a=b: c", "command line: a: a list is written [a, b] here and a mapping {a: 1}; put text with ': ' or '- ' in quotes"),
    ("a=[1", "command line: a: the list that opens at line 1, column 1 lacks a ',' or its closing ']'"),
    ("a={b: !x 1, b: 2}", "command line: a.b: tags are not allowed: remove '!x', or put the text in quotes\n"
                          "command line: a: duplicate key 'b'; it is first given at line 1, column 2"),
    ("a=\x1b", "command line: a: the character U+001B is not allowed in YAML"),
    ("a." * 32 + "a=1", "command line: 'a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a...' is nested more than 32 levels deep"),
]  # fmt: skip


@pytest.mark.parametrize(("override", "message"), MESSAGES)
def test_messages(override: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        apply_overrides(document(), [override])
    assert str(caught.value) == message


def test_all_that_is_wrong_is_said_and_the_rest_applied() -> None:
    merged = merge_overrides(document(), ["epochs", "training.epochs=5", "layers.9=1"])
    assert [problem.path for problem in merged.problems] == [(), ("layers",)]
    assert merged.data["training"] == {"epochs": 5, "batch_size": 32}


def test_what_an_override_sets_stands_on_the_command_line() -> None:
    places = apply_overrides(document(), ["training.epochs=5", "model.a.b={c: 1}", "layers.1.units=3"]).places
    for path in (("training", "epochs"), ("model",), ("model", "a", "b", "c"), ("layers", 1, "units")):
        assert places.find(path).file == "command line"
        assert places.find(path, of="key").line is None
    assert places.find(("training", "batch_size")).line == 2
    assert places.find(("layers", 0, "units")).file == "x.yaml"


def test_an_alias_is_changed_in_one_place_only() -> None:
    aliased = read_yaml("a: &a {x: 1}\nb: *a\n", file="x")
    assert apply_overrides(aliased, ["b.x=2"]).data == {"a": {"x": 1}, "b": {"x": 2}}


KEYS = st.sampled_from(["a", "b", "c"])
TREES = st.recursive(st.integers(0, 9), lambda inner: st.dictionaries(KEYS, inner, max_size=3), max_leaves=8)


@given(st.dictionaries(KEYS, TREES, max_size=3), st.lists(KEYS, min_size=1, max_size=4), st.integers(10, 99))
def test_an_override_is_the_same_edit_by_hand(tree: dict[str, object], steps: list[str], value: int) -> None:
    edited = copy.deepcopy(tree)
    here: object = edited
    for step in steps[:-1]:
        here = here.setdefault(step, {}) if isinstance(here, dict) else here
    before = read_yaml(str(tree), file="x")
    override = f"{'.'.join(steps)}={value}"
    if isinstance(here, dict):
        here[steps[-1]] = value
        assert apply_overrides(before, [override]).data == edited
    else:
        with pytest.raises(ConfigError, match="not a mapping"):
            apply_overrides(before, [override])


@given(st.text(alphabet="ab.=[]{}:, 01&*!'\"\n", max_size=12))
def test_any_argument_gives_a_document_or_a_config_error(argument: str) -> None:
    try:
        apply_overrides(document(), [argument])
    except ConfigError as error:
        assert all(problem.file == "command line" and problem.line is None for problem in error.problems)
