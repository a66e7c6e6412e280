"""A comparison's folder: never in place of another, one process at a time, and nothing of members is lost."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path

import pytest
from mlx_runner.records.comparison_folder import SCORE_COLUMNS, ComparisonFolder, find_comparison
from mlx_runner.records.process import describe_process
from mlx_runner.records.run_folder import RunFolder
from mlx_runner.records.tables import read_table, table_columns
from mlx_runner.specs.errors import ConfigError, DataError, MachineError


def _create(root: Path, name: str = "two") -> ComparisonFolder:
    return ComparisonFolder.create(root, name, plan={"a": 1}, configs={"paper.yaml": "name: two\n"})


def test_its_first_files(tmp_path: Path) -> None:
    folder = _create(tmp_path / "runs")
    assert folder.path.name.endswith("_two_compare")
    assert ComparisonFolder.open(folder.path) == folder
    assert folder.read_plan() == {"a": 1}
    assert (folder.settings_path / "paper.yaml").read_text() == "name: two\n"
    assert table_columns(folder.path / "comparison.csv") == list(SCORE_COLUMNS)
    assert folder.member_folders() == []


def test_never_in_place_of_another(tmp_path: Path) -> None:
    paths = [_create(tmp_path).path for _ in range(3)]
    assert len(set(paths)) == 3
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(path.name for path in paths)


def test_tables(tmp_path: Path) -> None:
    folder = _create(tmp_path)
    row = {"setting": "-a", "metric": "test/x/f1", "mean": 0.5, "n": 1, "losses.x.weight": 0.25}
    folder.write_scores([row], extra_columns=["losses.x.weight"])
    assert read_table(folder.path / "comparison.csv") == [{**dict.fromkeys(SCORE_COLUMNS), **row}]
    folder.write_members([{"setting": "a", "seed": 3, "test/x/f1": None}], metrics=["test/x/f1"])
    [member] = read_table(folder.path / "members.csv")
    assert (member["seed"], member["run"], member["test/x/f1"]) == (3, None, None)
    folder.write_report("# title\n", {"comparison": "x", "value": float("nan")})
    assert json.loads((folder.path / "comparison.json").read_text()) == {"comparison": "x", "value": None}


@pytest.mark.parametrize("missing", ["comparison.csv", "plan.json"])
def test_half_written(tmp_path: Path, missing: str) -> None:
    folder = _create(tmp_path)
    (folder.path / missing).unlink()
    with pytest.raises(ConfigError, match=f"is not a complete comparison: it has no {missing}"):
        ComparisonFolder.open(folder.path)


def test_damaged_and_absent(tmp_path: Path) -> None:
    folder = _create(tmp_path)
    (folder.path / "plan.json").write_text("[1]")
    with pytest.raises(DataError, match=r"plan\.json' is damaged: it holds no mapping"):
        folder.read_plan()
    with pytest.raises(ConfigError, match="there is no such folder"):
        ComparisonFolder.open(tmp_path / "none")


def test_one_process_at_a_time(tmp_path: Path) -> None:
    folder = _create(tmp_path)
    folder.claim()  # its own
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as other:
        process = {**describe_process(), "pid": other.pid, "started": None}
        (folder.path / "process.json").write_text(json.dumps(process))
        with pytest.raises(ConfigError, match=f"still at work in process {other.pid} on {platform.node()}"):
            folder.claim()
        other.kill()
        other.wait()
    folder.claim()
    assert json.loads((folder.path / "process.json").read_text())["pid"] == os.getpid()
    folder.release()
    assert not (folder.path / "process.json").exists()


def test_members_are_set_aside_not_removed(tmp_path: Path) -> None:
    folder = _create(tmp_path)
    for _ in range(2):
        run = RunFolder.create(folder.members_path, "a_seed0", config_text="x", environment={}, plan={})
        run = RunFolder(run.path.rename(folder.members_path / "20250101-000000_a_seed0"))
        assert folder.member_folders() == [run.path]
        folder.set_aside(run)
    assert folder.member_folders() == []
    assert len(list(folder.members_path.glob("*.lost/config.yaml"))) == 2


def test_only_an_unused_folder_is_discarded(tmp_path: Path) -> None:
    used, unused = _create(tmp_path), _create(tmp_path)
    RunFolder.create(used.members_path, "a_seed0", config_text="", environment={}, plan={})
    assert not used.discard_if_unused()
    assert unused.discard_if_unused()
    assert list(tmp_path.iterdir()) == [used.path]


def test_finding(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no latest comparison"):
        find_comparison(tmp_path / "none", "latest")
    first = _create(tmp_path, "a")
    first = ComparisonFolder(first.path.rename(tmp_path / "20240101-000000_a_compare"))
    (tmp_path / "20990101-000000_run").mkdir()
    time.sleep(0.02)
    second = _create(tmp_path, "b")
    assert find_comparison(tmp_path, "latest") == second
    assert find_comparison(tmp_path, first.path.name) == first
    assert find_comparison(tmp_path, str(first.path)) == first
    with pytest.raises(ConfigError, match="there is no such folder"):
        find_comparison(tmp_path, "c")


def test_a_file_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("")
    with pytest.raises(MachineError, match="cannot make"):
        _create(tmp_path / "runs")
