"""A whole run: its numbers against a loop written by hand, and its end states."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from mlx_runner.data import open_source
from mlx_runner.records.run_folder import RunFolder
from mlx_runner.specs.errors import ConfigError, DivergedError
from mlx_runner.specs.experiment import Experiment
from mlx_runner.training.checkpoint import load_checkpoint
from mlx_runner.training.run import run_experiment
from mlx_runner.training.seeding import epoch_order
from torch import nn
from torch.nn import functional as F


def experiment(**changes: object) -> Experiment:
    """784-6-6 on 64 digits, two epochs of two steps, in float64."""
    document = {
        "name": "small",
        "seed": 3,
        "data": {
            "source": "mnist",
            "shape": [784],
            "samples": 80,
            "test_samples": 50,
            "validation_split": 0.2,
        },
        "model": {
            "inputs": "image",
            "layers": {
                "hidden": {"type": "dense", "units": 6, "activation": "relu"},
                "out": {"type": "dense", "units": 6, "activation": "sigmoid"},
            },
            "outputs": "out",
        },
        "losses": {"attributes": {"type": "binary_crossentropy", "output": "out", "target": "attributes"}},
        "training": {"epochs": 2, "batch_size": 32, "precision": "float64"},
    }
    return Experiment.model_validate(document | changes)


def losses(run: RunFolder, key: str) -> list[float]:
    return [row[key] for row in run.read_metrics()]


@pytest.mark.parametrize("batch_size", [32, 25])
def test_run_equals_a_loop_written_by_hand(tmp_path: Path, batch_size: int) -> None:
    """Plain PyTorch with its own Adam from the same weights and order; 25 leaves a ragged batch."""
    described = experiment(
        numerics="torch", training={"epochs": 3, "batch_size": batch_size, "precision": "float64"}
    )
    result = run_experiment(described, runs=tmp_path)
    splits = open_source(described.data).build()
    images = splits.train.inputs["image"].double() / 255
    labels = splits.train.targets["attributes"].double()
    module = hand_written(described)
    optimizer = torch.optim.Adam(module.parameters(), lr=1e-3)
    expected = []
    for epoch in (1, 2, 3):
        total = 0.0
        for rows in epoch_order(3, epoch, len(images)).split(batch_size):
            loss = F.binary_cross_entropy_with_logits(module(images[rows]), labels[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(rows)
        expected.append(total / len(images))
    run = RunFolder.open(Path(result.run))
    assert losses(run, "train/loss") == pytest.approx(expected, rel=1e-7)
    test_images = splits.test.inputs["image"].double() / 255
    logits, targets = module(test_images), splits.test.targets["attributes"].double()
    assert result.metrics["test/loss"] == pytest.approx(
        F.binary_cross_entropy_with_logits(logits, targets).item(), rel=1e-9
    )
    accuracy = ((logits > 0) == targets.bool()).double().mean().item()
    assert result.metrics["test/out/binary_accuracy"] == pytest.approx(accuracy)


def hand_written(described: Experiment) -> nn.Sequential:
    """The module with the initial weights of the run."""
    from mlx_runner.models import InputSpec, build_network

    network = build_network(
        described.model, {"image": InputSpec((784,))}, seed=3, numerics="torch", dtype=torch.float64
    )
    module = nn.Sequential(nn.Linear(784, 6), nn.ReLU(), nn.Linear(6, 6)).double()
    with torch.no_grad():
        for linear, name in ((module[0], "hidden"), (module[2], "out")):
            linear.weight.copy_(network.layer(name).kernel.T)
            linear.bias.copy_(network.layer(name).bias)
    return module


def test_the_baseline_predicts_the_prevalence(tmp_path: Path) -> None:
    described = experiment()
    result = run_experiment(described, runs=tmp_path)
    splits = open_source(described.data).build()
    prevalence = splits.train.targets["attributes"].double().mean(0)
    targets = splits.test.targets["attributes"].double()
    expected = F.binary_cross_entropy(prevalence.expand_as(targets), targets).item()
    assert result.baseline["test/loss"] == pytest.approx(expected, rel=1e-6)
    accuracy = ((prevalence > 0.5) == targets.bool()).double().mean().item()
    assert result.baseline["test/out/binary_accuracy"] == pytest.approx(accuracy)
    assert result.floors == {"attributes": 0.0}


def test_same_tables_twice_and_other_tables_for_another_seed(tmp_path: Path) -> None:
    runs = [
        Path(run_experiment(described, runs=tmp_path).run)
        for described in (experiment(), experiment(), experiment(seed=4))
    ]
    for name in ("metrics.csv", "ledger.csv", "labels.csv"):
        first, second, other = ((run / name).read_bytes() for run in runs)
        assert first == second
        assert first != other


def test_the_ledger_adds_up(tmp_path: Path) -> None:
    terms = {
        "one": {"type": "binary_crossentropy", "output": "out", "target": "attributes", "weight": 0.3},
        "two": {"type": "binary_crossentropy", "output": "out", "target": "attributes", "weight": 2.0,
                "label_smoothing": 0.1},
    }  # fmt: skip
    result = run_experiment(experiment(losses=terms), runs=tmp_path)
    run = RunFolder.open(Path(result.run))
    for row in run.read_metrics():
        for split in ("train", "validation"):
            own = [r for r in run.read_ledger() if (r["epoch"], r["split"]) == (row["epoch"], split)]
            assert [r["term"] for r in own] == ["one", "two"]
            assert sum(r["raw"] * r["weight"] for r in own) == pytest.approx(row[f"{split}/loss"], rel=1e-8)
            assert sum(r["share"] for r in own) == pytest.approx(1.0, rel=1e-8)


def test_the_best_epoch_is_what_is_evaluated(tmp_path: Path) -> None:
    """With a learning rate that ruins the network later, the first epochs are the best."""
    stop = {"monitor": "validation/loss", "patience": 2}
    described = experiment(
        optimizer={"type": "adam", "learning_rate": 0.3},
        training={"epochs": 30, "batch_size": 32, "precision": "float64", "early_stopping": stop},
    )
    result = run_experiment(described, runs=tmp_path)
    run = RunFolder.open(Path(result.run))
    history = losses(run, "validation/loss")
    best = history.index(min(history)) + 1
    assert result.best_epoch == best
    assert result.epochs == len(history) == best + 2 < 30
    assert result.metrics["validation/loss"] == pytest.approx(min(history), rel=1e-6)
    weights, facts = load_checkpoint(run.checkpoint_path("best"))
    last, _ = load_checkpoint(run.checkpoint_path("last"))
    assert facts["epoch"] == best
    assert not torch.equal(weights["model/layers.out.kernel"], last["model/layers.out.kernel"])


def test_divergence_stops_before_the_step_and_names_the_term(tmp_path: Path) -> None:
    described = experiment(
        optimizer={"type": "sgd", "learning_rate": 1e300},
        training={"epochs": 5, "batch_size": 32, "precision": "float64"},
    )
    with pytest.raises(DivergedError, match=r"at epoch 1, step 2") as caught:
        run_experiment(described, runs=tmp_path)
    (run,) = [RunFolder.open(path) for path in tmp_path.iterdir()]
    assert run.status == "diverged"
    assert "loss 'attributes' of output 'out' was" in str(caught.value)
    assert str(run.path) in str(caught.value)


def test_without_validation_the_training_loss_is_monitored(tmp_path: Path) -> None:
    data = {"source": "mnist", "shape": [784], "samples": 64, "test_samples": 50, "validation_split": 0.0}
    result = run_experiment(experiment(data=data), runs=tmp_path)
    assert not any(key.startswith("validation/") for key in result.metrics)
    assert result.best_epoch == 2
    assert math.isfinite(result.metrics["test/loss"])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"losses": {"a": {"type": "binary_crossentropy", "output": "uot", "target": "atributes"}}},
            "losses.a.output: no output named 'uot'; did you mean 'out'? Outputs: out.\n"
            "losses.a.target: no target named 'atributes'; did you mean 'attributes'? "
            "Targets: image, digit, digits, attributes.",
        ),
        (
            {"losses": {"a": {"type": "binary_crossentropy", "output": "out", "target": "digits"}}},
            "losses.a.target: target 'digits' has (10) per example, but output 'out' gives (6)",
        ),
        (
            {"metrics": {"ot": ["f1_micro"]}},
            "metrics.ot: no output named 'ot'; did you mean 'out'? Outputs: out.",
        ),
        (
            {"metrics": {"out": ["f1"]}},
            "metrics.out.0: metric 'f1' is for one column, the output has 6; "
            "allowed: f1_micro, f1_macro, f1_samples.",
        ),
        (
            {"training": {"early_stopping": {"monitor": "validation/lss"}}},
            "training.early_stopping.monitor: no metric key named 'validation/lss'; "
            "did you mean 'validation/loss'? Metric keys: ",
        ),
    ],
)
def test_what_does_not_fit_is_said_before_anything_is_written(
    tmp_path: Path, changes: dict, message: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        run_experiment(experiment(**changes), runs=tmp_path)
    assert str(caught.value).startswith(message)
    assert not list(tmp_path.iterdir())
