"""Which process works on a run, and whether it still lives."""

from __future__ import annotations

import os
import platform
import sys
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from .atomic import disk_error

_OTHER_HOST_PATIENCE_SECONDS = 3600.0


def describe_process(pid: int | None = None) -> dict[str, object]:
    """A process, this one by default, as a run remembers it: `pid`, `host`, and `started`, in clock ticks
    since boot.

    `started` tells a later process of the same pid apart; it is null where the system does not say.
    """
    number = os.getpid() if pid is None else pid
    return {"pid": number, "host": platform.node(), "started": _start_ticks(number)}


def is_alive(process: Mapping[str, object], *, last_change: float) -> bool:
    """Whether the described process still runs.

    A process on another host cannot be asked (the folder may lie on a shared disk): it counts as
    alive while the run changed within the last hour. `last_change`: Unix time in seconds.
    """
    if process.get("host") != platform.node():
        return time.time() - last_change < _OTHER_HOST_PATIENCE_SECONDS
    pid, started = process.get("pid"), process.get("started")
    if not isinstance(pid, int) or pid <= 0:
        return False
    if isinstance(started, int):
        return _start_ticks(pid) == started
    return _answers(pid)


def last_change(path: Path) -> float:
    """The Unix time of the last change of a file or folder, in seconds; 0 where there is none."""
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


@contextmanager
def exclusive_access(folder: Path) -> Generator[None]:
    """One process at a time gets past here for the same folder; the others wait.

    The system lets go of it when the process ends, however it ends. Without such locks (Windows, some
    network disks) nothing is held back. Raises MachineError where the folder cannot be opened.
    """
    if sys.platform == "win32":
        yield
        return
    import fcntl

    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError as error:
        raise disk_error("open", folder, error) from error
    try:
        with suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _start_ticks(pid: int) -> int | None:
    """Field 22 of /proc/<pid>/stat (man 5 proc); None for a zombie and off Linux."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text("utf-8", errors="replace")
    except OSError:
        return None
    # The name in parentheses may hold spaces and parentheses itself.
    fields = text.rpartition(")")[2].split()
    return None if fields[0] in ("Z", "X") else int(fields[19])


def _answers(pid: int) -> bool:
    if sys.platform == "win32":
        return pid == os.getpid()  # signal 0 would end the process there
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
