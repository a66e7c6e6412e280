"""`mlx runs` through the command line: the table and the document of runs in every state."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from mlx_runner.records.run_folder import RunFolder

Mlx = Callable[..., tuple[int, str, str]]


def _create(root: Path, name: str, started: str, *, seed: int) -> RunFolder:
    environment = {"started_at": started, "seed": seed}
    return RunFolder.create(root, name, config_text=f"name: {name}\n", environment=environment, plan={})


@pytest.fixture
def shelf(tmp_path: Path) -> Path:
    """A folder whose `runs` holds, from old to new: one finished, one at work, one damaged."""
    root = tmp_path / "runs"
    finished = _create(root, "old", "2026-01-01T10:00:00.000+00:00", seed=3)
    for epoch in (1, 2):
        finished.append_metrics({"epoch": epoch, "train/loss": 0.5})
    metrics = {"validation/loss": 0.25, "test/loss": 0.5, "test/scores/auroc": None}
    finished.write_summary({"status": "finished", "metrics": metrics})
    _create(root, "new", "2026-01-01T10:00:01.000+00:00", seed=4)
    broken = root / "20250101-000000_broken"
    broken.mkdir()
    (broken / "config.yaml").write_text("name: broken\n", "utf-8")
    return tmp_path


def test_the_document(mlx: Mlx, shelf: Path) -> None:
    code, out, err = mlx("runs", "--json", folder=shelf)
    assert (code, err) == (0, "")
    document = json.loads(out)
    assert list(document) == ["runs"]
    new, old, broken = document["runs"]
    assert (new["status"], new["seed"], new["epochs"], new["metrics"]) == ("running", 4, 0, {})
    assert broken["status"] == "damaged"
    assert re.fullmatch(r"\d{8}-\d{6}_old", old.pop("name"))
    assert (shelf / old.pop("path") / "summary.json").is_file()
    assert old == {
        "status": "finished",
        "started": "2026-01-01T10:00:00.000+00:00",
        "epochs": 2,
        "seed": 3,
        "metrics": {"validation/loss": 0.25, "test/loss": 0.5, "test/scores/auroc": None},
    }


def test_the_table(mlx: Mlx, shelf: Path) -> None:
    code, out, err = mlx("runs", folder=shelf)
    assert (code, err) == (0, "")
    rows = [re.split(r" {2,}", line.strip()) for line in out.splitlines() if line.strip()]
    assert rows[0] == ["run", "status", "seed", "epochs", "validation loss", "test loss"]
    assert [row[0].partition("_")[2] for row in rows[2:]] == ["new", "old", "broken"]
    assert rows[2][1:] == ["running", "4", "0"]
    assert rows[3][1:] == ["finished", "3", "2", "0.2500", "0.5000"]
    assert "\x1b" not in out


def test_another_folder(mlx: Mlx, shelf: Path) -> None:
    elsewhere = shelf / "else" / "where"
    elsewhere.mkdir(parents=True)
    code, out, _ = mlx("runs", str(shelf / "runs"), "--json", folder=elsewhere)
    assert (code, len(json.loads(out)["runs"])) == (0, 3)


def test_no_runs(mlx: Mlx, tmp_path: Path) -> None:
    assert mlx("runs", folder=tmp_path) == (0, "no runs here yet: mlx train CONFIG makes one\n", "")
    code, out, err = mlx("runs", "--json", folder=tmp_path)
    assert (code, json.loads(out), err) == (0, {"runs": []}, "")
    assert not any(tmp_path.iterdir())


def test_a_file_is_no_folder(mlx: Mlx, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", "utf-8")
    message = "mlx: cannot read 'file': a file stands where its folder should be.\n"
    assert mlx("runs", "file", folder=tmp_path) == (6, "", message)
