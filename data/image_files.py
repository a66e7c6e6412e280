"""Owns reading image files: decoded and resized by Pillow, by as many threads as there are cores.

Legend: N images, C channels, H height, W width.
"""

from __future__ import annotations

import contextlib
import os
import struct
import threading
import warnings
import zlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from stat import S_ISDIR, S_ISREG
from typing import TYPE_CHECKING, Literal

import numpy as np

from ..specs.errors import ConfigError, DataError, MachineError, Problem
from ..specs.errors import Path as KeyPath
from .available_memory import check_memory
from .image_cache import Images, cache_key, load_images, store_images

if TYPE_CHECKING:
    from PIL import Image

ENDINGS = (".jpg", ".jpeg", ".png", ".gif", ".webp", ".bmp", ".tif", ".tiff")

MOST_PIXELS = 100_000_000
"""A larger image is refused by its header: a small file can declare any size."""

LARGE_PIXELS = 16_000_000
"""Larger images are decoded one after the other: memory might not hold one for each core."""

LONGEST_SIDE = 10_000
"""Of what images are resized to."""

# Not all that Pillow knows: some formats start other programs.
_FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF")

_one_large_image = threading.Lock()

# Raised when what is decoded, or how, changes, so that nothing is taken from the cache that is not the same.
_VERSION = 1

# What Pillow raises over damaged files.
_DAMAGE = (
    *(OSError, EOFError, ValueError, TypeError, LookupError, ArithmeticError),
    *(SyntaxError, AttributeError, RuntimeError, struct.error, zlib.error),
)


def decode_images(
    paths: Sequence[Path],
    *,
    size: tuple[int, int],
    channels: Literal[1, 3],
    where: Callable[[int], str] | None = None,
    keep: bool = True,
) -> Images:
    """The images (N, C, H, W), resized to `size` (H, W) whatever their proportions; perhaps read-only.

    A photo is turned as its camera says, of an animation the first picture is taken, and transparency is
    dropped. `where` names the row of a table in messages. `keep`: what was decoded before is taken from the
    cache, and put there. Raises DataError for a file that is missing, damaged or too large, MachineError.
    """
    shape = (len(paths), channels, *size)
    stats = [_stat(path, row, where) for row, path in enumerate(paths)]
    what = f"{len(paths)} images of {size[0]} x {size[1]}"
    check_memory(int(np.prod(shape, dtype=np.int64)), what, path=("data",), fix="lower their size")
    key = cache_key(
        [(str(path.absolute()), *stat) for path, stat in zip(paths, stats, strict=True)], _options(shape)
    )
    images = load_images(key, shape) if keep else None
    if images is None:
        images = _decode_all(paths, shape, where)
        if keep:
            store_images(key, images)
    return images


def check_size(size: tuple[int, int], path: KeyPath) -> None:
    """Raises ConfigError at `path` for a height or a width that images cannot have."""
    if not all(0 < side <= LONGEST_SIDE for side in size):
        message = f"height and width go from 1 to {LONGEST_SIDE}, unlike {list(size)}."
        raise ConfigError(Problem(message, path))


def _options(shape: tuple[int, ...]) -> list[object]:
    import PIL

    return [_VERSION, PIL.__version__, *shape]


def _stat(path: Path, row: int, where: Callable[[int], str] | None) -> tuple[int, int]:
    """Size in bytes, and the time of the last change."""
    try:
        stat = path.stat()
    except (OSError, ValueError) as error:
        raise _unreadable(error, path, row, where) from None
    if not (S_ISREG(stat.st_mode) or S_ISDIR(stat.st_mode)):
        raise DataError(_problem("is a device or a pipe, not a file", path, row, where))
    return stat.st_size, stat.st_mtime_ns


def _decode_all(paths: Sequence[Path], shape: tuple[int, ...], where: Callable[[int], str] | None) -> Images:
    from PIL import Image

    images = np.empty(shape, dtype=np.uint8)

    def decode(row: int) -> None:
        try:
            images[row] = _decode(paths[row], shape)
        except MemoryError as error:
            raise MachineError(_problem("does not fit into memory", paths[row], row, where)) from error
        except (*_DAMAGE, Image.DecompressionBombError) as error:
            raise _unreadable(error, paths[row], row, where) from None

    # Pillow warns of large images, which are refused only later, and of damage that leaves the pixels whole.
    with warnings.catch_warnings(), ThreadPoolExecutor(_usable_cores()) as pool:
        warnings.simplefilter("ignore")
        try:
            # In order, so that of several bad files it is always the first that is named.
            for _ in pool.map(decode, range(len(paths))):
                pass
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return images


def _decode(path: Path, shape: tuple[int, ...]) -> Images:
    """One image (C, H, W)."""
    from PIL import Image, ImageOps

    _, channels, height, width = shape
    with Image.open(path, formats=_FORMATS) as image:
        num_pixels = image.width * image.height
        if num_pixels > MOST_PIXELS:
            raise ValueError(f"{image.width} x {image.height} pixels, more than {MOST_PIXELS}")
        # A JPEG is decoded at about twice the size that is needed, in a fraction of the time.
        longest = 2 * max(height, width)
        image.draft(None, (longest, longest))
        with _one_large_image if num_pixels > LARGE_PIXELS else contextlib.nullcontext():
            upright = ImageOps.exif_transpose(_as_bytes(image))
            plain = upright.convert("L" if channels == 1 else "RGB")
            # This filter averages over all pixels that fall into one.
            pixels = np.asarray(plain.resize((width, height), Image.Resampling.BILINEAR), dtype=np.uint8)
    return pixels[None] if channels == 1 else pixels.transpose(2, 0, 1)


def _as_bytes(image: Image.Image) -> Image.Image:
    """The image with 8 bits per value: of 16 the upper half is kept."""
    from PIL import Image

    if image.mode.startswith("I;16"):
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if image.mode in ("I", "F"):
        raise ValueError("its pixels are 32-bit numbers, not bytes")
    return image


def _unreadable(
    error: Exception, path: Path, row: int, where: Callable[[int], str] | None
) -> DataError | MachineError:
    from PIL import Image, UnidentifiedImageError

    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return DataError(_problem("does not exist", path, row, where))
    if isinstance(error, IsADirectoryError):
        return DataError(_problem("is a folder", path, row, where))
    if isinstance(error, UnidentifiedImageError):
        message = "is not an image of a known format (JPEG, PNG, GIF, WebP, BMP, TIFF), or is damaged"
        return DataError(_problem(message, path, row, where))
    if isinstance(error, OSError) and error.errno is not None:
        return MachineError(_problem(f"cannot be read: {error.strerror}", path, row, where))
    if isinstance(error, Image.DecompressionBombError):
        return DataError(_problem(f"is too large: more than {MOST_PIXELS} pixels", path, row, where))
    return DataError(_problem(f"cannot be decoded: {error}", path, row, where))


def _problem(message: str, path: Path, row: int, where: Callable[[int], str] | None) -> Problem:
    """At the row of the table, where there is one, else at the image."""
    if where is None:
        return Problem(message, file=str(path))
    return Problem(f"image '{path}' {message}", file=where(row))


def _usable_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
