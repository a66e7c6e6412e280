"""Data that do not fit the losses or layers: told with split, range and place, before anything is written."""

# ruff: noqa: E501  (messages are compared word for word, each on one line)

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from mlx_runner.data import Splits, Table, open_source
from mlx_runner.specs.errors import DataError
from mlx_runner.specs.experiment import Experiment
from mlx_runner.specs.load import load_experiment
from mlx_runner.training.blueprint import Blueprint, draw_blueprint
from mlx_runner.training.data_checks import check_data
from mlx_runner.training.run import run_experiment

Mlx = Callable[..., tuple[int, str, str]]

FILE = "pixels.yaml"
PIXELS = """\
name: pixels
data: {source: mnist, shape: [784], samples: 60, test_samples: 20, scale: SCALE}
model:
  inputs: [image]
  layers:
    code: {type: dense, units: 4, activation: relu}
    pixels: {type: dense, units: 784, activation: sigmoid}
  outputs: [pixels]
losses:
  first: {type: LOSS, output: pixels, target: image}
"""


def write(folder: Path, *, scale: str, loss: str = "binary_crossentropy") -> str:
    (folder / FILE).write_text(PIXELS.replace("SCALE", scale).replace("LOSS", loss), "utf-8")
    return FILE


@pytest.mark.parametrize("loss", ["binary_crossentropy", "categorical_crossentropy", "dice"])
def test_unscaled_pixels_are_no_probabilities(mlx: Mlx, tmp_path: Path, loss: str) -> None:
    column = len(f"  first: {{type: {loss}, output: pixels, target: i")
    said = "".join(
        f"mlx: {FILE}:10:{column}: losses.first.target: 'image' in the {split} rows lies between 0 and 255; {loss} needs targets from 0 to 1\n"
        for split in ("train", "validation", "test")
    )
    assert mlx("train", write(tmp_path, scale="none", loss=loss), folder=tmp_path) == (3, "", said)
    assert [path.name for path in tmp_path.iterdir()] == [FILE]


def test_standardized_pixels_are_no_probabilities(tmp_path: Path) -> None:
    experiment = load_experiment(str(tmp_path / write(tmp_path, scale="standardize")))
    with pytest.raises(DataError) as caught:
        run_experiment(experiment, runs=tmp_path / "runs")
    assert caught.value.code == 3
    images = open_source(experiment.data).build().train.inputs["image"].double()
    mean, deviation = images.mean(), images.std(correction=0)
    low, high = float((images.min() - mean) / deviation), float((images.max() - mean) / deviation)
    first = caught.value.problems[0]
    assert (first.file, first.line, first.column) == (str(tmp_path / FILE), 10, 62)
    assert first.message == (
        f"'image' in the train rows lies between {low:g} and {high:g}; binary_crossentropy needs targets from 0 to 1"
    )
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("scale", ["none", "standardize"])
def test_a_regression_takes_any_pixels(mlx: Mlx, tmp_path: Path, scale: str) -> None:
    file = write(tmp_path, scale=scale, loss="mean_squared_error")
    assert mlx("train", file, folder=tmp_path)[0] == 0


def test_a_loss_needs_both_classes_for_balanced_weights(mlx: Mlx, tmp_path: Path) -> None:
    """A black corner is never on; the config cannot know."""
    write(tmp_path, scale="unit")
    said = "mlx: command line: losses.first.pos_weight: 'balanced' needs a positive and a negative training row for every label; not so: number 0, number 1, number 2, number 3, number 4, ...\n"
    changed = mlx("train", FILE, "losses.first.pos_weight=balanced", folder=tmp_path)
    assert changed == (3, "", said)
    assert [path.name for path in tmp_path.iterdir()] == [FILE]


BASE: dict[str, Any] = {
    "name": "checked",
    "data": {"source": "mnist", "shape": [784], "samples": 30, "test_samples": 10},
    "model": {
        "inputs": "image",
        "layers": {
            "labels": {"type": "dense", "of": "image", "units": 6, "activation": "sigmoid"},
            "number": {"type": "dense", "of": "image", "units": 10, "activation": "softmax"},
        },
        "outputs": ["labels", "number"],
    },
    "losses": {
        "attributes": {"type": "binary_crossentropy", "output": "labels", "target": "attributes"},
        "digit": {"type": "sparse_categorical_crossentropy", "output": "number", "target": "digit"},
    },
}


def prepared(**losses: dict[str, Any]) -> tuple[Blueprint, Splits]:
    """A blueprint and its data, with arguments for the losses."""
    described = {name: {**loss, **losses.get(name, {})} for name, loss in BASE["losses"].items()}
    experiment = Experiment.model_validate(BASE | {"losses": described})
    return draw_blueprint(experiment), open_source(experiment.data).build()


def said_of(blueprint: Blueprint, splits: Splits) -> list[str]:
    with pytest.raises(DataError) as caught:
        check_data(blueprint, splits)
    return [str(problem) for problem in caught.value.problems]


def changed(table: Table, name: str, row: int, value: float, mask: torch.Tensor | None = None) -> Table:
    """The table with one value of a target's row, as a floating column."""
    values = table.targets[name].to(torch.float32).clone()
    values[row] = value
    masks = {} if mask is None else {name: mask}
    return replace(table, targets={**table.targets, name: values}, masks=masks)


def test_data_that_fit_pass() -> None:
    check_data(*prepared())


@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_every_split_is_checked(split: str) -> None:
    blueprint, splits = prepared()
    table = getattr(splits, split)
    digits = table.targets["digit"].clone().long()
    digits[0], digits[1] = 12, -3
    broken = replace(table, targets={**table.targets, "digit": digits})
    assert said_of(blueprint, replace(splits, **{split: broken})) == [
        f"losses.digit.target: 'digit' in the {split} rows holds classes from -3 to 12, but 'number' has classes 0 to 9"
    ]


def test_a_class_number_is_whole() -> None:
    blueprint, splits = prepared()
    broken = replace(splits, train=changed(splits.train, "digit", 0, 2.5))
    assert said_of(blueprint, broken) == [
        "losses.digit.target: 'digit' in the train rows holds numbers that are not whole; sparse_categorical_crossentropy needs class numbers"
    ]
    check_data(blueprint, replace(splits, train=changed(splits.train, "digit", 0, 2.0)))


def test_an_ignored_class_may_lie_anywhere() -> None:
    blueprint, splits = prepared(digit={"ignore_class": 255})
    check_data(blueprint, replace(splits, train=changed(splits.train, "digit", 0, 255)))
    assert len(said_of(blueprint, replace(splits, train=changed(splits.train, "digit", 0, 254)))) == 1


def test_what_is_masked_is_not_checked() -> None:
    blueprint, splits = prepared()
    observed = torch.ones(len(splits.train), dtype=torch.bool)
    observed[3] = False
    for mask in (observed, observed.unsqueeze(-1).expand(-1, 6)):
        check_data(blueprint, replace(splits, train=changed(splits.train, "attributes", 3, 7.0, mask)))
        broken = replace(splits, train=changed(splits.train, "attributes", 4, 7.0, mask))
        assert said_of(blueprint, broken) == [
            "losses.attributes.target: 'attributes' in the train rows lies between 0 and 7; binary_crossentropy needs targets from 0 to 1"
        ]
    nothing = torch.zeros(len(splits.train), dtype=torch.bool)
    check_data(blueprint, replace(splits, train=changed(splits.train, "attributes", 3, 7.0, nothing)))


@pytest.mark.parametrize("value", [float("inf"), float("-inf")])
def test_targets_are_finite(value: float) -> None:
    blueprint, splits = prepared(attributes={"type": "mean_squared_error"})
    broken = replace(splits, test=changed(splits.test, "attributes", 0, value))
    assert said_of(blueprint, broken) == [
        "losses.attributes.target: 'attributes' in the test rows holds numbers that are not finite"
    ]


@pytest.mark.parametrize("value", [float("inf"), float("nan")])
def test_inputs_are_finite(value: float) -> None:
    blueprint, splits = prepared()
    images = splits.train.inputs["image"].float()
    images[5, 7] = value
    broken = replace(splits.train, inputs={"image": images})
    assert said_of(blueprint, replace(splits, train=broken)) == [
        "model.inputs.0: 'image' in the train rows holds numbers that are not finite"
    ]


@pytest.mark.parametrize(("token", "low", "high"), [(-1, -1, 77), (10_000, 3, 10_000)])
def test_words_lie_in_the_vocabulary(token: int, low: int, high: int) -> None:
    overrides = ["data.samples=100", "data.length=20", "model.layers.embedding.output_dim=4"]
    experiment = load_experiment("headline", overrides)
    blueprint, splits = draw_blueprint(experiment), open_source(experiment.data).build()
    words = torch.full_like(splits.train.inputs["headline"], 3)
    words[0, :2] = torch.tensor([token, 77])
    broken = replace(splits.train, inputs={**splits.train.inputs, "headline": words})
    assert said_of(blueprint, replace(splits, train=broken)) == [
        f"model.inputs.0: 'headline' in the train rows holds indices from {low} to {high}; allowed are 0 to 9999"
    ]


def test_all_is_told_at_once() -> None:
    blueprint, splits = prepared()
    broken = changed(changed(splits.train, "digit", 0, 10.0), "attributes", 0, -0.5)
    validation = changed(splits.validation, "digit", 0, -1.0)
    said = said_of(blueprint, replace(splits, train=broken, validation=validation))
    assert [line.split(": ")[0] for line in said] == [
        "losses.attributes.target",
        "losses.digit.target",
        "losses.digit.target",
    ]
