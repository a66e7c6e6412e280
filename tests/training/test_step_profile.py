"""`mlx train --profile`: the parts of a step add up, and the training is the same with and without it."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from mlx_runner.records.run_folder import RunFolder
from mlx_runner.specs.experiment import Experiment
from mlx_runner.specs.load import load_experiment
from mlx_runner.training.blueprint import draw_blueprint
from mlx_runner.training.run import run_experiment
from mlx_runner.training.step_profile import OPERATOR_STEPS, TIMED_STEPS, WARM_UP_STEPS, StepProfile

STAGES = [
    "batch",
    "forward",
    "losses",
    "backward",
    "search for what is not finite",
    "optimizer",
    "bookkeeping",
]
BATCH = 10

Mlx = Callable[..., tuple[int, str, str]]


def experiment(steps: int, *changes: str) -> Experiment:
    rows = [f"data.samples={steps * BATCH}", "data.test_samples=20", "data.validation_split=0"]
    return load_experiment("multilabel_attributes", [*rows, f"training.batch_size={BATCH}", *changes])


def profiled(given: Experiment, runs: Path) -> RunFolder:
    return RunFolder.open(Path(run_experiment(given, runs=runs, profile=True).run))


def test_stages_layers_and_operators(tmp_path: Path) -> None:
    steps = WARM_UP_STEPS + TIMED_STEPS + OPERATOR_STEPS + 5
    folder = profiled(experiment(steps, "training.epochs=1"), tmp_path)
    whole, *rows = folder.read_profile()
    assert (whole["kind"], whole["calls"], whole["share"]) == ("step", TIMED_STEPS, 1.0)
    by_kind = {kind: [row for row in rows if row["kind"] == kind] for kind in ("stage", "layer", "operator")}
    assert [row["name"] for row in by_kind["stage"]] == STAGES
    assert sum(row["seconds"] for row in by_kind["stage"]) == pytest.approx(whole["seconds"])
    assert sum(row["share"] for row in by_kind["stage"]) == pytest.approx(1.0)
    assert {row["name"]: row["calls"] for row in by_kind["layer"]} == {"hidden": 1.0, "attributes": 1.0}
    forward = next(row for row in by_kind["stage"] if row["name"] == "forward")
    assert sum(row["seconds"] for row in by_kind["layer"]) < forward["seconds"]
    calls = {row["name"]: row["calls"] for row in by_kind["operator"]}
    assert calls["aten::addmm"] == 2.0
    assert calls["aten::_fused_adam_"] == 1.0
    assert 0.5 < sum(row["share"] for row in by_kind["operator"]) <= 1.0 + 1e-9
    # The first epoch's seconds hold what was timed.
    assert whole["seconds"] * TIMED_STEPS < folder.read_timings()[0]["seconds"]


def test_the_training_is_the_same(tmp_path: Path) -> None:
    given = experiment(40, "training.epochs=8")
    plain = RunFolder.open(Path(run_experiment(given, runs=tmp_path / "plain").run))
    folder = profiled(given, tmp_path / "profiled")
    for name in ("metrics.csv", "ledger.csv", "labels.csv"):
        assert (folder.path / name).read_bytes() == (plain.path / name).read_bytes()
    assert not (plain.path / "profile.csv").exists()


def test_operators_of_an_evaluation_are_not_counted(tmp_path: Path) -> None:
    """The steps whose operators are watched begin in the last three of an epoch, and end with it."""
    steps = (WARM_UP_STEPS + TIMED_STEPS + 3) // 3
    folder = profiled(experiment(steps, "training.epochs=4", "training.evaluate_train=true"), tmp_path)
    calls = {row["name"]: row["calls"] for row in folder.read_profile() if row["kind"] == "operator"}
    assert calls["aten::addmm"] == 2.0


def test_a_stage_that_takes_long_is_seen() -> None:
    profile = StepProfile()
    network = draw_blueprint(experiment(1)).network
    for _ in range(WARM_UP_STEPS + 5):
        profile.open_step(network)
        profile.mark("short")
        time.sleep(0.002)
        profile.mark("long")
    rows = {row.name: row for row in profile.rows()}
    assert rows["whole"].calls == 5
    assert rows["long"].seconds >= 0.002
    assert rows["long"].share > 0.5


def test_too_few_steps(tmp_path: Path) -> None:
    folder = profiled(experiment(WARM_UP_STEPS, "training.epochs=1"), tmp_path)
    assert folder.read_profile() == []


def test_the_tables_of_the_command(mlx: Mlx, tmp_path: Path) -> None:
    sizes = ["data.test_samples=20", "training.epochs=1", "training.batch_size=10"]
    words = ["train", "multilabel_attributes", *sizes, "--quiet", "--profile"]
    code, out, _ = mlx(*words, "data.samples=2600", folder=tmp_path)
    assert code == 0
    assert re.search(r"a step: \d[\d.e-]* ms, the mean of 200", out)
    for heading in ("stage", "layer, forward", "operator, by itself", "backward", "hidden", "addmm"):
        assert heading in out
    code, out, _ = mlx(*words, "data.samples=40", folder=tmp_path)
    assert code == 0
    assert "no profile: the first ten steps are not timed, and there were no more" in out
