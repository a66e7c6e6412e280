"""A disk that fails under a run: one sentence, exit code 6, and nothing lost that was saved."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from .disks import small_disk
from .evidence import assert_same_run, assert_whole
from .processes import Process
from .scene import CONFIG, OFTEN, Scene, cases

Tally = Callable[[str], None]

FULL = "no space is left on the disk; free some, or choose another folder."
TOO_LARGE = "the file would be larger than this system allows."
READ_ONLY = "the disk is read-only; choose another folder."
GONE = "its folder does not exist (any more)."

MOST_PAGES = 120
"""More than a run takes."""

FEW_PAGES = (4, 6, 9, 16, 40)
"""The first has no room for its folder, the next none for a checkpoint, and the last none for all plots."""


@pytest.mark.parametrize(
    "pages",
    [
        pytest.param(pages, marks=[] if pages in FEW_PAGES else [pytest.mark.faults])
        for pages in range(MOST_PAGES)
    ],
)
def test_a_full_disk_fails_at_every_write_in_turn(
    pages: int, scene: Scene, reference: Path, tmp_path: Path, tally: Tally
) -> None:
    """With room for one page more than in the case before, another write is the first to fail."""
    with small_disk(tmp_path / "disk") as disk:
        scene.runs = Path("disk/runs")
        disk.leave(pages)
        process = scene.train(CONFIG, *([OFTEN] if pages % 2 else []))
        process.wait()
        tally(f"a full disk: {_outcome(process, scene, FULL)}")
        disk.free()
        _assert_goes_on(scene, reference)


@pytest.mark.faults
def test_a_run_fits_on_the_disk_at_last(scene: Scene, tmp_path: Path) -> None:
    """Else the cases above would not have come to the last write."""
    with small_disk(tmp_path / "disk") as disk:
        scene.runs = Path("disk/runs")
        disk.leave(MOST_PAGES)
        scene.finish([CONFIG, OFTEN])


@pytest.mark.parametrize("case", cases(2, 40))
def test_a_limit_on_files_fails_in_the_middle_of_a_write(
    case: int, scene: Scene, reference: Path, tally: Tally
) -> None:
    """The system takes the first part of a write and refuses the rest."""
    largest = int(10 ** Random(f"limit {case}").uniform(2.6, 4.8))
    process = scene.train(CONFIG, *([OFTEN] if case % 2 else []), largest_file=largest)
    process.wait()
    tally(f"a limit on the size of a file: {_outcome(process, scene, TOO_LARGE)}")
    _assert_goes_on(scene, reference)


def test_a_disk_that_becomes_read_only(scene: Scene, reference: Path, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk") as disk:
        scene.runs = Path("disk/runs")
        process = scene.train(CONFIG)
        assert scene.wait_for("[!.]*/checkpoints/best.safetensors", process), process.err
        disk.remount("ro")
        process.wait()
        assert _outcome(process, scene, READ_ONLY) == "failed in training"
        disk.remount("rw")
        _assert_goes_on(scene, reference)


@pytest.mark.parametrize("removed", ["the run", "all runs"])
def test_a_folder_that_is_removed_under_a_run(scene: Scene, removed: str) -> None:
    process = scene.train(CONFIG)
    checkpoint = scene.wait_for("[!.]*/checkpoints/best.safetensors", process)
    assert checkpoint, process.err
    run = checkpoint.parent.parent
    # Moved first: a folder in which files appear cannot be removed in one go.
    hidden = scene.folder / "removed"
    (run if removed == "the run" else run.parent).rename(hidden)
    shutil.rmtree(hidden)
    process.wait()
    _assert_one_sentence(process, GONE)
    assert not run.exists()


def _outcome(process: Process, scene: Scene, reason: str) -> str:
    """How it ended, which must be well or with exit code 6, and how far it had come."""
    run = scene.only_run()
    if process.code == 0:
        return "there was room"
    _assert_one_sentence(process, reason)
    if run is None:
        assert not list((scene.folder / scene.runs).glob("*")), "nothing is left of a run that did not begin"
        return "failed before its folder"
    assert_whole(run)
    if not any((run / "checkpoints").glob("[!.]*")):
        return "failed before its first checkpoint"
    return "failed in its plots" if (run / "labels.csv").is_file() else "failed in training"


def _assert_one_sentence(process: Process, reason: str) -> None:
    assert process.code == 6, process.err
    (said,) = (line for line in process.err.splitlines() if line.startswith("mlx: "))
    assert said.startswith(("mlx: cannot write '", "mlx: cannot make ", "mlx: cannot remove '")), said
    assert said.endswith(reason), said
    document = json.loads(process.out)
    if "error" in document:
        assert document["error"]["code"] == 6
        assert [f"mlx: {message['message']}" for message in document["error"]["messages"]] == [said]
    else:
        assert "/plots/" in said, "the results were told before"
        assert document["status"] == "finished"
    assert "Traceback" not in process.err


def _assert_goes_on(scene: Scene, reference: Path) -> None:
    run = scene.only_run()
    scene.finish([CONFIG] if run is None else ["--resume", "latest"])
    run = scene.only_run()
    assert run is not None
    assert_same_run(run, reference)
