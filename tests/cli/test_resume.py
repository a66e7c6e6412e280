"""`mlx train --resume`: which run is meant, what is refused, and what a script is told."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from mlx_runner.records.process import describe_process

Mlx = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def trained(mlx: Mlx, tiny: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a config and two finished runs, the second of another name."""
    folder = tmp_path_factory.mktemp("resume")
    (folder / "tiny.yaml").write_text(tiny, "utf-8")
    for name in ("tiny", "other"):
        code, _, err = mlx("train", "tiny.yaml", "--name", name, "--quiet", folder=folder)
        assert code == 0, err
    return folder


def run_of(folder: Path, name: str) -> Path:
    (run,) = (folder / "runs").glob(f"*_{name}")
    return run


def test_a_finished_run_says_so_and_is_shown(mlx: Mlx, trained: Path) -> None:
    run = run_of(trained, "tiny")
    code, out, err = mlx("train", "tiny.yaml", "--resume", "latest", folder=trained)
    assert code == 0
    assert err == f"run '{run.name}' has finished after epoch 2; nothing is left to train\n"
    assert f"run: runs/{run.name}\n" in out


def test_latest_without_a_config_is_the_newest_of_all(mlx: Mlx, trained: Path) -> None:
    code, out, _ = mlx("train", "--resume", "latest", "--json", folder=trained)
    assert (code, json.loads(out)["name"]) == (0, "other")


def test_a_run_is_made_longer(mlx: Mlx, tiny: str, tmp_path: Path) -> None:
    (tmp_path / "tiny.yaml").write_text(tiny, "utf-8")
    for arguments in (("short",), ("long", "training.epochs=3")):
        name, *changes = arguments
        assert mlx("train", "tiny.yaml", *changes, "--name", name, "-q", folder=tmp_path)[0] == 0
    code, out, _ = mlx("train", "--resume", "short", "training.epochs=3", "--json", folder=tmp_path)
    short, long = (run_of(tmp_path, name) for name in ("short", "long"))
    assert (code, json.loads(out)["epochs"]) == (0, 3)
    for table in ("metrics.csv", "ledger.csv", "labels.csv"):
        assert (short / table).read_bytes() == (long / table).read_bytes()
    assert "epochs: 3" in (short / "config.yaml").read_text("utf-8")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--resume", "latest", "--device", "cpu"], "--device and --name cannot be given with --resume: "),
        (["--resume", "latest", "--name", "x"], "--device and --name cannot be given with --resume: "),
        (["--resume", "nothing"], "no run named 'nothing' in 'runs'"),
        (
            ["tiny.yaml", "name=third", "--resume", "latest"],
            "there is no latest run of 'third': 'runs' ",
        ),
        (
            ["tiny.yaml", "optimizer.learning_rate=0.5", "--resume", "latest"],
            "was begun with another config: optimizer.learning_rate was 0.001, now 0.5. Resume it with its ",
        ),
        (["tiny.yaml", "--seed", "7", "--resume", "latest"], "begun with another config: seed was 0, now 7."),
        ([], "nothing to train; give a CONFIG, or --resume RUN."),
    ],
)
def test_what_cannot_be_resumed(mlx: Mlx, trained: Path, arguments: list[str], message: str) -> None:
    code, out, err = mlx("train", *arguments, folder=trained)
    assert (code, out) == (2, "")
    assert message in err
    assert len(err.splitlines()) == 1


def test_a_run_at_work_is_left_alone(mlx: Mlx, trained: Path) -> None:
    """Another process that lives holds it: the one that started this test's process."""
    run = run_of(trained, "tiny")
    summary = (run / "summary.json").read_bytes()
    described = describe_process(os.getppid())
    (run / "process.json").write_text(json.dumps(described), "utf-8")
    (run / "summary.json").unlink()
    code, _, err = mlx("train", "--resume", run.name, folder=trained)
    assert code == 2
    assert f"run '{run.name}' is still at work in process {os.getppid()} on " in err
    (run / "summary.json").write_bytes(summary)
    (run / "process.json").unlink()
