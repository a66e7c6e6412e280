"""Many processes in one folder of runs: each has a run of its own, and whoever lists them meanwhile can."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from .evidence import assert_same_run
from .processes import plain_environment
from .scene import CONFIG, Scene

NUM_RUNS = 16
NUM_AT_ONCE = 4
BRIEF = [CONFIG, "training.epochs=2"]


def test_processes_that_start_at_once_have_runs_of_their_own(scene: Scene) -> None:
    processes = [
        scene.train(*BRIEF, out=scene.folder / f"{number}.json", err=scene.folder / f"{number}.err")
        for number in range(NUM_RUNS)
    ]
    seen: set[str] = set()
    while sum(process.has_ended() for process in processes) < NUM_RUNS:
        seen |= _listed(scene)
    assert [process.code for process in processes] == [0] * NUM_RUNS
    runs = {json.loads(process.out)["run"] for process in processes}
    assert len(runs) == NUM_RUNS
    assert {str(run.relative_to(scene.folder)) for run in scene.run_folders()} == runs
    assert not list((scene.folder / scene.runs).glob(".*")), "no draft is left"
    for run in scene.run_folders():
        assert_same_run(run, scene.run_folders()[0])
    assert _listed(scene) == {"finished"}
    assert seen <= {"running", "finished"}


@pytest.mark.faults
def test_commands_that_start_at_once_have_runs_of_their_own(scene: Scene, reference: Path) -> None:
    """Processes that were not forked: each is an interpreter of its own from its first instant."""
    command = [sys.executable, "-m", "mlx_runner.cli", "train", CONFIG, "--quiet", "--json"]
    processes = [
        subprocess.Popen(
            command, cwd=scene.folder, env=plain_environment(), stdout=subprocess.PIPE, text=True
        )
        for _ in range(NUM_RUNS)
    ]
    told = [process.communicate()[0] for process in processes]
    assert [process.returncode for process in processes] == [0] * NUM_RUNS
    assert len({json.loads(each)["run"] for each in told}) == NUM_RUNS
    assert len(scene.run_folders()) == NUM_RUNS
    for run in scene.run_folders():
        assert_same_run(run, reference)


def test_of_those_that_resume_one_run_at_once_one_gets_it(scene: Scene, reference: Path) -> None:
    """The others are refused, or find it finished; none disturbs it."""
    process = scene.train(CONFIG)
    assert scene.wait_for("[!.]*/checkpoints/best.safetensors", process), process.err
    process.signal(signal.SIGKILL)
    process.wait()
    run = scene.only_run()
    assert run is not None
    begun = [scene.train("--resume", "latest") for _ in range(NUM_AT_ONCE)]
    codes = [each.wait() for each in begun]
    assert codes.count(0) >= 1
    for each in begun:
        if each.code != 0:
            assert each.code == 2
            assert f"mlx: run '{run.name}' is still at work in process " in each.err
    assert_same_run(run, reference)


def _listed(scene: Scene) -> set[str]:
    """The states of all runs, as a user is told them."""
    process = scene.server.run("runs", "--runs", str(scene.runs), "--json", folder=scene.folder)
    assert process.code == 0, process.err
    return {run["status"] for run in json.loads(process.out)["runs"]}
