"""The models of losses against the registry and Keras, and every mistake in them: its message and its place."""

# ruff: noqa: E501  (messages are compared word for word, each on one line)

from __future__ import annotations

import inspect
import os

os.environ.setdefault("KERAS_BACKEND", "torch")

from collections.abc import Callable
from pathlib import Path
from typing import get_args

import keras
import pytest
from mlx_runner.losses.functions import LOSSES
from mlx_runner.losses.reduction import REDUCTIONS
from mlx_runner.specs import losses as spec

Mlx = Callable[..., tuple[int, str, str]]

MODELS = {model.model_fields["type"].default: model for model in get_args(get_args(spec.AnyLoss)[0])}
LINKS = {"from_logits", "label_smoothing", "axis", "class_weight"}
# Ours beside Keras's: smoothed class numbers, an axis wherever a row has one value.
MORE_THAN_KERAS = {
    "sparse_categorical_crossentropy": {"label_smoothing"},
    "kl_divergence": {"axis"},
    "categorical_hinge": {"axis"},
    "binary_crossentropy": {"pos_weight"},
}
KERAS_NAMES = {"kl_divergence": "KLDivergence"}


def own_fields(type: str) -> dict[str, object]:
    """A model's fields that not every loss has, and their defaults."""
    fields = MODELS[type].model_fields
    return {
        name: info.default
        for name, info in fields.items()
        if name != "type" and name not in spec.LossBase.model_fields
    }


def test_the_same_types_both_ways() -> None:
    assert set(MODELS) == set(LOSSES)


@pytest.mark.parametrize("type", LOSSES)
def test_own_arguments_are_the_registrys(type: str) -> None:
    """Names and defaults, in both directions, and by their types: `1` is no default for `1.0`."""
    own = {name: value for name, value in own_fields(type).items() if name not in LINKS}
    assert own == LOSSES[type].own
    assert [value.__class__ for value in own.values()] == [LOSSES[type].own[name].__class__ for name in own]


@pytest.mark.parametrize("type", LOSSES)
def test_links_are_the_registrys(type: str) -> None:
    fields, definition = own_fields(type), LOSSES[type]
    for name in ("from_logits", "label_smoothing"):
        assert (name in fields) == (name in definition.passes)
    assert ("class_weight" in fields) == ("from_logits" in definition.passes)
    # A loss of regions has no axis by default; the focal loss reduces entries that its function leaves alone.
    has_axis = (
        "axis" in definition.passes or definition.unit == "region" or "from_logits" in definition.passes
    )
    assert ("axis" in fields) == has_axis
    assert fields.get("axis") == (None if definition.unit == "region" or not has_axis else -1)
    assert fields.get("from_logits", "auto") == "auto"
    assert fields.get("label_smoothing", 0.0) == 0.0


@pytest.mark.parametrize("type", LOSSES)
def test_arguments_and_defaults_are_those_of_keras(type: str) -> None:
    name = KERAS_NAMES.get(type, "".join(word.capitalize() for word in type.split("_")))
    signature = inspect.signature(getattr(keras.losses, name).__init__).parameters
    theirs = {
        key: each.default
        for key, each in signature.items()
        if key not in ("self", "reduction", "name", "dtype")
    }
    ours = {
        key: value
        for key, value in own_fields(type).items()
        if key != "class_weight" and key not in MORE_THAN_KERAS.get(type, ())
    }
    assert set(ours) == set(theirs)
    for key, value in ours.items():
        assert value == theirs[key] or (key == "from_logits" and (value, theirs[key]) == ("auto", False))


def test_every_reduction_but_none_may_be_named() -> None:
    assert set(get_args(spec.Reduction)) == set(REDUCTIONS) - {"none"}


FILE = "three.yaml"
THREE = """\
name: three
data: {source: mnist, shape: [784], samples: 60, test_samples: 20}
model:
  inputs: [image]
  layers:
    hidden: {type: dense, units: 6, activation: relu}
    labels: {type: dense, of: hidden, units: 6, activation: sigmoid}
    number: {type: dense, of: hidden, units: 10, activation: softmax}
    pixels: {type: dense, of: hidden, units: 784, activation: sigmoid}
  outputs: [labels, number, pixels]
losses:
  attributes: {type: binary_crossentropy, output: labels, target: attributes, BINARY}
  digit: {type: sparse_categorical_crossentropy, output: number, target: digit, CLASSES}
  image: {type: mean_squared_error, output: pixels, target: image, VALUES}
"""
DIGITS = "0, 1, 2, 3, 4, 5, 6, 7, 8, 9"
NAMES = "even, prime, at_least_five, multiple_of_three, has_loop, straight_strokes"
REGRESSION = "Allowed: output, target, weight, reduction, sample_weight, type."
ALLOWED_REDUCTIONS = "sum_over_batch_size, auto, mean, sum, mean_with_sample_weight"

# What stands for BINARY (line 12), CLASSES (13) or VALUES (14), and what is said of it.
MISTAKES = [
    ("VALUES", "label_smoothing: 0.1", f"14:68: losses.image: unknown key 'label_smoothing'. {REGRESSION}"),
    ("VALUES", "from_logits: true", f"14:68: losses.image: unknown key 'from_logits'. {REGRESSION}"),
    ("VALUES", "class_weight: balanced", f"14:68: losses.image: unknown key 'class_weight'; did you mean 'weight'? {REGRESSION}"),
    ("VALUES", "weight: -0.5", "14:76: losses.image.weight: must be at least 0, not -0.5"),
    ("VALUES", "weight: .inf", "14:76: losses.image.weight: must be a finite number, not .inf"),
    ("VALUES", "weight: .nan", "14:76: losses.image.weight: must be a finite number, not .nan"),
    ("VALUES", "weight: much", "14:76: losses.image.weight: must be a number, not the text 'much'"),
    ("VALUES", "reduction: none", f"14:79: losses.image.reduction: must be one of {ALLOWED_REDUCTIONS}, not 'none'"),
    ("BINARY", "label_smoothing: 1.5", "12:96: losses.attributes.label_smoothing: must be at most 1, not 1.5"),
    ("BINARY", "class_weight: {evn: 2.0}", f"12:99: losses.attributes.class_weight.evn: no label named 'evn'; did you mean 'even'? Labels: {NAMES}."),
    ("BINARY", "pos_weight: {prim: 2.0}", f"12:98: losses.attributes.pos_weight.prim: no label named 'prim'; did you mean 'prime'? Labels: {NAMES}."),
    ("BINARY", "class_weight: {even: -1.0}", "12:100: losses.attributes.class_weight.even: must be at least 0, not -1"),
    ("BINARY", "class_weight: {even: {positive: .inf}}", "12:111: losses.attributes.class_weight.even.positive: must be a finite number, not .inf"),
    ("BINARY", "pos_weight: -2", "12:91: losses.attributes.pos_weight: must be at least 0, not -2"),
    ("BINARY", "class_weight: balance", "12:93: losses.attributes.class_weight: must be 'balanced' or a mapping, not 'balance'; did you mean 'balanced'?"),
    ("BINARY", "axis: 2", "12:85: losses.attributes.axis: output 'labels' gives (6) per example; allowed: -1, 1, not 2"),
    ("BINARY", "axis: 0", "12:85: losses.attributes.axis: output 'labels' gives (6) per example; allowed: -1, 1, not 0"),
    ("CLASSES", 'class_weight: {"11": 2.0}', f"13:102: losses.digit.class_weight.11: no label named '11'; did you mean '1'? Labels: {DIGITS}."),
    ("CLASSES", 'class_weight: {"3": {positive: 2.0}}', "13:96: losses.digit.class_weight.3: a class has one weight; negative and positive are for binary labels"),
    ("CLASSES", "pos_weight: 2.0", "13:81: losses.digit: unknown key 'pos_weight'; did you mean 'weight'? Allowed: output, target, weight, reduction, sample_weight, class_weight, type, from_logits, label_smoothing, ignore_class, axis."),
    ("CLASSES", "ignore_class: 0.5", "13:95: losses.digit.ignore_class: must be a whole number, not the number 0.5"),
]  # fmt: skip


def config(**given: str) -> str:
    text = THREE
    for place in ("BINARY", "CLASSES", "VALUES"):
        text = text.replace(f", {place}", f", {given[place]}" if place in given else "")
    return text


@pytest.mark.parametrize("command", ["check", "train"])
@pytest.mark.parametrize(("place", "given", "said"), MISTAKES)
def test_mistakes_are_told_with_their_place(
    mlx: Mlx, tmp_path: Path, command: str, place: str, given: str, said: str
) -> None:
    (tmp_path / FILE).write_text(config(**{place: given}), "utf-8")
    assert mlx(command, FILE, folder=tmp_path) == (2, "", f"mlx: {FILE}:{said}\n")
    assert [path.name for path in tmp_path.iterdir()] == [FILE]


@pytest.mark.parametrize("command", ["check", "train"])
@pytest.mark.parametrize("classes", ["", "ignore_class: 9"])
def test_classes_beyond_the_outputs_show_before_any_data(
    mlx: Mlx, tmp_path: Path, command: str, classes: str
) -> None:
    given = {"CLASSES": classes} if classes else {}
    (tmp_path / FILE).write_text(config(**given).replace("units: 10", "units: 5"), "utf-8")
    said = "13:74: losses.digit.target: target 'digit' has 10 classes, but output 'number' has 5 units, one per class"
    nowhere = "data.root=nowhere"
    assert mlx(command, FILE, nowhere, folder=tmp_path) == (2, "", f"mlx: {FILE}:{said}\n")
    assert [path.name for path in tmp_path.iterdir()] == [FILE]


def test_an_ignored_class_needs_no_output(mlx: Mlx, tmp_path: Path) -> None:
    text = config(CLASSES="ignore_class: 9").replace("units: 10", "units: 9")
    (tmp_path / FILE).write_text(text, "utf-8")
    assert mlx("check", FILE, folder=tmp_path)[0] == 0
    (tmp_path / FILE).write_text(text.replace("ignore_class: 9", "ignore_class: 8"), "utf-8")
    assert mlx("check", FILE, folder=tmp_path)[0] == 2


def test_all_mistakes_are_told_at_once(mlx: Mlx, tmp_path: Path) -> None:
    given = {"BINARY": "weight: -1", "CLASSES": "reduction: none", "VALUES": "label_smoothing: 0.1"}
    (tmp_path / FILE).write_text(config(**given), "utf-8")
    code, _, said = mlx("check", FILE, folder=tmp_path)
    assert code == 2
    assert [line.split(": ")[2] for line in said.splitlines()] == [
        "losses.attributes.weight",
        "losses.digit.reduction",
        "losses.image",
    ]
