"""Owns the question whether dense values fit into memory: asked before, as a system may kill, not refuse."""

from __future__ import annotations

import sys
from pathlib import Path

from ..specs.errors import MachineError, Problem
from ..specs.errors import Path as KeyPath

_CGROUP = Path("/sys/fs/cgroup")


def check_memory(num_bytes: int, what: str, *, path: KeyPath, fix: str) -> None:
    """Nothing, where `num_bytes` can be had or the system does not say.

    Raises MachineError where `what` (`one_hot of 900 rows and 70000 categories`) is larger than the memory
    that can be had without swapping.
    """
    available = available_bytes()
    if available is not None and num_bytes > available:
        sizes = f"takes {num_bytes / 1e9:.1f} GB, more than the {available / 1e9:.1f} GB of memory there are"
        raise MachineError(Problem(f"{what} {sizes}; {fix}.", path))


def available_bytes() -> int | None:
    """Memory that can be had without swapping, in bytes; None where the system does not say."""
    limits = (_system_bytes(), _container_bytes(), _process_bytes())
    return min((limit for limit in limits if limit is not None), default=None)


def _system_bytes() -> int | None:
    for line in _read(Path("/proc/meminfo")).splitlines():
        name, _, rest = line.partition(":")
        if name == "MemAvailable":
            return int(rest.split()[0]) * 1024
    return None


def _container_bytes() -> int | None:
    """The limit of a container's control group, all of it: cached pages, which can be had, count as used."""
    limit = _read(_CGROUP / "memory.max").strip()
    return int(limit) if limit.isdecimal() else None


def _process_bytes() -> int | None:
    """What this process may still take under a limit of its own (`ulimit -v`); None without one."""
    if sys.platform == "win32":
        return None
    import resource

    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    taken = _read(Path("/proc/self/statm")).split()
    if limit == resource.RLIM_INFINITY or not taken:
        return None
    return max(0, limit - int(taken[0]) * resource.getpagesize())


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except OSError:
        return ""
