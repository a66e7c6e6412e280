"""A changed bit in any file of a finished run is found; of others, whatever cannot be read any more."""

from __future__ import annotations

import hashlib
import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from mlx_runner.records.checksums import Damage, write_checksums
from mlx_runner.records.epoch_tables import TableState
from mlx_runner.records.run_folder import RunFolder
from mlx_runner.records.sealed import BLANK, seal
from mlx_runner.records.tags import change_tags
from mlx_runner.records.verification import verify_run

MakeRun = Callable[..., RunFolder]

CHECKED = (
    *("config.yaml", "environment.json", "plan.json", "preparation.json", "decisions.json", "summary.json"),
    *("metrics.csv", "ledger.csv", "labels.csv", "values.csv", "gradients.csv", "timings.csv"),
    *("checkpoints/best.safetensors", "checkpoints/last.safetensors", "checkpoints/previous.safetensors"),
)
UNCHECKED = ("log.txt", "tags.json", "plots/losses.png")

CHECKPOINT = f'{{"__metadata__":{{"mlx":"{{\\"sha256\\": \\"{BLANK}\\", \\"epoch\\": 1}}"}}}}'.encode()


def _fill(run: RunFolder) -> None:
    """Every kind of file that a run can have."""
    run.append_ledger([{"epoch": 1, "split": "train", "term": "main", "kind": "loss", "raw": 0.5}])
    run.append_gradients([{"epoch": 1, "layer": "hidden"}], columns=("epoch", "layer"))
    run.append_timings({"epoch": 1, "seconds": 0.5})
    run.write_labels([{"split": "test", "output": "scores", "label": "7"}])
    run.write_values([{"split": "test", "output": "price", "column": "euro"}])
    run.write_decisions({"thresholds": {"scores": [0.5]}})
    (run.path / "preparation.json").write_text('{"columns": {}}', "utf-8")
    for which in ("best", "last", "previous"):
        run.checkpoint_path(which).write_bytes(seal(CHECKPOINT + which.encode() * 100))
    run.plot_path("losses.png").write_bytes(b"png")
    change_tags(run, add=["paper"])


@pytest.fixture
def finished(make_run: MakeRun, tmp_path: Path) -> RunFolder:
    run = make_run(tmp_path, "finished")
    _fill(run)
    write_checksums(run.path)
    return run


@pytest.fixture
def at_work(make_run: MakeRun, tmp_path: Path) -> RunFolder:
    run = make_run(tmp_path, "at_work", status=None)
    _fill(run)
    return run


def _damages(run: RunFolder) -> list[Damage]:
    verification = verify_run(run.path)
    assert verification is not None
    return list(verification.damages)


def test_what_is_written_down(finished: RunFolder) -> None:
    document = json.loads((finished.path / "checksums.json").read_text("utf-8"))
    assert list(document) == list(CHECKED)
    for name, entry in document.items():
        data = (finished.path / name).read_bytes()
        assert entry == {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}


def test_an_intact_run(finished: RunFolder, at_work: RunFolder) -> None:
    assert [verify_run(run.path).by for run in (finished, at_work)] == ["checksums", "contents"]  # type: ignore[union-attr]
    assert _damages(finished) == _damages(at_work) == []


@pytest.mark.parametrize("name", CHECKED)
def test_a_flipped_bit_of_a_finished_run_is_found(finished: RunFolder, name: str) -> None:
    path = finished.path / name
    good = path.read_bytes()
    draw = random.Random(name)
    for _ in range(20):
        bad = bytearray(good)
        bad[draw.randrange(len(bad))] ^= 1 << draw.randrange(8)
        path.write_bytes(bad)
        assert _damages(finished) == [Damage(name, "its bytes are not those that it had (SHA-256)")]
    path.write_bytes(good[:-1])
    problem = f"it has {len(good) - 1} bytes, not the {len(good)} that it had"
    assert _damages(finished) == [Damage(name, problem)]
    path.unlink()
    assert _damages(finished) == [Damage(name, "it is missing")]


def test_a_flipped_bit_of_the_checksums_is_found(finished: RunFolder) -> None:
    path = finished.path / "checksums.json"
    good = path.read_bytes()
    draw = random.Random(0)
    for place in draw.sample(
        [index for index in range(len(good)) if not good[index : index + 1].isspace()], 60
    ):
        bad = bytearray(good)
        bad[place] ^= 1 << draw.randrange(8)
        path.write_bytes(bad)
        assert _damages(finished), bytes(bad[max(place - 20, 0) : place + 20])


@pytest.mark.parametrize("name", CHECKED[-3:])
def test_a_flipped_bit_of_a_checkpoint_is_found_while_the_run_is_at_work(
    at_work: RunFolder, name: str
) -> None:
    path = at_work.path / name
    good = path.read_bytes()
    for place in range(0, len(good), 7):
        bad = bytearray(good)
        bad[place] ^= 1 << (place % 8)
        path.write_bytes(bad)
        assert _damages(at_work) == [
            Damage(name, "its checksum is not that of its bytes, or it carries none")
        ]


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("config.yaml", "name: [", "line 2: a value is expected"),
        ("environment.json", "{", "Expecting property name"),
        ("plan.json", "[]", "it holds no mapping"),
        ("preparation.json", "{]", "Expecting property name"),
        ("decisions.json", "", "Expecting value"),
        ("metrics.csv", "epoch,loss\n1\n", "row 1 has 1 cells where the header names 2 columns"),
        ("ledger.csv", "", "it has no header"),
        ("labels.csv", 'a\n"b', "unexpected end of data"),
        ("tags.json", "{}", "it holds no list of tags"),
    ],
)
def test_what_cannot_be_read_is_found(at_work: RunFolder, name: str, text: str, problem: str) -> None:
    (at_work.path / name).write_text(text, "utf-8")
    [damage] = _damages(at_work)
    assert damage.file == name
    assert damage.problem.startswith(problem)
    assert str(at_work.path) not in damage.problem


def test_what_is_no_text_is_found(at_work: RunFolder) -> None:
    for name in ("config.yaml", "timings.csv"):
        (at_work.path / name).write_bytes(b"ab\xff")
    assert _damages(at_work) == [
        Damage(name, "byte 2 is not UTF-8") for name in ("config.yaml", "timings.csv")
    ]


def test_missing_files_of_a_run_at_work(at_work: RunFolder) -> None:
    for name in ("config.yaml", "plan.json"):
        (at_work.path / name).unlink()
    assert _damages(at_work) == [Damage(name, "it is missing") for name in ("config.yaml", "plan.json")]


@pytest.mark.parametrize("name", UNCHECKED)
def test_what_may_change_may_change(finished: RunFolder, name: str) -> None:
    if name == "tags.json":
        change_tags(finished, add=["new"])
    else:
        (finished.path / name).write_bytes(b"something else")
    assert _damages(finished) == []


def test_a_file_that_came_later_is_told_of(finished: RunFolder) -> None:
    shutil.copy(finished.path / CHECKED[-1], finished.path / "checkpoints" / "planted.safetensors")
    problem = "it was not there when the run ended"
    assert _damages(finished) == [Damage("checkpoints/planted.safetensors", problem)]


@pytest.mark.parametrize(
    "text", ["{}", "{", '{"metrics.csv": 1}', '{"metrics.csv": {"sha256": 1, "bytes": 2}}']
)
def test_damaged_checksums(finished: RunFolder, text: str) -> None:
    (finished.path / "checksums.json").write_text(text, "utf-8")
    assert [damage.file for damage in _damages(finished)] == ["checksums.json"]


def test_only_files_of_the_run_are_opened(finished: RunFolder) -> None:
    """A list from elsewhere may name anything."""
    path = finished.path / "checksums.json"
    document = json.loads(path.read_text("utf-8"))
    for name in ("../secret", "/etc/passwd", "log.txt"):
        path.write_text(json.dumps({**document, name: {"sha256": "0" * 64, "bytes": 1}}), "utf-8")
        assert _damages(finished) == [Damage(name, "it is missing")]


def test_checksums_of_an_earlier_end_do_not_count_while_a_run_is_at_work(finished: RunFolder) -> None:
    kept = (finished.path / "checksums.json").read_bytes()
    finished.claim()
    finished.reopen()
    finished.append_metrics({"epoch": 3, "train/loss": 0.1, "validation/loss": 0.2})
    (finished.path / "checksums.json").write_bytes(kept)
    verification = verify_run(finished.path)
    assert verification is not None
    assert (verification.by, verification.damages) == ("contents", ())


def test_what_is_not_there_is_not_verified(tmp_path: Path) -> None:
    assert verify_run(tmp_path / "gone") is None


def _write_last(run: RunFolder, states: dict[str, TableState]) -> None:
    """A checkpoint with the header that safetensors writes, and no tensor."""
    tables = {name: state.document() for name, state in states.items()}
    facts = json.dumps({"sha256": BLANK, "tables": tables})
    header = json.dumps({"__metadata__": {"mlx": facts}}).encode()
    run.checkpoint_path("last").write_bytes(seal(len(header).to_bytes(8, "little") + header))


def test_tables_that_are_not_those_of_the_last_checkpoint(at_work: RunFolder) -> None:
    states = at_work.table_states()
    _write_last(at_work, states)
    at_work.append_metrics({"epoch": 3, "train/loss": 0.1, "validation/loss": 0.2})
    assert _damages(at_work) == [], "what came after the checkpoint may be anything"
    path = at_work.path / "metrics.csv"
    path.write_text(path.read_text("utf-8").replace("0.5", "0.4"), "utf-8")
    problem = f"its first {states['metrics.csv'].size} bytes have changed"
    assert _damages(at_work) == [Damage("metrics.csv", problem)]
    (at_work.path / "timings.csv").unlink()
    assert [damage.file for damage in _damages(at_work)] == ["metrics.csv", "timings.csv"]


def test_a_checkpoint_of_strangers_names_no_other_file(at_work: RunFolder) -> None:
    _write_last(at_work, {"../secret": TableState(3, "0" * 64), "metrics.csv": TableState(-1, "0" * 64)})
    assert _damages(at_work) == []
