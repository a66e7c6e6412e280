"""SIGINT and SIGTERM end a run when all is saved, a second one at once; SIGHUP does no harm."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest
from mlx_runner.records.run_folder import RunFolder

from .evidence import assert_same_run, assert_whole, saved_position
from .processes import Process
from .scene import CONFIG, MOST_ATTEMPTS, OFTEN, Scene, cases

Tally = Callable[[str], None]

SIGNALS = [signal.SIGINT, signal.SIGTERM]


@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
@pytest.mark.parametrize("case", cases(2, 10))
def test_a_signal_at_a_random_instant_saves_all(
    case: int, number: signal.Signals, scene: Scene, reference: Path, tally: Tally
) -> None:
    draw = Random(f"{number.name} {case}")
    for attempt in range(MOST_ATTEMPTS):
        process = scene.train(CONFIG)
        scene.send(number, process, draw)
        if process.wait() != 0:
            break
        scene.runs = Path(f"runs_{attempt}")  # it came too late
    assert _as_shells_tell(process.code) == 128 + number, process.err
    run = scene.only_run()
    if run is None:
        tally(f"{number.name} at a random instant: before its folder")
        return
    assert_whole(run)
    assert "Traceback" not in process.err
    status = RunFolder.open(run).status
    tally(f"{number.name} at a random instant: its run says {status}")
    if status == "interrupted":
        _assert_told(process, run, scene, number)
    scene.finish(["--resume", run.name])
    assert_same_run(run, reference)


@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
@pytest.mark.parametrize("case", cases(1, 10))
def test_a_second_signal_stops_at_once(
    case: int, number: signal.Signals, scene: Scene, reference: Path, tally: Tally
) -> None:
    """Up to a twentieth of a second after the first one, in which a step, or all, may have been saved."""
    draw = Random(f"twice {number.name} {case}")
    for attempt in range(MOST_ATTEMPTS):
        process = scene.train(CONFIG, OFTEN)
        assert scene.wait_for("[!.]*/checkpoints/last.safetensors", process), process.err
        scene.send(number, process, draw)
        time.sleep(draw.random() / 20)
        if process.code is None:
            process.signal(number)
        if process.wait() != 0:
            break
        scene.runs = Path(f"runs_{attempt}")  # they came too late
    assert _as_shells_tell(process.code) == 128 + number, process.err
    assert "Traceback" not in process.err
    run = scene.only_run()
    assert run is not None
    assert_whole(run)
    tally(f"{number.name} twice: its run says {RunFolder.open(run).status}")
    scene.finish(["--resume", "latest"])
    assert_same_run(run, reference)


def test_a_signal_saves_the_step_that_it_comes_in(scene: Scene) -> None:
    """By its own checkpoint: epochs are long here, and the next one by the clock is minutes away."""
    process = scene.train(CONFIG, "training.batch_size=1")
    last = scene.wait_for("[!.]*/checkpoints/last.safetensors", process)
    assert last, process.err
    before = last.stat().st_ino
    process.signal(signal.SIGTERM)
    assert process.wait() == 128 + signal.SIGTERM, process.err
    # Each checkpoint is a new file; one that an epoch has just ended with needs none.
    assert last.stat().st_ino != before or saved_position(last)["step"] == 0


def test_the_end_of_a_terminal_does_no_harm(scene: Scene, reference: Path) -> None:
    process = scene.train(CONFIG)
    run = scene.wait_for("[!.]*", process)
    assert run, process.err
    while not (run / "summary.json").exists() and not process.has_ended():
        process.signal(signal.SIGHUP)
        time.sleep(scene.seconds / 20)
    assert process.wait() == 0
    assert_same_run(run, reference)


def _assert_told(process: Process, run: Path, scene: Scene, number: signal.Signals) -> None:
    """What it printed, on both streams."""
    way_on = f"mlx train --resume {run.relative_to(scene.folder)} goes on from what was saved"
    told = f"interrupted by {number.name}; {way_on}"
    assert process.err.splitlines()[-1] == f"mlx: {told}"
    error = json.loads(process.out)["error"]
    assert error["code"] == 128 + number
    assert [message["message"] for message in error["messages"]] == [told]


def _as_shells_tell(code: int | None) -> int:
    """The exit code; of a process that the signal itself ended, before and after `mlx` handles any, too."""
    assert code is not None
    return 128 - code if code < 0 else code
