"""Example images of a run, kept for its plots: inputs beside what the network made of them."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from ..specs.errors import DataError
from .atomic import disk_error, read_bytes, write_bytes
from .run_folder import RunFolder

Images = NDArray[np.uint8]

_MOST_BYTES = 1 << 27
# What reading a damaged archive raises beside ValueError and OSError.
_DAMAGE = (
    *(zipfile.BadZipFile, zlib.error, struct.error, EOFError, NotImplementedError, RuntimeError),
    *(KeyError, TypeError, SyntaxError, OverflowError),
)


def write_images(run: RunFolder, output: str, images: Mapping[str, Images]) -> None:
    """Keep uint8 images (N, H, W) by row title, as `images/<output>.npz`. Raises MachineError."""
    folder = run.path / "images"
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise disk_error("make", folder, error) from error
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **dict(images))
    write_bytes(folder / f"{output}.npz", buffer.getvalue())


def read_images(run: RunFolder) -> dict[str, dict[str, Images]]:
    """All example images by output and row title; none if the run kept none. Raises DataError if damaged."""
    found: dict[str, dict[str, Images]] = {}
    for path in sorted((run.path / "images").glob("*.npz")):
        data = read_bytes(path, most_bytes=_MOST_BYTES)
        assert data is not None, "it was listed"
        try:
            found[path.stem] = _read(data)
        except (OSError, ValueError, *_DAMAGE) as error:
            raise DataError(f"'{path}' is damaged: {error}.") from error
    return found


def _read(data: bytes) -> dict[str, Images]:
    """Raises ValueError, or one of `_DAMAGE`, for what is no archive of images or becomes a huge one."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        if sum(each.file_size for each in archive.infolist()) > _MOST_BYTES:
            raise ValueError("its images are too large")
        names = [name.removesuffix(".npy") for name in archive.namelist()]
    with np.load(io.BytesIO(data), allow_pickle=False) as file:
        images = {name: file[name] for name in names}
    for name, each in images.items():
        if each.ndim != 3 or each.dtype != np.uint8:
            raise ValueError(f"{name!r} holds no images")
    return images
