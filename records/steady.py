"""Reading a folder that other processes may move, replace or remove at the same instant."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, TypeVar

T = TypeVar("T")

_ATTEMPTS = 8


def read_steady(path: Path, read: Callable[[Path], T], *, is_whole: Callable[[T], bool]) -> T | None:
    """What `read` makes of a folder; None where it went away or made room for another one meanwhile.

    What is not whole is read again if the folder changed meanwhile: it may have been away for an instant,
    as a run is that is moved to the trash and back.
    """
    found: T | None = None
    for _ in range(_ATTEMPTS):
        before = _look(path)
        found = read(path)
        after = _look(path)
        if before is None or after is None or before.identity != after.identity:
            return None
        if is_whole(found) or before == after:
            break
    return found


class _Look(NamedTuple):
    identity: tuple[int, int]
    """Of the folder itself, whatever name it has."""
    changed: int
    """Moves count, as do files that come and go in it."""


def _look(path: Path) -> _Look | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return _Look((found.st_dev, found.st_ino), found.st_ctime_ns)
