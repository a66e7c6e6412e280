"""`gradients.csv`: what it says of a step, and that reporting changes nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from mlx_runner.records.run_folder import RunFolder
from mlx_runner.specs.experiment import Experiment
from mlx_runner.training.checkpoint import load_checkpoint
from mlx_runner.training.run import run_experiment
from mlx_runner.training.stack import train_stack
from torch.nn import functional as F

REPORT = {"epochs": 2, "batch_size": 16, "precision": "float64", "gradient_report": {"every": 2}}


def _report(experiment: Experiment, folder: Path) -> RunFolder:
    return RunFolder.open(Path(run_experiment(experiment, runs=folder, device="cpu").run))


def test_a_report_is_the_gradients_of_the_step_that_follows(
    weighed, workshop_of, batches_of, plain_losses, tmp_path: Path
) -> None:
    experiment = weighed({"type": "fixed"}, training=REPORT)
    run = _report(experiment, tmp_path)
    rows = {(row["epoch"], row["step"], row["layer"], row["term"]): row for row in run.read_gradients()}
    # 48 rows in batches of 16 are three steps an epoch: reports before steps 1, 3 and 5.
    assert sorted({key[:2] for key in rows}) == [(1, 1), (1, 3), (2, 5)]
    workshop = workshop_of(experiment)
    network = workshop.build([experiment], stacked=False).network
    batch = batches_of(experiment, workshop, 1)[0]
    weights = {"labels": 1.0, "digit": 1.0, "pixels": 2.0}
    for layer, terms in {
        "bottom": ["labels", "digit", "pixels"],
        "top": ["labels", "digit"],
        "labels_output": ["labels"],
        "digit_output": ["digit"],
        "image_output": ["pixels"],
    }.items():
        assert [key[3] for key in rows if key[:3] == (1, 1, layer)] == terms
        parameters = list(network.layer(layer).parameters())
        losses = dict(zip(weights, plain_losses(network, batch), strict=True))
        grads = {}
        for name in terms:
            found = torch.autograd.grad(losses[name], parameters, retain_graph=True)
            grads[name] = torch.cat([each.reshape(-1) for each in found])
        total = sum(weights[name] * grad for name, grad in grads.items())
        for name in terms:
            row = rows[1, 1, layer, name]
            assert row["norm"] == pytest.approx(float(grads[name].norm()), rel=1e-8)
            share = weights[name] * float(grads[name] @ total) / float(total @ total)
            assert row["share"] == pytest.approx(share, rel=1e-7)
            for other in weights:
                if other in terms:
                    cosine = F.cosine_similarity(grads[name], grads[other], dim=0, eps=0.0)
                    assert row[f"cosine/{other}"] == pytest.approx(float(cosine), rel=1e-7)
                else:
                    assert row[f"cosine/{other}"] is None


def test_a_report_changes_nothing_else(weighed, tmp_path: Path) -> None:
    dropped = {
        "hidden": {"type": "dense", "units": 5, "activation": "tanh"},
        "normal": {"type": "batch_normalization"},
        "drop": {"type": "dropout", "rate": 0.4},
        "labels_output": {"type": "dense", "units": 6, "activation": "sigmoid"},
    }
    changes = {
        "model": {"inputs": "image", "layers": dropped, "outputs": ["labels_output"]},
        "losses": {
            "labels": {"type": "binary_crossentropy", "output": "labels_output", "target": "attributes"}
        },
    }
    reported = _report(weighed({"type": "fixed"}, training=REPORT, **changes), tmp_path / "with")
    plain = {key: value for key, value in REPORT.items() if key != "gradient_report"}
    quiet = _report(weighed({"type": "fixed"}, training=plain, **changes), tmp_path / "without")
    for name in ("metrics.csv", "ledger.csv", "labels.csv", "checkpoints/best.safetensors"):
        assert (reported.path / name).read_bytes() == (quiet.path / name).read_bytes()
    one, other = (load_checkpoint(run.checkpoint_path("last"))[0] for run in (reported, quiet))
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert reported.read_gradients()
    assert not (quiet.path / "gradients.csv").exists()


@pytest.mark.parametrize("weighting", [{"type": "fixed"}, {"type": "random"}, {"type": "uncertainty"}])
def test_a_member_of_a_stack_reports_what_it_would_alone(weighed, weighting, tmp_path: Path) -> None:
    experiments = [weighed(weighting, training=REPORT, seed=seed) for seed in (5, 6)]
    results = train_stack(experiments, runs=tmp_path / "stack", device="cpu")
    for experiment, result in zip(experiments, results, strict=True):
        alone = _report(experiment, tmp_path / "alone").read_gradients()
        stacked = RunFolder.open(Path(result.run)).read_gradients()
        assert len(alone) == len(stacked) > 0
        for one, other in zip(alone, stacked, strict=True):
            assert one.keys() == other.keys()
            for key, value in one.items():
                expected = pytest.approx(value, rel=1e-6) if isinstance(value, float) else value
                assert other[key] == expected


def test_a_stack_of_members_with_knobs_of_their_own(weighed, tmp_path: Path) -> None:
    """Weights, smoothing and penalties are each member's."""
    layers = {
        "hidden": {"type": "dense", "units": 5, "kernel_regularizer": {"l2": 0.1}},
        "labels_output": {"type": "dense", "units": 6, "activation": "sigmoid"},
    }
    losses = [
        {
            "labels": {
                "type": "binary_crossentropy",
                "output": "labels_output",
                "target": "attributes",
                "weight": weight,
                "label_smoothing": smoothing,
            }
        }
        for weight, smoothing in ((1.0, 0.0), (0.5, 0.2))
    ]
    model = {"inputs": "image", "layers": layers, "outputs": ["labels_output"]}
    experiments = [weighed({"type": "fixed"}, training=REPORT, losses=each, model=model) for each in losses]
    results = train_stack(experiments, runs=tmp_path / "stack", device="cpu")
    for experiment, result in zip(experiments, results, strict=True):
        alone = _report(experiment, tmp_path / "alone").read_gradients()
        stacked = RunFolder.open(Path(result.run)).read_gradients()
        assert [row["norm"] for row in stacked] == pytest.approx([row["norm"] for row in alone], rel=1e-6)
        assert [row["share"] for row in stacked] == pytest.approx([row["share"] for row in alone], rel=1e-6)


def test_a_report_every_step_has_all_steps(weighed, tmp_path: Path) -> None:
    training = {**REPORT, "gradient_report": {"every": 1}}
    rows = _report(weighed({"type": "fixed"}, training=training), tmp_path).read_gradients()
    assert sorted({row["step"] for row in rows}) == [1, 2, 3, 4, 5, 6]
