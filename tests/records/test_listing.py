"""Lists of runs survive damaged folders; a run is found by what a user would type."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from unittest.mock import ANY

import pytest
from mlx_runner.records import atomic
from mlx_runner.records.atomic import read_bytes
from mlx_runner.records.listing import RunRecord, find_latest, find_run, find_run_path, list_runs, read_record
from mlx_runner.records.run_folder import RunFolder
from mlx_runner.specs.errors import ConfigError, DataError

MakeRun = Callable[..., RunFolder]

# Makes, finishes, renames and removes runs. Each is whole at every instant, for what is removed is renamed
# out of sight first.
_BUSY = """
import sys
from pathlib import Path
from mlx_runner.records.run_folder import RunFolder
from mlx_runner.records.trash import discard, purge, restore
from mlx_runner.specs.errors import ConfigError
root, name = Path(sys.argv[1]), sys.argv[2]
for _ in range(60):
    run = RunFolder.create(root, name, config_text="", environment={"seed": 7}, plan={})
    run.append_metrics({"epoch": 1, "train/loss": 0.5})
    run.write_summary({"status": "finished", "metrics": {"test/loss": 0.5}})
    moved = RunFolder(run.path.rename(root / f"20250101-000000_{name}"))
    discard(moved.path)
    try:
        discard(restore(root, moved.name))
    except ConfigError:
        pass  # the other one has emptied the trash
    purge(root)
"""


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
    assert find_run(tmp_path, "good") == good
    for find in (lambda: find_run(tmp_path, "latest"), lambda: find_latest(tmp_path, "d")):
        with pytest.raises(
            DataError, match=r"^the latest run.*'.*/20250104-100000_d', is damaged; name another"
        ):
            find()
    assert find_run_path(tmp_path, "latest").name == "20250104-100000_d"
    assert find_latest(tmp_path, "good") == good


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


def test_lists_are_true_while_runs_come_and_go(make_run: MakeRun, tmp_path: Path) -> None:
    """Whatever is listed is as it was written: no half of a run, and never another one's half."""
    root = tmp_path / "runs"
    steady = make_run(root, "steady")
    busy = [subprocess.Popen([sys.executable, "-c", _BUSY, str(root), f"busy{number}"]) for number in (1, 2)]
    seen: list[RunRecord] = []
    while any(process.poll() is None for process in busy):
        records = list_runs(root)
        assert [record.name for record in records if "busy" not in record.name] == [steady.name]
        assert find_run(root, "steady") == steady
        seen += [record for record in records if "busy" in record.name]
    assert [process.returncode for process in busy] == [0, 0]
    assert len(seen) > 10
    assert {record.status for record in seen} <= {"running", "finished"}
    assert all(record.seed == 7 for record in seen)
    for record in seen:
        scores = {"test/loss": 0.5} if record.status == "finished" else {}
        assert record.metrics == scores
        assert record.epochs == 1 or record.status == "running"


@pytest.mark.parametrize("is_replaced", [False, True])
def test_what_vanishes_while_it_is_read_is_left_out(
    make_run: MakeRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_replaced: bool
) -> None:
    """At every look at the disk in turn the run goes away, or another one takes its place."""

    def read_at(last_look: int) -> tuple[int, RunRecord | None]:
        root, looks = tmp_path / str(last_look), 0
        run, other = make_run(root), make_run(root / "other", status=None)

        def read(path: Path, **options: int) -> bytes | None:
            nonlocal looks
            data = read_bytes(path, **options)
            looks += data is not None
            if data is not None and looks == last_look:
                run.path.rename(root / ".gone")
                if is_replaced:
                    other.path.rename(run.path)
            return data

        with monkeypatch.context() as patch:
            patch.setattr(atomic, "read_bytes", read)
            record = read_record(run.path)
        return looks, record

    num_looks, record = read_at(0)
    assert num_looks > 3
    assert record is not None and record.status == "finished"
    assert [read_at(look) for look in range(1, num_looks + 1)] == [
        (look if look == num_looks else ANY, None) for look in range(1, num_looks + 1)
    ]


def test_what_is_away_for_an_instant_is_read_again(
    make_run: MakeRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a run is that goes to the trash and back between two looks at the disk."""
    run = make_run(tmp_path)
    expected = read_record(run.path)
    assert expected is not None and expected.status == "finished"

    def read(path: Path, **options: int) -> bytes | None:
        if path.name != "environment.json":
            return read_bytes(path, **options)
        monkeypatch.undo()
        run.path.rename(tmp_path / ".away")
        try:
            return read_bytes(path, **options)
        finally:
            (tmp_path / ".away").rename(run.path)

    monkeypatch.setattr(atomic, "read_bytes", read)
    assert read_record(run.path) == expected


def test_removal_file_by_file_is_no_error(make_run: MakeRun, tmp_path: Path) -> None:
    run = make_run(tmp_path)
    for file in sorted(run.path.rglob("*"), reverse=True):
        file.rmdir() if file.is_dir() else file.unlink()
        assert len(list_runs(tmp_path)) == 1
    shutil.rmtree(run.path)
    assert list_runs(tmp_path) == []
    assert read_record(run.path) is None


def test_when_a_run_started_is_told_by_its_name_where_nothing_else_tells_it(
    make_run: MakeRun, tmp_path: Path
) -> None:
    run = make_run(tmp_path)
    for started in ("", "soon", "0001-01-01T00:00:00", "9999-12-31T23:59:59-12:00", "2026-01-01"):
        (run.path / "environment.json").write_text(f'{{"started_at": "{started}"}}', "utf-8")
        [record] = list_runs(tmp_path)
        assert record.started_time is not None
        assert record.started_time.tzinfo is not None
        expected = 0 if started == "2026-01-01" else 10
        assert (record.started_time.year, record.started_time.hour) in ((2026, expected), (1, 0))
    assert RunRecord("odd", tmp_path, "damaged").started_time is None


@pytest.mark.parametrize("text", ['{"a": ' + "1" * 5000 + "}", '{"a":' * 5000, '{"seed": NaN', "7"])
def test_documents_of_strangers_are_damaged_at_worst(make_run: MakeRun, tmp_path: Path, text: str) -> None:
    run = make_run(tmp_path)
    (run.path / "environment.json").write_text(text, "utf-8")
    assert [record.status for record in list_runs(tmp_path)] == ["damaged"]


def test_odd_values_are_left_out(make_run: MakeRun, tmp_path: Path) -> None:
    run = make_run(tmp_path)
    (run.path / "environment.json").write_text('{"seed": true, "started_at": 5}', "utf-8")
    metrics = '{"a": "x", "b": true, "c": [1], "d": Infinity, "e": 1e999, "f": 2, "g": null}'
    (run.path / "summary.json").write_text(f'{{"status": ["finished"], "metrics": {metrics}}}', "utf-8")
    [record] = list_runs(tmp_path)
    assert (record.seed, record.started, record.status) == (None, None, "lost")
    assert record.metrics == {}
    (run.path / "summary.json").write_text(f'{{"status": "finished", "metrics": {metrics}}}', "utf-8")
    [record] = list_runs(tmp_path)
    assert record.metrics == {"d": None, "e": None, "f": 2, "g": None}


def test_the_folder_of_a_damaged_run_is_found(make_run: MakeRun, tmp_path: Path) -> None:
    run = make_run(tmp_path, "headline")
    (run.path / "plan.json").unlink()
    for text in ("headline", run.name, str(run.path)):
        assert find_run_path(tmp_path, text) == run.path
        with pytest.raises(ConfigError, match=r"is not a complete run: it has no plan\.json\."):
            find_run(tmp_path, text)
    with pytest.raises(ConfigError, match=r"is not a complete run: it has no config\.yaml, "):
        find_run_path(tmp_path, str(tmp_path))
    with pytest.raises(ConfigError, match="there is no such folder"):
        find_run_path(tmp_path, str(tmp_path / "absent"))


def test_the_last_epoch_of_a_run_without_scores(make_run: MakeRun, tmp_path: Path) -> None:
    last = {"train/loss": 0.5, "validation/loss": 1.0}
    for name, status in (("working", None), ("failed", "failed"), ("finished", "finished")):
        record = read_record(make_run(tmp_path, name, status=status, metrics={}).path)
        assert record is not None
        assert (record.metrics, record.last_epoch) == ({}, {} if name == "finished" else last)


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    _create(tmp_path / "runs", "headline", "2025-01-01T10:00:00.000+00:00")
    meant = rf"there is no folder '.*/rusn'; did you mean '{tmp_path}/runs'\?"
    for text in ("headline", "latest"):
        with pytest.raises(ConfigError, match=meant):
            find_run(tmp_path / "rusn", text)


def test_a_comparison_is_named_in_full(tmp_path: Path) -> None:
    path = tmp_path / "20260101-120000_two_compare"
    (path / "members").mkdir(parents=True)
    for text in ("two_compare", path.name, str(path)):
        with pytest.raises(
            ConfigError, match=f"'{path}' is a comparison, not a run; see it with: mlx compare {path}"
        ):
            find_run(tmp_path, text)
    for text in (path.name, str(path)):
        assert find_run_path(tmp_path, text, comparisons=True) == path
    with pytest.raises(ConfigError, match=f"a comparison must be named in full: {path.name}"):
        find_run_path(tmp_path, "two_compare", comparisons=True)
    with pytest.raises(ConfigError, match="there is no latest run"):
        find_run_path(tmp_path, "latest", comparisons=True)
