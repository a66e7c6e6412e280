"""Finished runs as settings: what makes one, and what cannot be compared."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from mlx_runner.comparison.results import read_runs
from mlx_runner.records.run_folder import RunFolder
from mlx_runner.specs.errors import ConfigError, DataError
from mlx_runner.specs.experiment import Experiment

Load = Callable[..., Experiment]
MakeRun = Callable[..., RunFolder]


def test_runs_of_one_config_are_one_setting(load: Load, make_run: MakeRun, tmp_path: Path) -> None:
    runs = [
        make_run(
            tmp_path / "runs", load(*overrides), {"test/digit/loss": 0.5, "test/attributes/f1_micro": None}
        )
        for overrides in (
            ["name=a_seed0"],
            ["name=a_seed1", "seed=1"],
            ["name=b_seed0", "losses.digit.weight=0.1"],
        )
    ]
    finished = read_runs([run.path for run in runs])
    assert [(each.name, dict(each.changes)) for each in finished.settings] == [
        ("a", {"losses.digit.weight": 0.5}),
        ("b", {"losses.digit.weight": 0.1}),
    ]
    told = [(each.setting, each.seed, dict(each.metrics)) for each in finished.members]
    number = {"test/digit/loss": 0.5}
    assert told == [("a", 0, number), ("a", 1, number), ("b", 0, number)], "what is null is no number"


def test_settings_of_one_name_are_named_by_what_they_change(
    load: Load, make_run: MakeRun, tmp_path: Path
) -> None:
    configs = [load(), load("losses.digit.weight=0.1"), load("losses.digit.weight=0.1", "seed=1")]
    runs = [make_run(tmp_path / "runs", each, {"test/digit/loss": 0.5}) for each in configs]
    finished = read_runs([run.path for run in runs])
    assert [each.name for each in finished.settings] == ["digit.weight=0.5", "digit.weight=0.1"]


def test_a_diverged_run_has_no_metrics(load: Load, make_run: MakeRun, tmp_path: Path) -> None:
    run = make_run(tmp_path / "runs", load(), {"test/digit/loss": 0.5}, status="diverged")
    [member] = read_runs([run.path]).members
    assert (member.status, dict(member.metrics)) == ("diverged", {})


def test_other_data(load: Load, make_run: MakeRun, tmp_path: Path) -> None:
    runs = [
        make_run(tmp_path / "runs", load(f"seed={seed}"), {}, fingerprint=print_)
        for seed, print_ in enumerate(("abc", "abc", "xyz"))
    ]
    message = (
        f"run '{runs[2].path}' was trained on other data (fingerprint xyz) than '{runs[0].path}' (abc): "
        "their scores cannot be compared."
    )
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}$"):
        read_runs([run.path for run in runs])


def test_the_same_run_twice(load: Load, make_run: MakeRun, tmp_path: Path) -> None:
    runs = [make_run(tmp_path / "runs", load(), {}) for _ in range(2)]
    with pytest.raises(ConfigError, match="have the same config and the same seed; leave one of them out"):
        read_runs([run.path for run in runs])


@pytest.mark.parametrize("status", ["failed", "interrupted", None])
def test_unfinished(load: Load, make_run: MakeRun, tmp_path: Path, status: str | None) -> None:
    run = make_run(tmp_path / "runs", load(), {}, status=status)
    with pytest.raises(ConfigError, match=rf"has not finished \(status: {status or 'running'}\)"):
        read_runs([run.path])


@pytest.mark.parametrize(
    ("name", "text", "error", "message"),
    [
        ("summary.json", '{"status": "finished"', DataError, "summary.json' is damaged"),
        ("summary.json", '{"status": "finished", "metrics": 3}', DataError, "it has no metrics"),
        ("environment.json", "[]", DataError, "environment.json' is damaged"),
        ("environment.json", None, ConfigError, "is not a complete run: it has no environment.json"),
        ("config.yaml", "name: []", DataError, "config.yaml:1:7: name: must be text"),
    ],
)
def test_damaged(
    load: Load, make_run: MakeRun, tmp_path: Path, *, name: str, text: str | None, error: type, message: str
) -> None:
    run = make_run(tmp_path / "runs", load(), {})
    (run.path / name).unlink()
    if text is not None:
        (run.path / name).write_text(text)
    with pytest.raises(error, match=re.escape(message)):
        read_runs([run.path])
