"""Lists of runs survive damaged folders; a run is found by what a user would type."""

from __future__ import annotations

from pathlib import Path

import pytest
from mlx_runner.records.listing import find_run, list_runs
from mlx_runner.records.run_folder import RunFolder
from mlx_runner.specs.errors import ConfigError


def _create(root: Path, name: str, started_at: str) -> RunFolder:
    """A run whose folder is named by `started_at` (ISO 8601)."""
    environment = {"seed": 3, "started_at": started_at}
    run = RunFolder.create(root, name, config_text="", environment=environment, plan={})
    time = started_at[:19].replace("-", "").replace(":", "").replace("T", "-")
    return RunFolder(run.path.rename(root / f"{time}_{name}"))


def test_newest_first_whatever_the_zone(tmp_path: Path) -> None:
    _create(tmp_path, "old", "2025-01-01T10:00:00.000+00:00")
    _create(tmp_path, "new", "2025-01-01T09:00:00.000-05:00")
    _create(tmp_path, "oldest", "2024-01-01T10:00:00.000+00:00")
    names = [record.name for record in list_runs(tmp_path)]
    assert names == ["20250101-090000_new", "20250101-100000_old", "20240101-100000_oldest"]


def test_runs_of_one_instant_are_listed_by_number(tmp_path: Path) -> None:
    started = "2025-01-01T10:00:00.000+00:00"
    names = ["run", *(f"run-{number}" for number in range(2, 12))]
    for name in names:
        _create(tmp_path, name, started)
    assert [record.name.partition("_")[2] for record in list_runs(tmp_path)] == names[::-1]


def test_what_a_record_says(tmp_path: Path) -> None:
    run = _create(tmp_path, "headline", "2025-01-01T10:00:00.000+00:00")
    run.append_metrics({"epoch": 1, "train/loss": 0.5})
    run.append_metrics({"epoch": 2, "train/loss": 0.25})
    [record] = list_runs(tmp_path)
    assert (record.status, record.epochs, record.seed, record.metrics) == ("running", 2, 3, {})
    run.write_summary({"status": "finished", "metrics": {"test/loss": 0.25, "test/r2": float("nan")}})
    [record] = list_runs(tmp_path)
    assert record.status == "finished"
    assert record.metrics == {"test/loss": 0.25, "test/r2": None}
    assert record.started == "2025-01-01T10:00:00.000+00:00"
    assert record.path == run.path


def test_damaged_folders_are_listed_as_such(tmp_path: Path) -> None:
    good = _create(tmp_path, "good", "2025-01-01T10:00:00.000+00:00")
    (tmp_path / "20250102-000000_empty").mkdir()
    for name, damage in (("a", "environment.json"), ("b", "summary.json"), ("c", "metrics.csv")):
        run = _create(tmp_path, name, "2025-01-03T10:00:00.000+00:00")
        (run.path / damage).write_bytes(b'{"\xff')
    (_create(tmp_path, "d", "2025-01-04T10:00:00.000+00:00").path / "plan.json").unlink()
    for leftover in (".headline.123.abcd", "notes"):
        (tmp_path / leftover).mkdir()
    (tmp_path / ".headline.123.abcd" / "config.yaml").write_text("")
    (tmp_path / "20250101-000000_file").write_text("")
    status = {record.name.partition("_")[2]: record.status for record in list_runs(tmp_path)}
    assert status == {"good": "running", **dict.fromkeys(("empty", "a", "b", "c", "d"), "damaged")}
    assert find_run(tmp_path, "latest") == good


def test_folders_of_others_do_not_stop_a_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _create(tmp_path, "mine", "2025-01-01T10:00:00.000+00:00")
    for name in ("notes", "20250102-000000_theirs"):
        (tmp_path / name).mkdir()
    is_file = Path.is_file

    def guarded(path: Path) -> bool:
        if path.parent.name in ("notes", "20250102-000000_theirs"):
            raise PermissionError(13, "Permission denied")
        return is_file(path)

    monkeypatch.setattr(Path, "is_file", guarded)
    status = [(record.name, record.status) for record in list_runs(tmp_path)]
    assert status == [("20250102-000000_theirs", "damaged"), ("20250101-100000_mine", "running")]


def test_no_root_is_an_empty_list(tmp_path: Path) -> None:
    assert list_runs(tmp_path / "absent") == []


def test_finding_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "runs"
    first = _create(root, "headline", "2025-01-01T10:00:00.000+00:00")
    second = _create(root, "autoencoder", "2025-01-02T10:00:00.000+00:00")
    for text in (first.name, "headline", "20250101", str(first.path)):
        assert find_run(root, text) == first
    assert find_run(root, "latest") == second
    monkeypatch.chdir(tmp_path)
    assert find_run(root, f"runs/{first.name}").path == Path("runs") / first.name
    monkeypatch.chdir(first.path)
    assert find_run(root, ".").path.samefile(first.path)


def test_not_finding_a_run(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="holds no run yet"):
        find_run(tmp_path, "headline")
    with pytest.raises(ConfigError, match="holds no run yet"):
        find_run(tmp_path, "latest")
    run = _create(tmp_path, "headline", "2025-01-01T10:00:00.000+00:00")
    _create(tmp_path, "other", "2025-01-02T10:00:00.000+00:00")
    with pytest.raises(ConfigError, match=f"no run named 'haedline'.*did you mean '{run.name}'"):
        find_run(tmp_path, "haedline")
    with pytest.raises(ConfigError, match=r"2 runs are meant by '2025': 20250102-100000_other, 2025"):
        find_run(tmp_path, "2025")
    with pytest.raises(ConfigError, match="there is no such folder"):
        find_run(tmp_path, "elsewhere/headline")
    with pytest.raises(ConfigError, match="no run named ''"):
        find_run(tmp_path, "")


def test_a_comparison_is_no_run(tmp_path: Path) -> None:
    (tmp_path / "20260101-120000_two_compare" / "members").mkdir(parents=True)
    assert list_runs(tmp_path) == []
