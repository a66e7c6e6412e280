"""Which metrics an output may have: what its target may be read as, and the Brier score by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mlx_runner.specs.errors import ConfigError
from mlx_runner.specs.experiment import Experiment
from mlx_runner.training.assemble import open_workshop
from mlx_runner.training.blueprint import draw_blueprint
from mlx_runner.training.run import run_experiment
from safetensors.torch import load_file

SIGMOIDS = {"type": "dense", "units": 6, "activation": "sigmoid"}
SOFTMAX = {"type": "dense", "units": 10, "activation": "softmax"}
VALUES = ("mse", "mae", "rmse", "r2")


def experiment(layer: dict[str, Any], kind: str, target: str, metrics: tuple[str, ...]) -> Experiment:
    return Experiment.model_validate(
        {
            "name": "brier",
            "data": {"source": "mnist", "shape": [784], "samples": 80, "test_samples": 100},
            "model": {"inputs": "image", "layers": {"out": layer}, "outputs": "out"},
            "losses": {"loss": {"type": kind, "output": "out", "target": target}},
            "metrics": {"out": list(metrics)} if metrics else {},
            "training": {"epochs": 1, "precision": "float64"},
        }
    )


LABELS = (SIGMOIDS, "binary_crossentropy", "attributes")
ONE_HOT = (SOFTMAX, "categorical_crossentropy", "digits")


@pytest.mark.parametrize("output", [LABELS, ONE_HOT], ids=["labels", "one_hot"])
def test_probabilities_are_numbers_too(output: tuple[dict[str, Any], str, str]) -> None:
    names = ("f1_micro", *VALUES)
    (plan,) = draw_blueprint(experiment(*output, names)).metrics
    assert plan.names == names


def test_what_an_output_is_read_as_first_decides_on_its_usual_metrics() -> None:
    (plan,) = draw_blueprint(experiment(*LABELS, ())).metrics
    assert plan.kind == "binary"
    assert not set(plan.names) & set(VALUES)
    (plan,) = draw_blueprint(experiment(*ONE_HOT, ())).metrics
    assert (plan.kind, plan.names) == ("classes", ("categorical_accuracy",))


def test_class_numbers_are_no_numbers_to_be_near() -> None:
    """The distance of class 3 from class 7 says nothing."""
    described = experiment(SOFTMAX, "sparse_categorical_crossentropy", "digit", ("mse",))
    with pytest.raises(ConfigError, match="metric 'mse' is for numbers, the target here is one class"):
        draw_blueprint(described)


@pytest.mark.parametrize("output", [LABELS, ONE_HOT], ids=["labels", "one_hot"])
def test_the_brier_score_is_that_of_numpy(tmp_path: Path, output: tuple[dict[str, Any], str, str]) -> None:
    """Mean over rows and labels of (p - y)^2, from the weights of the run and nothing else of ours."""
    described = experiment(*output, VALUES)
    result = run_experiment(described, runs=tmp_path)
    splits = open_workshop(draw_blueprint(described), torch.device("cpu")).splits
    assert splits.test is not None
    state = load_file(Path(result.run) / "checkpoints" / "best.safetensors")
    weights = {name.rpartition(".")[2]: value.numpy() for name, value in state.items()}
    images = splits.test.inputs["image"].numpy().astype(np.float64) / 255
    targets = splits.test.targets[output[2]].numpy().astype(np.float64)
    logits = images @ weights["kernel"] + weights["bias"]
    if output is LABELS:
        probabilities = 1 / (1 + np.exp(-logits))
    else:
        exponentials = np.exp(logits - logits.max(1, keepdims=True))
        probabilities = exponentials / exponentials.sum(1, keepdims=True)
    errors = probabilities - targets
    expected = {
        "mse": (errors**2).mean(),
        "mae": np.abs(errors).mean(),
        "rmse": np.sqrt((errors**2).mean()),
        "r2": (1 - (errors**2).sum(0) / ((targets - targets.mean(0)) ** 2).sum(0)).mean(),
    }
    found = {name: result.metrics[f"test/out/{name}"] for name in VALUES}
    assert found == pytest.approx(expected, rel=1e-6)
    rates = splits.train.targets[output[2]].numpy().astype(np.float64).mean(0)
    assert result.baseline["test/out/mse"] == pytest.approx(((rates - targets) ** 2).mean(), rel=1e-6)
