"""Worker processes: the same runs as in this one, errors as they were raised, and no silent loss."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from mlx_runner.comparison import processes
from mlx_runner.comparison.processes import Part, train_in_processes
from mlx_runner.records.run_folder import RunFolder
from mlx_runner.specs.errors import DataError, MachineError
from mlx_runner.specs.experiment import Experiment
from mlx_runner.training.run import run_experiment

Load = Callable[..., Experiment]

CONVOLUTION = (
    "data.shape=null",
    "model.layers.hidden={type: conv2d, filters: 2, kernel_size: 9, strides: 9, of: image}",
    "model.layers.flat={type: flatten, of: hidden}",
    "model.layers.attributes.of=flat",
    "model.layers.digit.of=flat",
)


def test_members_are_trained_as_they_would_be_alone(load: Load, tmp_path: Path) -> None:
    experiments = [load(*CONVOLUTION, f"seed={seed}", f"name=a_seed{seed}") for seed in range(3)]
    told: list[tuple[str, str]] = []
    train_in_processes(
        [Part(experiments[:2], ()), Part(experiments[2:], ())],
        workers=2,
        runs=tmp_path / "apart",
        command=["mlx"],
        report=lambda *outcome: told.append(outcome),
    )
    assert sorted(told) == [(f"a_seed{seed}", "finished") for seed in range(3)]
    alone = Path(run_experiment(experiments[2], runs=tmp_path / "alone").run)
    [apart] = (tmp_path / "apart").glob("*_a_seed2")
    expected = RunFolder.open(alone).read_metrics()[0]
    found = RunFolder.open(apart).read_metrics()[0]
    numbers = {key: value for key, value in expected.items() if isinstance(value, float)}
    assert {key: found[key] for key in numbers} == pytest.approx(numbers, abs=1e-5)
    assert RunFolder.open(apart).read_environment()["threads"] == 1


def test_an_error_comes_back_as_it_was_raised(load: Load, tmp_path: Path) -> None:
    experiment = load("data.root=/there/is/no/such/folder")
    with pytest.raises(DataError, match="/there/is/no/such/folder"):
        train_in_processes(
            [Part([experiment], ())], workers=1, runs=tmp_path, command=[], report=lambda *_: None
        )
    assert not list(tmp_path.glob("*_two"))


def test_a_lost_process_is_told(load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "train_dealt", os.abort)  # called with arguments, it fails at once
    with pytest.raises(
        MachineError, match=r"the process that trained 'two' ended unexpectedly \(exit code 1\)"
    ):
        train_in_processes([Part([load()], ())], workers=1, runs=tmp_path, command=[], report=lambda *_: None)
