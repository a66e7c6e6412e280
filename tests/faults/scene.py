"""A folder with a config, its table and the runs that a test makes, stops and resumes there."""

from __future__ import annotations

import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import pytest

from .processes import ForkServer, Process

CONFIG = "every_state.yaml"
OFTEN = "training.checkpoint_minutes=0.0001"
"""A checkpoint every few steps: six milliseconds after the one before."""

MOST_ATTEMPTS = 40
"""To kill a process before its end, which a busy machine may move."""


def cases(short: int, long: int) -> list[object]:
    """The numbers of a test's cases: all belong to the long version, the first few to the short one too."""
    return [pytest.param(case, marks=[] if case < short else [pytest.mark.faults]) for case in range(long)]


@dataclass
class Scene:
    """`seconds`: how long what is begun here takes if nothing stops it. `runs`: where runs lie."""

    server: ForkServer
    folder: Path
    seconds: float
    runs: Path = field(default=Path("runs"))

    def train(self, *arguments: str, **options: Any) -> Process:
        """`mlx train`, begun."""
        return self._start("train", *arguments, **options)

    def compare(self, *arguments: str, **options: Any) -> Process:
        """`mlx compare`, begun."""
        return self._start("compare", *arguments, **options)

    def run_folders(self) -> list[Path]:
        """The runs or comparisons that have appeared."""
        root = self.folder / self.runs
        found = [] if not root.is_dir() else root.iterdir()
        return sorted(path for path in found if not path.name.startswith("."))

    def only_run(self) -> Path | None:
        """The run that has appeared, of which there may not be two."""
        found = self.run_folders()
        assert len(found) <= 1, found
        return found[0] if found else None

    def resume_arguments(self, case: int) -> list[str]:
        """One of the ways in which a user may name the run to go on with."""
        run = self.only_run()
        assert run is not None
        named = ["latest", run.name, str(run)][case % 3]
        return ["--resume", named] if case % 2 else [CONFIG, "--resume", named]

    def send(self, number: int, process: Process, draw: Random) -> None:
        """Send it a signal at a random instant, unless it ends before that; then runs are that fast now."""
        started = time.monotonic()
        instant = draw.random() * self.seconds
        while (elapsed := time.monotonic() - started) < instant:
            if process.has_ended():
                self.seconds = elapsed
                return
            time.sleep(0.002)
        process.signal(number)

    def kill(self, process: Process, draw: Random) -> bool:
        """Kill it at a random instant; whether it was still at work."""
        self.send(signal.SIGKILL, process, draw)
        return process.wait() == -signal.SIGKILL

    def finish(self, arguments: Sequence[str], **options: Any) -> Process:
        """`mlx train` to an end that must be good."""
        process = self.train(*arguments, **options)
        assert process.wait() == 0, process.err
        return process

    def wait_for(self, pattern: str, process: Process) -> Path | None:
        """The first file of that pattern in the runs; None where the process ends without it."""
        while True:
            ended = process.has_ended()
            found = next((self.folder / self.runs).glob(pattern), None)
            if found is not None or ended:
                return found
            time.sleep(0.001)

    def _start(self, command: str, *arguments: str, **options: Any) -> Process:
        given = ["--runs", str(self.runs), "--json", *arguments]
        return self.server.start(command, *given, folder=self.folder, **options)
