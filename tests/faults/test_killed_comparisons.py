"""A comparison that is killed at any instant goes on to the same tables and the same runs of its members."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random

import pytest

from .evidence import assert_same_comparison, assert_whole, member_runs
from .processes import Process
from .scene import CONFIG, MOST_ATTEMPTS, OFTEN, Scene, cases

Tally = Callable[[str], None]

SPREAD = ["--seeds", "2", "training.epochs=60", "training.early_stopping=null"]
"""Four members that two processes train, and a stack of two, on a machine of two cores or more."""


@dataclass(frozen=True)
class Compared:
    """A comparison that nothing stopped, and how long it took."""

    folder: Path
    seconds: float


@pytest.fixture(scope="session")
def stacked(make_scene: Callable[[], Scene]) -> Compared:
    """Of three members: a stack of two, and one alone."""
    return _compare(make_scene(), ["--seeds", "1"], one_core=True)


@pytest.fixture(scope="session")
def spread(make_scene: Callable[[], Scene]) -> Compared:
    """Of members that worker processes train, and others."""
    return _compare(make_scene(), SPREAD, one_core=False)


@pytest.mark.parametrize("case", cases(1, 10))
def test_a_comparison_killed_at_a_random_instant_goes_on(
    case: int, scene: Scene, stacked: Compared, tally: Tally
) -> None:
    draw = Random(f"killed comparison {case}")
    scene.seconds = stacked.seconds
    begin = [CONFIG, *([OFTEN] if case % 2 else []), "--seeds", "1"]
    arguments, kills = begin, 0
    for attempt in range(MOST_ATTEMPTS):
        process = scene.compare(*arguments, one_core=True)
        if kills > int(case % 3 == 0) or not scene.kill(process, draw):
            assert process.wait() == 0, process.err
            if kills:
                break
            scene.runs = Path(f"runs_{attempt}")  # the kill came too late
            continue
        kills += 1
        tally(f"SIGKILL of a comparison at a random instant: {_stage(scene)}")
        arguments = begin if _comparison(scene) is None else _way_on(scene, case)
    assert kills
    comparison = _comparison(scene)
    assert comparison is not None
    assert_same_comparison(comparison, stacked.folder)


@pytest.mark.parametrize("number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.faults)])
def test_a_signal_saves_a_comparison(scene: Scene, number: int, stacked: Compared) -> None:
    process = scene.compare(CONFIG, "--seeds", "1", one_core=True)
    assert scene.wait_for("[!.]*/members/*/checkpoints/best.safetensors", process), process.err
    process.signal(number)
    assert process.wait() == 128 + number, process.err
    comparison = _comparison(scene)
    assert comparison is not None
    told = f"mlx compare --resume {comparison.relative_to(scene.folder)}"
    assert told in process.err.splitlines()[-1]
    for run in member_runs(comparison).values():
        assert_whole(run)
    _finish(scene, ["--resume", "latest"], one_core=True)
    assert_same_comparison(comparison, stacked.folder)


@pytest.mark.parametrize("case", cases(0, 6))
def test_a_comparison_in_processes_that_is_killed_goes_on(
    case: int, scene: Scene, spread: Compared, tally: Tally
) -> None:
    """All of its processes at once, as a machine that fails kills them, or the first one alone, whose
    workers must not write on under the one that goes on."""
    draw = Random(f"killed processes {case}")
    which = ("the first process", "all processes")[case % 2]
    process = scene.compare(CONFIG, *SPREAD)
    assert scene.wait_for("[!.]*/members/*/checkpoints", process), process.err
    time.sleep(draw.random() * spread.seconds / 2)
    (process.signal, process.signal_group)[case % 2](signal.SIGKILL)
    killed = process.wait() == -signal.SIGKILL
    tally(f"SIGKILL of {which} of a comparison: {_progress(scene) if killed else 'too late'}")
    _finish(scene, ["--resume", "latest"], one_core=False)
    comparison = _comparison(scene)
    assert comparison is not None
    assert_same_comparison(comparison, spread.folder)


@pytest.mark.faults
def test_a_worker_that_is_killed_is_told(scene: Scene, spread: Compared) -> None:
    process = scene.compare(CONFIG, *SPREAD)
    assert scene.wait_for("[!.]*/members/*/checkpoints/best.safetensors", process), process.err
    os.kill(_workers(process)[0], signal.SIGKILL)
    assert process.wait() == 6, process.err
    assert "ended unexpectedly (exit code -9)" in process.err
    assert json.loads(process.out)["error"]["code"] == 6
    _finish(scene, ["--resume", "latest"], one_core=False)
    comparison = _comparison(scene)
    assert comparison is not None
    assert_same_comparison(comparison, spread.folder)


def _compare(scene: Scene, arguments: list[str], *, one_core: bool) -> Compared:
    started = time.monotonic()
    _finish(scene, [CONFIG, *arguments], one_core=one_core)
    seconds = time.monotonic() - started
    comparison = _comparison(scene)
    assert comparison is not None
    return Compared(comparison, seconds)


def _finish(scene: Scene, arguments: list[str], *, one_core: bool) -> None:
    process = scene.compare(*arguments, one_core=one_core)
    assert process.wait() == 0, process.err


def _workers(process: Process) -> list[int]:
    """The pids of the processes that train for it."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text("utf-8").split()
    return [int(pid) for pid in children if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()]


def _comparison(scene: Scene) -> Path | None:
    """The comparison that has appeared, whole, of which there may not be two."""
    found = [path for path in scene.run_folders() if (path / "comparison.csv").is_file()]
    assert len(found) <= 1, found
    return found[0] if found else None


def _way_on(scene: Scene, case: int) -> list[str]:
    """One of the ways in which a user may name the comparison to go on with."""
    comparison = _comparison(scene)
    assert comparison is not None
    return ["--resume", ["latest", comparison.name, str(comparison)][case % 3]]


def _stage(scene: Scene) -> str:
    """How far it had come, all that it has written being whole."""
    comparison = _comparison(scene)
    for run in member_runs(comparison).values() if comparison else ():
        assert_whole(run)
    return _progress(scene)


def _progress(scene: Scene) -> str:
    """How far it had come; processes that have lost their first one may still be at work."""
    comparison = _comparison(scene)
    if comparison is None:
        return "before its folder"
    members = member_runs(comparison).values()
    ended = sum((run / "summary.json").is_file() for run in members)
    return f"{len(members)} members begun, {ended} ended"
