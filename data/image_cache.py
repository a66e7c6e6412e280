"""Owns what is kept of decoded images between runs, in the user's cache folder; no run depends on it."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Images = NDArray[np.uint8]


def cache_folder() -> Path | None:
    """Where programs keep what they can make again; None where there is no such place."""
    given = os.environ.get("XDG_CACHE_HOME", "")
    try:
        folder = Path(given) if Path(given).is_absolute() else Path.home() / ".cache"
    except RuntimeError:  # no home folder
        return None
    return folder / "mlx-runner" if folder.is_absolute() else None


def cache_key(files: Sequence[tuple[str, int, int]], options: Sequence[object]) -> str:
    """The SHA-256, in hex, of all that decides on the pixels: files by path, size and time of the last change
    in nanoseconds, and the options of decoding."""
    digest = hashlib.sha256(json.dumps([*options]).encode())
    for file in files:
        digest.update(json.dumps(file).encode())
    return digest.hexdigest()


def load_images(key: str, shape: tuple[int, ...]) -> Images | None:
    """The images that were kept, mapped into memory and read-only; None where there are none of the shape."""
    file = _file_of(key)
    if file is None:
        return None
    try:
        images = np.load(file, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError, SyntaxError, TypeError):  # absent, damaged or not to be read
        return None
    return images if images.shape == shape and images.dtype == np.uint8 else None


def store_images(key: str, images: Images) -> None:
    """Keep images, in one step for every reader; where that is not possible, they are not kept."""
    file = _file_of(key)
    if file is None:
        return
    temporary = file.with_name(f".{file.name}.{os.getpid()}.{secrets.token_hex(4)}.tmp")
    with contextlib.suppress(OSError):
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            with temporary.open("xb") as stream:
                np.lib.format.write_array(stream, images, allow_pickle=False)
                stream.flush()
                # Without it a power cut may leave the new name on an empty file.
                os.fsync(stream.fileno())
            temporary.replace(file)
        finally:
            temporary.unlink(missing_ok=True)


def _file_of(key: str) -> Path | None:
    folder = cache_folder()
    return None if folder is None else folder / "images" / f"{key}.npy"
