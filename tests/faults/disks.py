"""Small disks of their own, mounted for a test: full, writable or not, and gone afterwards."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

PAGE = 4096
"""What the disk gives out at once, in bytes."""

_PAGES = 512
_PATIENCE_SECONDS = 60.0


@contextmanager
def small_disk(place: Path) -> Generator[SmallDisk]:
    """A disk of 2 MiB at `place`; the test is skipped where this system allows no mount."""
    place.mkdir()
    options = f"size={_PAGES * PAGE}"
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode != 0:
        pytest.skip(f"no disk of its own: {mounted.stderr.strip()}")
    try:
        yield SmallDisk(place)
    finally:
        subprocess.run(["umount", str(place)], check=True)


class SmallDisk:
    """A mounted disk. What lies on it is not looked at."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self._ballast = place / ".ballast"

    def leave(self, pages: int) -> None:
        """Fill it up but for so many pages."""
        free = os.statvfs(self.place).f_bfree
        assert pages <= free, f"it has {free} pages"
        with self._ballast.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, (free - pages) * PAGE)
        assert os.statvfs(self.place).f_bfree == pages

    def free(self) -> None:
        """Give all back that `leave` took."""
        self._ballast.unlink()

    def used(self) -> int:
        """How many pages are taken."""
        state = os.statvfs(self.place)
        return state.f_blocks - state.f_bfree

    def remount(self, option: str) -> None:
        """`ro` or `rw`, as soon as no file is open for writing."""
        patience = time.monotonic() + _PATIENCE_SECONDS
        command = ["mount", "-o", f"remount,{option}", str(self.place)]
        while subprocess.run(command, capture_output=True, check=False).returncode != 0:
            assert time.monotonic() < patience, f"it cannot be made {option}"
