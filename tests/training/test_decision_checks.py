"""Thresholds and calibration that do not fit their outputs: told word for word before anything is written."""

# ruff: noqa: E501  (messages are compared word for word, each on one line)

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from mlx_runner.specs.errors import ConfigError, DataError
from mlx_runner.specs.experiment import Experiment
from mlx_runner.training.assemble import open_workshop
from mlx_runner.training.blueprint import draw_blueprint

Weighed = Callable[..., Experiment]

ATTRIBUTES = "even, prime, at_least_five, multiple_of_three, has_loop, straight_strokes"
OUTPUTS = "labels_output, digit_output, image_output"
NO_ROWS = "there are none; keep some (data.validation_split)"
LOGITS = {
    "out": {"type": "dense", "units": 6},
    "digit": {"type": "dense", "of": "image", "units": 10},
    "both": {"type": "dense", "of": "image", "units": 10, "activation": "softmax"},
    "pixels": {"type": "dense", "of": "image", "units": 784, "activation": "sigmoid"},
    "classes": {"type": "dense", "of": "image", "units": 10, "activation": "sigmoid"},
    "many": {"type": "dense", "of": "image", "units": 6, "activation": "softmax"},
}
LOGIT_LOSSES = {
    "a": {"type": "binary_crossentropy", "output": "out", "target": "attributes", "from_logits": True},
    "b": {
        "type": "sparse_categorical_crossentropy",
        "output": "digit",
        "target": "digit",
        "from_logits": True,
    },
    "c": {"type": "mean_squared_error", "output": "both", "target": "digits"},
    "d": {"type": "binary_crossentropy", "output": "pixels", "target": "image"},
    "e": {"type": "categorical_crossentropy", "output": "classes", "target": "digits"},
    "f": {"type": "binary_crossentropy", "output": "many", "target": "attributes"},
}
ODD = {"model": {"inputs": "image", "layers": LOGITS, "outputs": list(LOGITS)}, "losses": LOGIT_LOSSES}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"thresholds": {"labels": 0.4}, "calibration": {"label_output": "temperature"}},
            f"thresholds.labels: no output named 'labels'; did you mean 'labels_output'? Outputs: {OUTPUTS}.\n"
            f"calibration.label_output: no output named 'label_output'; did you mean 'labels_output'? Outputs: {OUTPUTS}.",
        ),
        (
            {"thresholds": {"labels_output": {"evn": 0.4, "even": 0.3}}},
            f"thresholds.labels_output.evn: no label named 'evn'; did you mean 'even'? Labels: {ATTRIBUTES}.",
        ),
        (
            {"thresholds": {"digit_output": "f1", "image_output": 0.4}, "calibration": {"image_output": "temperature"}},
            "thresholds.digit_output: thresholds are for binary labels, and 'digit' is one class of several.\n"
            "thresholds.image_output: thresholds are for binary labels, and 'image' is numbers.\n"
            "calibration.image_output: a temperature divides logits, and 'image_output', which ends in linear, has none; end it in activation: sigmoid or softmax.",
        ),
        (
            ODD | {"thresholds": {"out": 0.4}, "calibration": {"pixels": "temperature", "classes": "temperature", "many": "temperature"}},
            "thresholds.out: thresholds are of probabilities, and 'out' gives logits; end it in activation: sigmoid and leave from_logits at auto.\n"
            "calibration.pixels: the temperature of a sigmoid is fitted to binary labels, and 'image' is numbers.\n"
            "calibration.classes: the temperature of a sigmoid is fitted to binary labels, and 'digits' is one class of several.\n"
            "calibration.many: the temperature of a softmax is fitted to one class per row, and several labels of 'attributes' may be true at once; use activation: sigmoid.",
        ),
        (
            ODD | {"metrics": {"out": ["f1_micro", "ece"], "digit": ["ece"]}},
            "metrics.out.1: metric 'ece' is of probabilities, and 'out' gives logits; end it in an activation (sigmoid or softmax) and leave from_logits at auto.\n"
            "metrics.digit.0: metric 'ece' is of probabilities, and 'digit' gives logits; end it in an activation (sigmoid or softmax) and leave from_logits at auto.",
        ),
        (
            {"losses": {"labels": {"type": "binary_crossentropy", "output": "labels_output", "target": "attributes"}},
             "thresholds": {"digit_output": 0.4}, "calibration": {"digit_output": "temperature"}},
            "thresholds.digit_output: no output with a loss named 'digit_output'. Outputs with a loss: labels_output.\n"
            "calibration.digit_output: no output with a loss named 'digit_output'. Outputs with a loss: labels_output.",
        ),
        (
            {"data": {"source": "mnist", "shape": [784], "samples": 60, "test_samples": 50, "validation_split": 0.0},
             "thresholds": {"labels_output": "f1"}, "calibration": {"digit_output": "temperature"}},
            f"thresholds.labels_output: thresholds for the highest F1 are found on validation rows, and {NO_ROWS}, or give numbers.\n"
            f"calibration.digit_output: a temperature is fitted to validation rows, and {NO_ROWS}.",
        ),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_told(weighed: Weighed, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        draw_blueprint(weighed({"type": "fixed"}, **changes))
    assert str(caught.value) == message


def test_what_fits_passes(weighed: Weighed) -> None:
    draw_blueprint(weighed({"type": "fixed"}, **ODD, calibration={"both": "temperature"}))
    both = {"labels_output": "temperature", "digit_output": "temperature"}
    draw_blueprint(weighed({"type": "fixed"}, thresholds={"labels_output": "f1"}, calibration=both))
    data = {"source": "mnist", "shape": [784], "samples": 60, "validation_split": 0.0}
    draw_blueprint(weighed({"type": "fixed"}, thresholds={"labels_output": {"even": 0.3}}, data=data))


def test_a_split_that_comes_out_empty_is_told_before_anything_is_trained(weighed: Weighed) -> None:
    data = {"source": "mnist", "shape": [784], "samples": 60, "test_samples": 50, "validation_split": 0.01}
    described = weighed({"type": "fixed"}, data=data, thresholds={"labels_output": "f1"})
    with pytest.raises(DataError) as caught:
        open_workshop(draw_blueprint(described), torch.device("cpu"))
    assert str(caught.value) == (
        f"thresholds.labels_output: thresholds for the highest F1 are found on validation rows, and {NO_ROWS}, or give numbers."
    )
