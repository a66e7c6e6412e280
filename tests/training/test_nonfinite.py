"""What is done about a loss or gradient that is not finite: stop and name it, or leave the step out."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mlx_runner.records.run_folder import RunFolder
from mlx_runner.specs.errors import ConfigError, DivergedError
from mlx_runner.specs.experiment import Experiment
from mlx_runner.specs.load import load_experiment
from mlx_runner.training.checkpoint import load_checkpoint
from mlx_runner.training.run import run_experiment
from mlx_runner.training.seeding import epoch_order
from mlx_runner.training.stack import train_stack
from torch.nn import functional as F

ROWS, BATCH, BAD = 40, 8, 17


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty rows of three numbers and their sum; row 17 is finite, and what is made of it is not."""
    folder = tmp_path_factory.mktemp("arrays")
    inputs = np.random.RandomState(0).standard_normal((ROWS, 3)).astype(np.float32)
    inputs[BAD] = 3.4e38
    np.save(folder / "x.npy", inputs)
    np.save(folder / "y.npy", np.clip(inputs.astype(np.float64).sum(1), -9, 9).astype(np.float32))
    return folder


def experiment(folder: Path, *, seed: int = 0, normalized: bool = False, **training: Any) -> Experiment:
    wide = {"hidden": {"type": "dense", "units": 32}, "normal": {"type": "batch_normalization"}}
    layers: dict[str, Any] = {**(wide if normalized else {}), "scores": {"type": "dense", "units": 1}}
    return Experiment.model_validate(
        {
            "name": f"bad_seed{seed}",
            "seed": seed,
            "numerics": "torch",
            "data": {
                "source": "arrays",
                "path": str(folder),
                "inputs": {"x": {"kind": "numbers"}},
                "targets": {"y": {"kind": "values"}},
                "validation_split": 0.0,
                "test_split": 0.0,
            },
            "model": {"inputs": "x", "layers": layers, "outputs": "scores"},
            "losses": {"error": {"type": "mean_squared_error", "output": "scores", "target": "y"}},
            "optimizer": {"type": "sgd", "learning_rate": 0.01},
            "training": {"epochs": 3, "batch_size": BATCH, **training},
        }
    )


def bad_step(seed: int) -> tuple[int, list[int]]:
    """The step of the first epoch that meets the bad row, from 1, and the rows of its batch."""
    batches = torch.split(epoch_order(seed, 1, ROWS), BATCH)
    (step,) = (number for number, rows in enumerate(batches, start=1) if BAD in rows)
    return step, batches[step - 1].tolist()


def test_it_stops_and_names_term_output_layer_step_and_rows(folder: Path, tmp_path: Path) -> None:
    step, rows = bad_step(0)
    with pytest.raises(DivergedError) as caught:
        run_experiment(experiment(folder), runs=tmp_path)
    (path,) = tmp_path.iterdir()
    assert str(caught.value) == (
        f"loss 'error' of output 'scores' was inf at epoch 1, step {step}; the run is in {path}"
    )
    found = json.loads((path / "nonfinite.json").read_text("utf-8"))
    assert found == {
        "epoch": 1,
        "step": step,
        "rows": rows,
        "term": "error",
        "output": "scores",
        "value": "inf",
        "layer": None,
        "left_out": 0,
    }
    weights, _ = load_checkpoint(RunFolder(path).checkpoint_path("last"))
    assert all(bool(torch.isfinite(each).all()) for each in weights.values())


def test_the_first_layer_with_such_values_is_named(folder: Path, tmp_path: Path) -> None:
    described = experiment(folder, normalized=True)
    step, _ = bad_step(0)
    with pytest.raises(
        DivergedError, match=f"step {step}; layer 'hidden' was the first to give it such values"
    ):
        run_experiment(described, runs=tmp_path)


def test_what_is_left_out_leaves_no_trace(folder: Path, tmp_path: Path) -> None:
    """Plain gradient descent over all other batches, written by hand, and the means over their rows."""
    described = experiment(folder, on_nonfinite="skip")
    result = run_experiment(described, runs=tmp_path)
    run = RunFolder.open(Path(result.run))
    inputs, targets = (torch.from_numpy(np.load(folder / f"{name}.npy")) for name in "xy")
    weights, _ = load_checkpoint(run.checkpoint_path("last"))
    first = run_experiment(experiment(folder, epochs=1, on_nonfinite="skip"), runs=tmp_path / "one")
    start = Experiment.model_validate(described.model_dump(by_alias=True), strict=False)
    assert start == described
    from mlx_runner.training.assemble import open_workshop
    from mlx_runner.training.blueprint import draw_blueprint

    network = open_workshop(draw_blueprint(described), torch.device("cpu")).build([described], stacked=False)
    kernel = network.network.state_dict()["layers.scores.kernel"].clone().requires_grad_()
    bias = network.network.state_dict()["layers.scores.bias"].clone().requires_grad_()
    means: list[float] = []
    for epoch in (1, 2, 3):
        total, count = 0.0, 0
        for rows in torch.split(epoch_order(0, epoch, ROWS), BATCH):
            if BAD in rows:
                continue
            loss = F.mse_loss((inputs[rows] @ kernel + bias).squeeze(-1), targets[rows])
            loss.backward()
            with torch.no_grad():
                for each in (kernel, bias):
                    each -= 0.01 * each.grad
                    each.grad = None
            total, count = total + float(loss.detach()) * len(rows), count + len(rows)
        means.append(total / count)
    torch.testing.assert_close(weights["model/layers.scores.kernel"], kernel.detach())
    assert [row["train/loss"] for row in run.read_metrics()] == pytest.approx(means, rel=1e-5)
    assert result.notes[-1].startswith("3 steps were left out: their loss or gradient was not finite")
    assert "epoch 2: 1 steps were left out (2 of at most 10)" in (run.path / "log.txt").read_text("utf-8")
    assert first.notes[-1].startswith("1 steps were left out")


def test_averages_are_not_spoilt(folder: Path, tmp_path: Path) -> None:
    result = run_experiment(experiment(folder, normalized=True, on_nonfinite="skip"), runs=tmp_path)
    weights, _ = load_checkpoint(RunFolder(Path(result.run)).checkpoint_path("last"))
    assert all(bool(torch.isfinite(each).all()) for each in weights.values())
    assert math.isfinite(result.metrics["train/loss"])


def test_a_limit(folder: Path, tmp_path: Path) -> None:
    described = experiment(folder, on_nonfinite="skip", nonfinite_limit=2)
    with pytest.raises(
        DivergedError,
        match=r"epoch 3, step \d \(training\.nonfinite_limit: 2 such steps were left out",
    ):
        run_experiment(described, runs=tmp_path)
    (path,) = tmp_path.iterdir()
    assert len(RunFolder.open(path).read_metrics()) == 2


@pytest.mark.parametrize("normalized", [False, True])
def test_members_leave_out_their_own_steps(folder: Path, tmp_path: Path, normalized: bool) -> None:
    experiments = [
        experiment(folder, seed=seed, normalized=normalized, on_nonfinite="skip", precision="float64")
        for seed in range(3)
    ]
    together = train_stack(experiments, runs=tmp_path / "stack")
    for described, stacked in zip(experiments, together, strict=True):
        alone = run_experiment(described, runs=tmp_path / "alone")
        assert stacked.metrics == pytest.approx(alone.metrics, rel=1e-9)
        assert stacked.notes == alone.notes


def test_a_limit_without_effect_is_refused(tmp_path: Path, tiny: str) -> None:
    path = tmp_path / "tiny.yaml"
    path.write_text(tiny, "utf-8")
    with pytest.raises(ConfigError, match=r"training: nonfinite_limit has no effect with on_nonfinite: stop"):
        load_experiment(str(path), ["training.nonfinite_limit=3"])


def test_without_any_number_to_watch_the_last_weights_are_kept(folder: Path, tmp_path: Path) -> None:
    """One batch of all rows: every step is left out, and no epoch has a loss."""
    result = run_experiment(experiment(folder, on_nonfinite="skip", batch_size=ROWS, epochs=2), runs=tmp_path)
    assert result.best_epoch == 2
    assert "train/loss was never a number: the last epoch's weights are kept" in result.notes
