"""The system's own word, by inotify, of the instant at which a process touches a folder."""

from __future__ import annotations

import ctypes
import os
import select
import struct
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

# linux/inotify.h
WRITTEN = 0x2
"""A file has got more bytes."""
MOVED_IN = 0x80
"""A file has taken its place."""
CREATED = 0x100
"""A file has appeared, empty or as a link."""

_HEADER = struct.Struct("iIII")
_BUFFER = 65536


@contextmanager
def watch_folder(folder: Path, event: int) -> Generator[FolderWatch]:
    """A watch on the files directly in a folder."""
    library = ctypes.CDLL(None, use_errno=True)
    handle = library.inotify_init1(0)
    try:
        if handle < 0 or library.inotify_add_watch(handle, os.fsencode(folder), event) < 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
        yield FolderWatch(handle)
    finally:
        os.close(handle)


class FolderWatch:
    """The events of one kind in one folder, as they come."""

    def __init__(self, handle: int) -> None:
        self._handle = handle
        self._names: list[str] = []

    def next_name(self, *, seconds: float) -> str | None:
        """The name of the file that the next event is about; None where none comes for so long."""
        if not self._names:
            if not select.select([self._handle], [], [], seconds)[0]:
                return None
            self._names = list(_parse(os.read(self._handle, _BUFFER)))
        return self._names.pop(0) if self._names else None


def _parse(data: bytes) -> Generator[str]:
    start = 0
    while start < len(data):
        length = _HEADER.unpack_from(data, start)[3]
        start += _HEADER.size
        yield data[start : start + length].rstrip(b"\0").decode("utf-8")
        start += length
