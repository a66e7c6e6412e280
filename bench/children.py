"""Processes, one at a time: how long each took in all, its processor time, and its most memory."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from task import RSS_UNIT


class ChildError(RuntimeError):
    """A process failed; what it said last."""


@dataclass(frozen=True)
class Ended:
    """A process that has ended well; `launched_at` by the clock of `time.time`, `others_cores` what all other
    processes had meanwhile, on average."""

    stdout: str
    launched_at: float
    whole_seconds: float
    cpu_seconds: float
    others_cores: float
    peak_bytes: int

    def document(self) -> dict[str, Any]:
        """The JSON that its last line is."""
        return json.loads(self.stdout.splitlines()[-1])

    def costs(self) -> dict[str, float]:
        """What it took of the machine."""
        return {
            "whole_seconds": self.whole_seconds,
            "cpu_seconds": self.cpu_seconds,
            "others_cores": self.others_cores,
            "peak_bytes": self.peak_bytes,
        }


def launch(command: Sequence[str], folder: Path) -> Ended:
    """Run a command in `folder` to its end. Raises ChildError.

    Whoever calls this must be small: the peak of a process is at least that of the one which started it.
    """
    with tempfile.TemporaryFile("w+") as stdout, tempfile.TemporaryFile("w+") as stderr:
        launched_at, started, busy = time.time(), time.perf_counter(), _busy_seconds()
        child = subprocess.Popen(
            command,
            cwd=folder,
            env=_environment(),
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
        )
        try:
            _, status, usage = os.wait4(child.pid, 0)
            child.returncode = os.waitstatus_to_exitcode(status)
        finally:
            if child.returncode is None:
                child.kill()
                child.wait()
        seconds, busy = time.perf_counter() - started, _busy_seconds() - busy
        told = [_read(stream) for stream in (stdout, stderr)]
    if child.returncode != 0:
        last = "".join(told).strip().splitlines()[-1:] or ["it said nothing"]
        raise ChildError(f"{' '.join(command[:4])} ... exited with {child.returncode}: {last[0]}")
    cpu_seconds = usage.ru_utime + usage.ru_stime
    others = max(0.0, busy - cpu_seconds) / seconds
    return Ended(told[0], launched_at, seconds, cpu_seconds, others, usage.ru_maxrss * RSS_UNIT)


def _busy_seconds() -> float:
    """Processor seconds of all processes of the machine since it started; 0 where it does not tell."""
    try:
        user, nice, system, _, _, *rest = Path("/proc/stat").read_text("ascii").split()[1:9]
    except OSError:
        return 0.0
    # The rest is what interrupts took, and what other guests of the same host were given instead.
    return sum(map(int, (user, nice, system, *rest))) / os.sysconf("SC_CLK_TCK")


def _environment() -> dict[str, str]:
    """The caller's, without what would set the threads of some frameworks and not of others."""
    return {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}


def _read(stream: IO[str]) -> str:
    stream.seek(0)
    return stream.read()
