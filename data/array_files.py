"""Owns NumPy's files: what arrays an `.npz` file or a folder of `.npy` files holds, and reading one safely.

Headers are read first, so that damage, pickled objects and what no memory holds are told of before any
values are read. Nothing is ever unpickled.
"""

from __future__ import annotations

import math
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as numpy_format
from numpy.typing import NDArray

from ..specs.errors import DataError, MachineError, Problem, quoted
from ..specs.errors import Path as KeyPath
from .available_memory import check_memory
from .file_paths import home_path

Values = NDArray[Any]

MOST_RATIO = 200
"""Bytes that a byte of a compressed file may stand for, where it is many: real numbers never do."""

SUSPICIOUS_BYTES = 1 << 30

# An encrypted archive raises RuntimeError, a compression that is not known NotImplementedError, and a header
# that is not one anything that reading it as Python's literals may.
_DAMAGE = (
    *(zipfile.BadZipFile, zlib.error, struct.error, EOFError, NotImplementedError, RuntimeError),
    *(ValueError, TypeError, LookupError, ArithmeticError, SyntaxError, tokenize.TokenError),
)


@dataclass(frozen=True)
class StoredArray:
    """An array on disk, known by its header; the data begin `offset` bytes after its beginning."""

    name: str
    file: Path
    member: str | None
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    offset: int

    @property
    def num_bytes(self) -> int:
        """What the values take."""
        return math.prod(self.shape) * self.dtype.itemsize

    def read(self) -> Values:
        """The values: of an `.npy` file mapped into memory, read-only; of an `.npz` file read into it.

        Raises DataError for damaged data, MachineError for what cannot be read or held.
        """
        if self.member is None:
            with _reading(self.file):
                return np.load(self.file, mmap_mode="r", allow_pickle=False)
        what = f"array {quoted(self.name)} of '{self.file}'"
        check_memory(self.num_bytes, what, path=("data", "path"), fix="give fewer rows, or a folder of .npy")
        with _reading(self.file), zipfile.ZipFile(self.file) as archive, archive.open(self.member) as stream:
            return numpy_format.read_array(stream, allow_pickle=False)


@dataclass(frozen=True)
class ArrayFiles:
    """Arrays by name; `members` are the file, and the place in it, of each."""

    path: Path
    members: dict[str, tuple[Path, str | None]]

    def stored(self, name: str) -> StoredArray:
        """The header of an array that exists, checked against the size of its data.

        Raises DataError for what is no array of numbers, truths or text, or is damaged; MachineError.
        """
        file, member = self.members[name]
        with _reading(file):
            if member is None:
                with file.open("rb") as stream:
                    return _read_header(stream, name, file, member, num_bytes=file.stat().st_size)
            with zipfile.ZipFile(file) as archive, archive.open(member) as stream:
                size = archive.getinfo(member).file_size
                return _read_header(stream, name, file, member, num_bytes=size)


def list_arrays(path: str, *, key: KeyPath = ("data", "path")) -> ArrayFiles:
    """The names of all arrays of an `.npz` file, or of the `.npy` files directly in a folder.

    Raises DataError at `key` where there is neither, MachineError where they cannot be read.
    """
    place = home_path(path, key=key)
    with _reading(place):
        if place.is_dir():
            files = sorted(file for file in place.iterdir() if file.suffix == ".npy" and file.is_file())
            if not files:
                raise DataError(Problem(f"the folder '{place}' holds no .npy file", key))
            return ArrayFiles(place, {file.stem: (file, None) for file in files})
        if place.suffix == ".npy" and place.is_file():
            fix = "name the folder that it is in, or save the arrays by numpy.savez"
            raise DataError(Problem(f"'{place}' is one array; {fix}", key))
        if not place.is_file():
            is_there = f"'{path}' is a device or a pipe, not a file"
            raise DataError(Problem(is_there if place.exists() else f"no such file: '{path}'", key))
        with zipfile.ZipFile(place) as archive:
            _refuse_bombs(archive, place)
            names = [name for name in archive.namelist() if name.endswith(".npy")]
        if not names:
            raise DataError(Problem("holds no arrays", file=str(place)))
        return ArrayFiles(place, {name.removesuffix(".npy"): (place, name) for name in names})


def _refuse_bombs(archive: zipfile.ZipFile, file: Path) -> None:
    """Raises DataError for a small file that would become a huge one; each array is checked anyway."""
    unpacked, packed = sum(each.file_size for each in archive.infolist()), max(file.stat().st_size, 1)
    if unpacked > SUSPICIOUS_BYTES and unpacked > MOST_RATIO * packed:
        times, fix = unpacked // packed, "save it without compression if that is right (numpy.savez)"
        message = f"would be {times:,} times as large unpacked, {unpacked / 1e9:,.1f} GB; {fix}"
        raise DataError(Problem(message, file=str(file)))


def _read_header(stream: IO[bytes], name: str, file: Path, member: str | None, num_bytes: int) -> StoredArray:
    """Raises DataError unless the data that follow the header are as long as it says; ValueError if none."""
    major, _ = numpy_format.read_magic(stream)
    if major > 2:
        raise DataError(
            Problem(f"array {quoted(name)} has named fields; save each as an array", file=str(file))
        )
    read = numpy_format.read_array_header_1_0 if major == 1 else numpy_format.read_array_header_2_0
    shape, _, dtype = read(stream)
    if dtype.hasobject:
        fix = "save it as numbers or text: loading objects could run any program"
        raise DataError(Problem(f"array {quoted(name)} holds Python objects; {fix}", file=str(file)))
    if any(size < 0 for size in shape):
        raise DataError(Problem(f"array {quoted(name)} is damaged: its shape is {shape}", file=str(file)))
    stored = StoredArray(name, file, member, shape, dtype, stream.tell())
    present = num_bytes - stored.offset
    if present != stored.num_bytes:
        message = f"array {quoted(name)} is damaged: {present} bytes of data, where its shape takes"
        raise DataError(Problem(f"{message} {stored.num_bytes}", file=str(file)))
    return stored


@contextmanager
def _reading(file: Path) -> Generator[None]:
    """What NumPy and the zip module raise, as an error that names the file."""
    try:
        yield
    except _DAMAGE as error:
        raise DataError(Problem(f"is not a NumPy file, or is damaged: {error}", file=str(file))) from None
    except MemoryError as error:
        raise MachineError(Problem("does not fit into memory", file=str(file))) from error
    except OSError as error:
        raise MachineError(Problem(f"cannot be read: {error.strerror or error}", file=str(file))) from error
