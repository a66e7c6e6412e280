"""What two runs, or two comparisons, must have in common, and what one must be at any instant."""

from __future__ import annotations

import csv
import json
from pathlib import Path

from mlx_runner.records.run_folder import RunFolder
from mlx_runner.records.sealed import is_intact
from safetensors import safe_open
from safetensors.numpy import load_file

EPOCH_TABLES = ("metrics.csv", "ledger.csv", "gradients.csv")
FINAL_FILES = ("labels.csv", "values.csv", "decisions.json", "preparation.json")
CHECKPOINTS = ("best", "last")


def assert_same_run(run: Path, reference: Path) -> None:
    """The same bytes in tables and weights, the same summary but for times and place, and all plots."""
    for name in (*EPOCH_TABLES, *FINAL_FILES):
        assert (run / name).read_bytes() == (reference / name).read_bytes(), name
    for which in CHECKPOINTS:
        name = f"checkpoints/{which}.safetensors"
        tensors, expected = load_file(run / name), load_file(reference / name)
        assert list(tensors) == list(expected)
        for key, value in expected.items():
            assert tensors[key].dtype == value.dtype, f"{name}: {key}"
            assert tensors[key].shape == value.shape, f"{name}: {key}"
            assert tensors[key].tobytes() == value.tobytes(), f"{name}: {key}"
    assert _summary(run) == _summary(reference)
    assert _names(run / "plots") == _names(reference / "plots")


def assert_whole(run: Path) -> None:
    """Every file can be read, from its first byte to its last, and no other process works on the run."""
    folder = RunFolder.open(run)
    assert folder.status != "running"
    for read in (folder.read_metrics, folder.read_ledger, folder.read_gradients, folder.read_timings):
        read()
    for table in (*run.glob("*.csv"), run / "log.txt"):
        text = table.read_text("utf-8")
        assert not text or text.endswith("\n"), table
    for document in run.glob("*.json"):
        assert isinstance(json.loads(document.read_text("utf-8")), dict), document
    for checkpoint in (run / "checkpoints").glob("*.safetensors"):
        assert is_intact(checkpoint.read_bytes()), checkpoint


def half_written(folder: Path) -> list[Path]:
    """The files that a killed process left beside those which they were to replace."""
    return sorted(folder.rglob(".*.tmp"))


def saved_position(checkpoint: Path) -> dict[str, int]:
    """The epochs that were closed when it was saved, and the steps made of the next one."""
    with safe_open(checkpoint, framework="numpy") as file:
        return json.loads(file.metadata()["mlx"])["position"]


def assert_same_comparison(comparison: Path, reference: Path) -> None:
    """The same tables, and the same runs of all members."""
    name = "comparison.csv"
    assert (comparison / name).read_bytes() == (reference / name).read_bytes()
    assert _members_table(comparison) == _members_table(reference)
    members, expected = member_runs(comparison), member_runs(reference)
    assert list(members) == list(expected)
    for name, run in members.items():
        assert_same_run(run, expected[name])


def member_runs(comparison: Path) -> dict[str, Path]:
    """The run of each member, by the setting and seed in its name."""
    found = [path for path in (comparison / "members").iterdir() if not path.name.startswith(".")]
    runs = {path.name.partition("_")[2]: path for path in found if path.suffix != ".lost"}
    return dict(sorted(runs.items()))


def _members_table(comparison: Path) -> list[dict[str, str]]:
    """members.csv without the names of the runs, which say when they began."""
    with (comparison / "members.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return [{key: value for key, value in row.items() if key != "run"} for row in rows]


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))


def _summary(run: Path) -> dict[str, object]:
    summary = json.loads((run / "summary.json").read_text("utf-8"))
    return {key: value for key, value in summary.items() if key not in ("seconds", "run")}
