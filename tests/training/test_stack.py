"""Every member of a stack follows the run it would be alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from mlx_runner.records.run_folder import RunFolder
from mlx_runner.specs.experiment import Experiment
from mlx_runner.training.final import RunResult
from mlx_runner.training.run import run_experiment
from mlx_runner.training.stack import train_stack

DENSE = {
    "hidden": {"type": "dense", "units": 8, "activation": "relu"},
    "out": {"type": "dense", "units": 6, "activation": "sigmoid"},
}
CONVOLUTION = {
    "reshaped": {"type": "reshape", "target_shape": [1, 28, 28]},
    # No bias before batch normalization: its gradient is rounding noise, which Adam scales up to full steps.
    "conv": {
        "type": "conv2d",
        "filters": 3,
        "kernel_size": 3,
        "strides": 2,
        "padding": "same",
        "use_bias": False,
    },
    "norm": {"type": "batch_normalization"},
    "relu": {"type": "activation", "activation": "relu"},
    "drop": {"type": "dropout", "rate": 0.4},
    "flat": {"type": "flatten"},
    "out": {"type": "dense", "units": 6, "activation": "sigmoid"},
}


def experiment(layers: dict, precision: str = "float64", **changes: object) -> dict:
    document = {
        "name": "member",
        "data": {
            "source": "mnist",
            "shape": [784],
            "samples": 90,
            "test_samples": 60,
            "validation_split": 0.2,
        },
        "model": {"inputs": "image", "layers": layers, "outputs": "out"},
        "losses": {
            "one": {"type": "binary_crossentropy", "output": "out", "target": "attributes"},
            "two": {"type": "mean_squared_error", "output": "out", "target": "attributes", "weight": 0.5},
        },
        "optimizer": {"type": "adam", "learning_rate": 0.003},
        "training": {"epochs": 4, "batch_size": 25, "precision": precision},
    }
    return document | changes


def members(layers: dict, precision: str = "float64", **changes: object) -> list[Experiment]:
    """Four members: seeds, weights, smoothing and learning rates differ."""
    documents = [experiment(layers, precision, **changes) for _ in range(4)]
    for index, document in enumerate(documents):
        document["seed"] = index % 2
        document["losses"] = {name: dict(loss) for name, loss in document["losses"].items()}
        document["losses"]["two"]["weight"] = 0.3 * index
        document["losses"]["one"]["label_smoothing"] = 0.1 * (index // 2)
        document["optimizer"] = {"type": "adam", "learning_rate": 0.003 * (1 + index // 3)}
    return [Experiment.model_validate(document) for document in documents]


def assert_same(alone: RunResult, stacked: RunResult, rel: float) -> None:
    """Losses to `rel`; metrics within 0.005, since a count or a rank can turn on the last bit."""
    assert stacked.status == alone.status == "finished"
    assert stacked.best_epoch == alone.best_epoch
    assert_close(stacked.metrics, alone.metrics, rel)
    assert_close(stacked.baseline, alone.baseline, rel)
    assert stacked.floors == alone.floors
    histories = [RunFolder.open(Path(each.run)).read_metrics() for each in (alone, stacked)]
    for one, other in zip(*histories, strict=True):
        assert_close(other, one, rel)


def assert_close(found: dict, expected: dict, rel: float) -> None:
    for key, value in expected.items():
        tolerance = {"rel": rel} if key.endswith("loss") else {"abs": 0.005}
        assert found[key] == pytest.approx(value, **tolerance), key
    assert found.keys() == expected.keys()


@pytest.mark.parametrize("layers", [DENSE, CONVOLUTION])
@pytest.mark.parametrize(("precision", "rel"), [("float64", 1e-8), ("float32", 2e-4)])
def test_a_stack_is_its_members(tmp_path: Path, layers: dict, precision: str, rel: float) -> None:
    experiments = members(layers, precision)
    together = train_stack(experiments, runs=tmp_path / "together")
    for described, stacked in zip(experiments, together, strict=True):
        assert_same(run_experiment(described, runs=tmp_path / "alone"), stacked, rel)


def test_members_stop_early_by_themselves(tmp_path: Path) -> None:
    """The members' best epochs differ; a stopped member leaves the stack and the rest go on as alone."""
    training = {
        "epochs": 25,
        "batch_size": 25,
        "precision": "float64",
        "early_stopping": {"monitor": "validation/one/loss", "patience": 1},
    }
    experiments = members(DENSE, training=training)
    rates = (0.05, 0.003, 0.03, 0.02)
    experiments = [
        Experiment.model_validate(
            each.model_dump() | {"optimizer": {"type": "adam", "learning_rate": rate}}, strict=False
        )
        for each, rate in zip(experiments, rates, strict=True)
    ]
    together = train_stack(experiments, runs=tmp_path / "together")
    assert len({result.epochs for result in together}) > 1
    for described, stacked in zip(experiments, together, strict=True):
        alone = run_experiment(described, runs=tmp_path / "alone")
        assert stacked.epochs == alone.epochs
        assert_same(alone, stacked, rel=1e-7)


def test_a_member_that_diverges_leaves_the_others_untouched(tmp_path: Path) -> None:
    experiments = members(DENSE, optimizer={"type": "sgd", "learning_rate": 0.1})
    rates = (0.1, 1e300, 0.1, 0.05)
    experiments = [
        Experiment.model_validate(
            each.model_dump() | {"optimizer": {"type": "sgd", "learning_rate": rate}}, strict=False
        )
        for each, rate in zip(experiments, rates, strict=True)
    ]
    together = train_stack(experiments, runs=tmp_path / "together")
    assert [result.status for result in together] == ["finished", "diverged", "finished", "finished"]
    assert "at epoch 1, step 2" in together[1].notes[0]
    for described, stacked in zip(experiments, together, strict=True):
        if stacked.status == "finished":
            assert_same(run_experiment(described, runs=tmp_path / "alone"), stacked, rel=1e-8)
