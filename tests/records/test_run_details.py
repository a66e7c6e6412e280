"""One run told of in full, and two side by side."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from mlx_runner.records.numbers import to_json
from mlx_runner.records.run_details import describe_run
from mlx_runner.records.run_diff import diff_runs
from mlx_runner.records.run_folder import RunFolder
from mlx_runner.records.tags import change_tags
from mlx_runner.specs.errors import DataError

MakeRun = Callable[..., RunFolder]

ENVIRONMENT = {
    "command": ["mlx", "train", "two words"],
    "device": "cpu",
    "threads": 2,
    "precision": "float32",
    "data_fingerprint": "abc",
    "versions": {"python": "3.11.7", "torch": "2.11.0"},
    "code": {"commit": "c0ffee", "dirty": False},
}


def test_a_finished_run(make_run: MakeRun, tmp_path: Path) -> None:
    run = make_run(tmp_path, "headline", **ENVIRONMENT)
    run.write_summary(
        {
            "status": "finished",
            "best_epoch": 1,
            "epochs": 2,
            "parameters": 10,
            "seconds": {"train": 1.0, "total": 1.5},
            "metrics": {"test/loss": 0.5, "test/x/auroc": None},
            "baseline": {"test/loss": 0.75},
            "floors": {"main": 0.25},
            "notes": ["a note"],
        }
    )
    change_tags(run, add=["paper"])
    document = describe_run(run).document()
    files = document.pop("files")
    assert isinstance(files, dict)
    assert files["metrics.csv"] == (run.path / "metrics.csv").stat().st_size
    assert {"config.yaml", "environment.json", "summary.json", "log.txt", "tags.json"} <= set(files)
    assert document == {
        "run": str(run.path),
        "name": "headline",
        "status": "finished",
        "tags": ("paper",),
        "started": "2026-01-01T10:00:00.000+00:00",
        "seconds": 1.5,
        "seed": 0,
        "parameters": 10,
        "best_epoch": 1,
        "epochs": 2,
        "environment": {"started_at": "2026-01-01T10:00:00.000+00:00", "seed": 0, **ENVIRONMENT},
        "config": {
            "name": "headline",
            "seed": 0,
            "optimizer": {"type": "adam", "learning_rate": 0.001, "clipnorm": None},
            "model": {"outputs": ["scores", "more"]},
            "training": {"epochs": 2},
        },
        "metrics": {"test/loss": 0.5, "test/x/auroc": None},
        "baseline": {"test/loss": 0.75},
        "floors": {"main": 0.25},
        "notes": ("a note",),
        "resume": None,
    }


@pytest.mark.parametrize("status", ["interrupted", "failed", "lost"])
def test_a_run_that_was_stopped_says_how_to_go_on(make_run: MakeRun, tmp_path: Path, status: str) -> None:
    run = make_run(tmp_path / "two words", status=None if status == "lost" else status)
    if status == "lost":
        (run.path / "process.json").unlink()
    details = describe_run(run)
    assert details.record.status == status
    assert details.resume == f"mlx train --resume '{run.path}'"


def test_a_member_of_a_stack_goes_on_with_the_others(make_run: MakeRun, tmp_path: Path) -> None:
    run = make_run(tmp_path / "comparison" / "members", status="interrupted")
    (run.path / "plan.json").write_text('{"engine": "stack"}', "utf-8")
    assert describe_run(run).resume == f"mlx compare --resume {tmp_path / 'comparison'}"


def test_a_run_at_work_tells_of_its_last_epoch(make_run: MakeRun, tmp_path: Path) -> None:
    details = describe_run(make_run(tmp_path, status=None))
    assert details.results.metrics == {"train/loss": 0.5, "validation/loss": 1.0}
    assert (details.results.best_epoch, details.results.epochs, details.record.epochs) == (2, 2, 2)
    assert details.seconds is not None and details.seconds > 0
    assert details.resume is None


def test_only_plain_values_are_kept(make_run: MakeRun, tmp_path: Path) -> None:
    """Whatever a stranger wrote into the documents of a run."""
    deep: object = "bottom"
    for _ in range(300):
        deep = {"x": [deep]}
    run = make_run(tmp_path)
    environment = {"device": deep, "versions": {"torch": deep, "python": "3"}, "threads": [deep, 1]}
    (run.path / "environment.json").write_text(json.dumps({**environment, "odd": 10**400}), "utf-8")
    summary = {
        "status": "finished",
        "best_epoch": "two",
        "parameters": True,
        "metrics": {"a": "x", "b": 1, "c": True, "d": deep, "e": 10**400, "f": 2.5},
        "baseline": 3,
        "floors": [1],
        "notes": {"a": 1},
        "seconds": {"total": "long"},
    }
    (run.path / "summary.json").write_text(json.dumps(summary), "utf-8")
    details = describe_run(run)
    assert details.environment["versions"] == {"python": "3"}
    assert details.environment["threads"] == ["1"]
    assert details.results.metrics == {"b": 1, "e": None, "f": 2.5}
    results = details.results
    assert (results.best_epoch, results.parameters, results.baseline, results.floors) == (None, None, {}, {})
    assert (results.notes, details.seconds) == ((), None)
    assert json.loads(to_json(details.document()))["metrics"] == {"b": 1, "e": None, "f": 2.5}


def test_damage_is_told_of(make_run: MakeRun, tmp_path: Path) -> None:
    run = make_run(tmp_path)
    (run.path / "config.yaml").write_text("name: [", "utf-8")
    with pytest.raises(DataError, match=r"config\.yaml:2:1: a value is expected"):
        describe_run(run)


def test_a_difference(make_run: MakeRun, tmp_path: Path) -> None:
    scores = {"test/loss": 0.5, "test/x/auroc": 0.75, "test/x/r2": float("nan"), "validation/loss": 1.0}
    a = make_run(tmp_path, "a", metrics=scores, **ENVIRONMENT)
    environment = {**ENVIRONMENT, "versions": {"python": "3.11.7", "torch": "2.12.0", "numpy": None}}
    environment |= {"data_fingerprint": "def", "code": {"commit": "bead", "dirty": True}, "command": ["mlx"]}
    scores = {"test/loss": 0.25, "test/x/auroc": 0.75, "test/x/r2": 0.5, "train/loss": 0.1}
    started = "2026-01-02T10:00:00.000+00:00"
    b = make_run(tmp_path, "b", metrics=scores, seed=1, learning_rate=1, started=started, **environment)
    document = diff_runs(a, b).document()
    assert document["config"] == {
        "name": {"a": "a", "b": "b"},
        "seed": {"a": 0, "b": 1},
        "optimizer.learning_rate": {"a": 0.001, "b": 1},
    }
    assert document["environment"] == {
        "seed": {"a": 0, "b": 1},
        "data_fingerprint": {"a": "abc", "b": "def"},
        "versions.torch": {"a": "2.11.0", "b": "2.12.0"},
        "code.commit": {"a": "c0ffee", "b": "bead"},
        "code.dirty": {"a": False, "b": True},
        "versions.numpy": {"b": None},
    }
    assert document["metrics"] == {
        "test/loss": {"a": 0.5, "b": 0.25, "difference": -0.25},
        "test/x/auroc": {"a": 0.75, "b": 0.75, "difference": 0.0},
        "test/x/r2": {"a": None, "b": 0.5, "difference": None},
        "validation/loss": {"a": 1.0, "difference": None},
        "train/loss": {"b": 0.1, "difference": None},
    }
    assert document["b"] == {
        "run": str(b.path), "name": "b", "status": "finished", "started": started, "seconds": None,
        "best_epoch": 2, "epochs": 2,
    }  # fmt: skip


def test_a_run_does_not_differ_from_itself(make_run: MakeRun, tmp_path: Path) -> None:
    run = make_run(tmp_path, **ENVIRONMENT)
    diff = diff_runs(run, run)
    assert (diff.config, diff.environment) == ({}, {})
    assert diff.metrics == {"test/loss": {"a": 0.5, "b": 0.5, "difference": 0.0}}


def test_values_of_other_kinds_differ(make_run: MakeRun, tmp_path: Path) -> None:
    a, b = (make_run(tmp_path, name, learning_rate=rate) for name, rate in (("a", 1), ("b", 1.0)))
    (b.path / "config.yaml").write_text((b.path / "config.yaml").read_text().replace("name: b", "name: a"))
    assert diff_runs(a, b).config == {"optimizer.learning_rate": {"a": 1, "b": 1.0}}
