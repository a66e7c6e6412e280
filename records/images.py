"""Example images of a run, kept for its plots: inputs beside what the network made of them."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from ..specs.errors import DataError
from .atomic import disk_error, write_bytes
from .run_folder import RunFolder

Images = NDArray[np.uint8]


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
        try:
            # Opened here: NumPy leaves a file that it cannot read open.
            with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
                found[path.stem] = {name: file[name] for name in file.files}
        except (OSError, ValueError, zipfile.BadZipFile) as error:
            raise DataError(f"'{path}' is damaged: {error}.") from error
    return found
