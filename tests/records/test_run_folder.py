"""Run folders: complete from the first instant, never shared, valid to a reader at any time."""

from __future__ import annotations

import csv
import math
import subprocess
import sys
from pathlib import Path

import pytest
from mlx_runner.records.epoch_tables import check_tables
from mlx_runner.records.numbers import to_json
from mlx_runner.records.process import describe_process
from mlx_runner.records.run_folder import LABEL_COLUMNS, LEDGER_COLUMNS, RUN_NAME, VALUE_COLUMNS, RunFolder
from mlx_runner.records.tables import Cell
from mlx_runner.specs.errors import ConfigError, DataError, MachineError

_CREATE = """
import sys
from pathlib import Path
from mlx_runner.records.run_folder import RunFolder
root = Path(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
for index in range(8):
    RunFolder.create(root, "race", config_text=sys.argv[2], environment={"index": index}, plan={})
"""

_APPEND = """
import sys
from pathlib import Path
from mlx_runner.records.run_folder import RunFolder
run = RunFolder.open(Path(sys.argv[1]))
for epoch in range(1, 201):
    run.append_metrics({"epoch": epoch, "train/loss": 1 / epoch, "validation/loss": None})
"""


def _create(root: Path, name: str = "headline") -> RunFolder:
    return RunFolder.create(
        root, name, config_text="name: headline\n", environment={"seed": 1}, plan={"stack": 1}
    )


def _ledger_row(epoch: int) -> dict[str, Cell]:
    values = (epoch, "train", "main", "loss", 0.5, 0.2, 0.1, 1.0)
    return dict(zip(LEDGER_COLUMNS, values, strict=True))


def test_a_new_run_holds_its_first_files(tmp_path: Path) -> None:
    run = _create(tmp_path / "new" / "runs")
    assert RUN_NAME.fullmatch(run.name)
    assert run.name.endswith("_headline")
    assert {path.name for path in run.path.iterdir()} == {
        *("config.yaml", "environment.json", "plan.json", "process.json", "log.txt"),
        *("checkpoints", "plots"),
    }
    opened = RunFolder.open(run.path)
    assert opened.config_text() == "name: headline\n"
    assert opened.read_environment() == {"seed": 1}
    assert opened.read_plan() == {"stack": 1}
    assert opened.read_summary() is None
    assert opened.read_metrics() == opened.read_ledger() == opened.read_labels() == []
    assert [path.name for path in run.path.parent.iterdir()] == [run.name], "no draft is left"


def test_two_processes_never_get_the_same_folder(tmp_path: Path) -> None:
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", _CREATE, str(tmp_path), f"worker: {number}\n"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        for number in range(2)
    ]
    for worker in workers:
        assert worker.stdout is not None
        assert worker.stdout.readline() == b"ready\n"
    for worker in workers:
        assert worker.stdin is not None
        worker.stdin.write(b"go\n")
        worker.stdin.flush()
    for worker in workers:
        worker.communicate()
        assert worker.returncode == 0
    runs = [RunFolder.open(path) for path in tmp_path.iterdir()]
    made = {(run.config_text(), run.read_environment()["index"]) for run in runs}
    assert len(runs) == 16
    assert made == {(f"worker: {number}\n", index) for number in range(2) for index in range(8)}
    assert all((run.path / "checkpoints").is_dir() for run in runs)


def test_a_clash_gets_the_next_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mlx_runner.records.run_creation.datetime", _FixedTime)
    names = [_create(tmp_path).name for _ in range(3)]
    assert names == [f"20250102-030405_headline{number}" for number in ("", "-2", "-3")]


class _FixedTime:
    @classmethod
    def now(cls) -> _FixedTime:
        return cls()

    def astimezone(self) -> _FixedTime:
        return self

    def __format__(self, pattern: str) -> str:
        assert pattern == "%Y%m%d-%H%M%S"
        return "20250102-030405"


def test_a_failed_creation_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "rename", fail)
    with pytest.raises(MachineError, match="no space is left"):
        _create(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_place_of_the_root_is_told(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("")
    with pytest.raises(MachineError, match=r"cannot make a run folder in '.*runs': a file"):
        _create(tmp_path / "runs")


def test_opening_what_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no such folder"):
        RunFolder.open(tmp_path / "absent")
    (tmp_path / "config.yaml").write_text("")
    with pytest.raises(ConfigError, match=r"it has no environment.json, plan.json") as caught:
        RunFolder.open(tmp_path)
    assert caught.value.code == 2


def test_a_reader_never_sees_an_invalid_table(tmp_path: Path) -> None:
    run = _create(tmp_path)
    writer = subprocess.Popen([sys.executable, "-c", _APPEND, str(run.path)])
    seen: list[int] = []
    while not seen or seen[-1] < 200:
        is_over = writer.poll() is not None
        table = run.path / "metrics.csv"
        if table.exists():
            text = table.read_text()
            lines = list(csv.reader(text.splitlines()))
            assert lines[0] == ["epoch", "train/loss", "validation/loss"]
            assert [line[0] for line in lines[1:]] == [str(epoch) for epoch in range(1, len(lines))]
            assert all(len(line) == 3 for line in lines)
            assert text.endswith("\n")
            seen.append(len(lines) - 1)
        assert not is_over or (seen and seen[-1] == 200), "the writer ended early"
    assert writer.wait() == 0
    assert seen == sorted(seen)
    assert len(set(seen)) > 2, "the reader looked while the writer was at work"


def test_tables_come_back(tmp_path: Path) -> None:
    run = _create(tmp_path)
    run.append_metrics({"epoch": 1, "train/loss": 0.5, "validation/main/auroc": math.nan})
    run.append_metrics({"epoch": 2, "train/loss": 0.25, "validation/main/auroc": 1.0})
    run.append_ledger([_ledger_row(1)])
    run.append_timings({"epoch": 1, "seconds": 2.5, "examples_per_second": 1000})
    label = dict.fromkeys(LABEL_COLUMNS, 0.5) | {"split": "test", "output": "digits", "label": "7"}
    run.write_labels([label])
    value = dict.fromkeys(VALUE_COLUMNS, 0.5) | {"split": "test", "output": "price", "column": "7"}
    value |= {"mae_original": None}
    run.write_values([value])
    assert run.read_metrics() == [
        {"epoch": 1, "train/loss": 0.5, "validation/main/auroc": None},
        {"epoch": 2, "train/loss": 0.25, "validation/main/auroc": 1.0},
    ]
    assert run.read_ledger() == [_ledger_row(1)]
    assert run.read_timings() == [{"epoch": 1, "seconds": 2.5, "examples_per_second": 1000}]
    assert run.read_labels() == [label]
    assert run.read_values() == [value]


def test_decisions_come_back_digit_by_digit(tmp_path: Path) -> None:
    run = _create(tmp_path)
    assert run.read_decisions() is None
    decisions = {"thresholds": {"scores": {"7": 0.1 + 0.2, "=x": 1 / 3}}, "temperatures": {"scores": 2 / 3}}
    run.write_decisions(decisions)
    assert run.read_decisions() == decisions
    (run.path / "decisions.json").write_text("{", "utf-8")
    with pytest.raises(DataError, match=r"decisions\.json"):
        run.read_decisions()


def test_rows_outside_the_vocabulary_are_refused(tmp_path: Path) -> None:
    run = _create(tmp_path)
    run.append_metrics({"epoch": 1, "train/loss": 0.5})
    with pytest.raises(AssertionError):
        run.append_metrics({"epoch": 2, "train/loss": 0.5, "validation/loss": 0.5})
    with pytest.raises(AssertionError):
        run.append_metrics({"train/loss": 0.5, "epoch": 2})
    with pytest.raises(AssertionError):
        run.append_ledger([{**_ledger_row(1), "seconds": 1.0}])
    with pytest.raises(AssertionError):
        run.write_labels([{"accuracy": 1.0}])
    with pytest.raises(AssertionError):
        run.write_summary({"status": "done"})
    assert len(run.read_metrics()) == 1


def test_cutting_back_to_a_checkpoint_gives_the_bytes_of_that_time(tmp_path: Path) -> None:
    run = _create(tmp_path)
    tables = [run.path / name for name in ("metrics.csv", "ledger.csv", "timings.csv")]
    wanted: list[bytes] = []
    for epoch in range(1, 13):
        run.append_metrics({"epoch": epoch, "train/loss": 1 / 3 / epoch, "x": None})
        run.append_ledger([_ledger_row(epoch)])
        run.append_timings({"epoch": epoch, "seconds": 2.0})
        if epoch == 10:
            wanted = [path.read_bytes() for path in tables]
            states = run.table_states()
    run.cut_tables(states)
    assert [path.read_bytes() for path in tables] == wanted
    assert run.table_states() == states
    run.cut_tables({})
    assert not any(path.exists() for path in tables)


def test_a_table_that_changed_before_the_checkpoint_is_told(tmp_path: Path) -> None:
    run = _create(tmp_path)
    run.append_metrics({"epoch": 1, "train/loss": 0.5})
    states = run.table_states()
    run.append_metrics({"epoch": 2, "train/loss": 0.25})
    check_tables(run.path, states)
    path = run.path / "metrics.csv"
    path.write_bytes(path.read_bytes().replace(b"0.5", b"0.6"))
    with pytest.raises(DataError, match=r"metrics\.csv' is damaged: its first 23 bytes have changed\.$"):
        check_tables(run.path, states)
    path.write_bytes(b"")
    with pytest.raises(DataError, match="damaged"):
        check_tables(run.path, states)


def test_status_over_a_life(tmp_path: Path) -> None:
    run = _create(tmp_path)
    assert run.status == "running"
    (run.path / "process.json").write_text(to_json({**describe_process(), "started": 1, "pid": 2**30}))
    assert run.status == "lost"
    run.claim()
    run.reopen()
    assert run.status == "running"
    run.write_summary({"status": "interrupted", "metrics": {"train/loss": math.nan}})
    assert run.status == "interrupted"
    assert run.read_summary() == {"status": "interrupted", "metrics": {"train/loss": None}}
    assert not (run.path / "process.json").exists()
    run.claim()
    run.reopen()
    assert run.status == "running"
    assert run.read_summary() is None


def test_a_run_at_work_elsewhere_cannot_be_claimed(tmp_path: Path) -> None:
    run = _create(tmp_path)
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    (run.path / "process.json").write_text(to_json({**describe_process(), "pid": child.pid, "started": None}))
    with pytest.raises(ConfigError, match=f"still at work in process {child.pid}"):
        run.claim()
    child.communicate(b"\n")
    run.claim()


def test_log_and_paths(tmp_path: Path) -> None:
    run = _create(tmp_path)
    run.log("epoch 1")
    run.log("epoch 2: é")
    lines = (run.path / "log.txt").read_text("utf-8").splitlines()
    assert [line.partition(" ")[2] for line in lines] == ["epoch 1", "epoch 2: é"]
    assert run.checkpoint_path("last") == run.path / "checkpoints" / "last.safetensors"
    assert run.plot_path("losses.png") == run.path / "plots" / "losses.png"


def test_damaged_documents_are_told(tmp_path: Path) -> None:
    run = _create(tmp_path)
    (run.path / "environment.json").write_text('{"seed": ')
    (run.path / "plan.json").write_text("[]")
    (run.path / "config.yaml").unlink()
    for read, complaint in (
        (run.read_environment, "damaged"),
        (run.read_plan, "holds no mapping"),
        (run.config_text, "has lost its config.yaml"),
    ):
        with pytest.raises(DataError, match=complaint):
            read()
