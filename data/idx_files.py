"""Owns the idx file format: unsigned bytes with one or three axes, gzipped or not, checked as read."""

from __future__ import annotations

import gzip
import hashlib
import math
import zlib
from importlib.resources.abc import Traversable

import numpy as np
from numpy.typing import NDArray

from ..specs.errors import DataError, MachineError, Problem

UNSIGNED_BYTE = 0x08

MOST_BYTES = 1 << 30
"""Of a file, uncompressed: the largest such data sets known have half of that."""


_PIECE_BYTES = 1 << 20


def read_idx(file: Traversable, *, num_axes: int, md5: str | None = None) -> NDArray[np.uint8]:
    """The writable array of an idx file of unsigned bytes; `.gz` at the end of the name means gzip.

    `md5` is that of the uncompressed content. Raises DataError where the file is missing, damaged or of
    another kind, MachineError where it cannot be read.
    """
    content = _read_content(file)
    array = _parse(file, content, num_axes)
    if md5 is not None:
        found = hashlib.md5(content, usedforsecurity=False).hexdigest()
        if found != md5:
            raise damaged(file, f"the MD5 of its content is {found}, not {md5}: the file is not the original")
    return array


def damaged(file: Traversable, message: str) -> DataError:
    """An error located at `file`."""
    return DataError(Problem(message, file=str(file)))


def _read_content(file: Traversable) -> bytearray:
    """All of it, uncompressed: a small file can hold any number of zeros, so reading stops where it must."""
    try:
        with file.open("rb") as stream:
            unpacked = gzip.GzipFile(fileobj=stream) if file.name.endswith(".gz") else stream
            content = bytearray()
            # Piece by piece: room for all that is allowed would be taken at once.
            while piece := unpacked.read(_PIECE_BYTES):
                content += piece
                if len(content) > MOST_BYTES:
                    raise damaged(file, f"holds more than {MOST_BYTES >> 30} GiB: no idx file is that large")
            return content
    except FileNotFoundError:
        raise damaged(file, "no such file") from None
    except (gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise damaged(file, f"the gzip data are damaged ({error})") from error
    except OSError as error:
        raise MachineError(Problem(f"cannot be read: {error.strerror}", file=str(file))) from error


def _parse(file: Traversable, content: bytearray, num_axes: int) -> NDArray[np.uint8]:
    """Header: two zero bytes, the type, the number of axes, then each size as 4 bytes, big end first."""
    header_length = 4 + 4 * num_axes
    magic = bytes((0, 0, UNSIGNED_BYTE, num_axes))
    if len(content) >= 4 and bytes(content[:4]) != magic:
        kind = f"an idx file of unsigned bytes with {num_axes} {'axis' if num_axes == 1 else 'axes'}"
        raise damaged(file, f"starts with 0x{content[:4].hex()}, not 0x{magic.hex()}: not {kind}")
    if len(content) < header_length:
        raise damaged(file, f"truncated: {len(content)} bytes, where the header alone takes {header_length}")
    shape = tuple(int(size) for size in np.frombuffer(content, ">u4", num_axes, 4))
    expected = header_length + math.prod(shape)
    if len(content) != expected:
        state = "truncated" if len(content) < expected else "too long"
        sizes = " x ".join(str(size) for size in shape)
        raise damaged(file, f"{state}: {len(content)} bytes, where {sizes} values take {expected}")
    # Writable, as a tensor's memory must be, because the content is a bytearray.
    return np.frombuffer(content, np.uint8, offset=header_length).reshape(shape)
