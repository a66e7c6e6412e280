"""A run that is killed at any instant loses nothing: resumed, it leaves the bytes of one that was not."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from .evidence import assert_same_run, assert_whole, half_written
from .folder_watch import CREATED, MOVED_IN, WRITTEN, watch_folder
from .processes import Process
from .scene import CONFIG, MOST_ATTEMPTS, OFTEN, Scene, cases

Tally = Callable[[str], None]

MOST_EVENTS = 60
"""Fewer than there are of any kind in a run with a checkpoint after every step."""

EVENTS = {"a file was made": CREATED, "a file was written": WRITTEN, "a file took its place": MOVED_IN}
PLACES = [(place, event) for place in ("checkpoints", ".") for event in EVENTS]


@pytest.mark.parametrize("case", cases(8, 50))
def test_a_run_killed_at_a_random_instant_goes_on(
    case: int, scene: Scene, reference: Path, tally: Tally
) -> None:
    """Every third is killed again while it is resumed; every other one saves itself after every step."""
    draw = Random(f"killed run {case}")
    config = [CONFIG, *([OFTEN] if case % 2 else [])]
    arguments, kills = config, 0
    for attempt in range(MOST_ATTEMPTS):
        process = scene.train(*arguments)
        if kills > int(case % 3 == 0) or not scene.kill(process, draw):
            assert process.wait() == 0, process.err
            if kills:
                break
            scene.runs = Path(f"runs_{attempt}")  # the kill came too late
            continue
        kills += 1
        tally(f"SIGKILL at a random instant: {_stage(scene)}")
        arguments = config if scene.only_run() is None else scene.resume_arguments(case)
    run = scene.only_run()
    assert run is not None
    assert kills
    assert_same_run(run, reference)


@pytest.mark.parametrize("case", cases(6, 36))
def test_a_run_killed_while_it_writes_goes_on(case: int, scene: Scene, reference: Path, tally: Tally) -> None:
    place, event = PLACES[case % len(PLACES)]
    draw = Random(f"writing run {case}")
    for attempt in range(MOST_ATTEMPTS):
        process = scene.train(CONFIG, OFTEN)
        if _kill_at_event(scene, process, place, EVENTS[event], skipped=draw.randrange(MOST_EVENTS)):
            break
        scene.runs = Path(f"runs_{attempt}")
    run = scene.only_run()
    assert run is not None
    assert process.code == -signal.SIGKILL
    assert_whole(run)
    left = ", a half-written file was left" if half_written(run) else ""
    tally(f"SIGKILL in {'checkpoints/' if place != '.' else 'the run folder'} when {event}{left}")
    scene.finish(scene.resume_arguments(case))
    assert scene.only_run() == run
    assert_same_run(run, reference)
    assert not half_written(run)


@pytest.mark.parametrize("overrides", [[OFTEN], pytest.param([], marks=pytest.mark.faults)])
def test_a_run_that_nothing_stopped_is_the_same_whatever_it_saves(
    overrides: list[str], scene: Scene, reference: Path
) -> None:
    """Forked or not, and with a checkpoint every few steps or after every epoch."""
    scene.finish([CONFIG, *overrides])
    run = scene.only_run()
    assert run is not None
    assert_same_run(run, reference)


def _kill_at_event(scene: Scene, process: Process, place: str, event: int, *, skipped: int) -> bool:
    """Kill it when that many events have passed and one more comes; whether it was still at work."""
    folder = scene.wait_for("[!.]*/checkpoints", process)
    assert folder is not None, process.err
    with watch_folder(folder.parent / place, event) as watch:
        seen = 0
        while seen <= skipped and not process.has_ended():
            seen += watch.next_name(seconds=0.1) is not None
        if process.code is None:
            process.signal(signal.SIGKILL)
    return process.wait() == -signal.SIGKILL


def _stage(scene: Scene) -> str:
    """How far it had come, all that it has written being whole."""
    run = scene.only_run()
    if run is None:
        return "before its folder"
    assert_whole(run)
    if (run / "summary.json").is_file():
        return "after its summary"
    if (run / "labels.csv").is_file():
        return "while it was scored"
    return "in training" if any((run / "checkpoints").iterdir()) else "before its first checkpoint"
