"""Owns which files a path of a config means, of which format they are, and opening them."""

from __future__ import annotations

import glob
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Literal

from ..specs.errors import DataError, MachineError, Problem, quoted
from ..specs.errors import Path as KeyPath
from ..specs.wording import either

FileFormat = Literal["csv", "tsv", "jsonl", "parquet"]

FORMATS: Mapping[str, FileFormat] = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
}
"""The format of a table by the ending of its file's name."""


def find_files(
    path: str,
    file_format: FileFormat | Literal["auto"] = "auto",
    *,
    key: KeyPath = ("data", "path"),
) -> tuple[Path, ...]:
    """The files of tables that `path` means, sorted by name; `~` is the home folder.

    A file is itself; a folder is the tables directly in it, by the endings of the format; a pattern (`*`,
    `?`, `[]`, `**` for folders at any depth) is every file of such a name. Raises DataError at `key` where
    there is none, MachineError where a folder cannot be read.
    """
    place = home_path(path, key=key)
    try:
        if place.is_dir():
            return _tables_in(place, file_format, key=key)
        if place.exists():
            return (_require_file(place, key),)
        # Not Path.glob: it takes no pattern that begins with the root folder.
        found = [Path(name) for name in glob.glob(str(place), recursive=True)]  # noqa: PTH207
        files = tuple(sorted(file for file in found if file.is_file()))
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise MachineError(Problem(f"'{path}' cannot be read: {reason}", key)) from error
    if not files:
        found_none = "no file matches" if glob.has_magic(path) else "no such file:"
        message = f"{found_none} '{path}'"
        raise DataError(Problem(message, key))
    return files


def format_of(
    files: Sequence[Path],
    file_format: FileFormat | Literal["auto"] = "auto",
    *,
    key: KeyPath = ("data", "path"),
) -> FileFormat:
    """The one format of the files: the one given, else by the endings of their names.

    Raises DataError at `key` for an ending that is not known, and for different formats.
    """
    if file_format != "auto":
        return file_format
    first: dict[FileFormat, Path] = {}
    for file in files:
        known = FORMATS.get(file.suffix.lower())
        if known is None:
            given = f"the ending {quoted(file.suffix)}" if file.suffix else "a name without an ending"
            message = f"'{file}' has {given}, not {either(tuple(FORMATS))}; say data.format."
            raise DataError(Problem(message, key))
        first.setdefault(known, file)
    if len(first) > 1:
        one, other = list(first.values())[:2]
        message = (
            f"'{one}' and '{other}' are of different formats; name the files by a pattern such as *.csv."
        )
        raise DataError(Problem(message, key))
    return next(iter(first))


def require_disjoint(files: Mapping[KeyPath, Sequence[Path]]) -> None:
    """Raises DataError where one file is meant by two keys: rows for testing would be trained on."""
    owner: dict[Path, KeyPath] = {}
    for key, paths in files.items():
        for path in paths:
            first = owner.setdefault(path.resolve(), key)
            if first != key:
                other = ".".join(str(part) for part in first)
                raise DataError(Problem(f"'{path}' is read for {other} too; keep the two apart.", key))


@contextmanager
def open_binary(path: Path) -> Generator[BinaryIO]:
    """The file, open for reading. Raises DataError if it is missing, MachineError if it cannot be opened."""
    try:
        stream = path.open("rb")
    except FileNotFoundError:
        raise DataError(Problem("no such file", file=str(path))) from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise MachineError(Problem(f"cannot be read: {reason}", file=str(path))) from error
    with stream:
        yield stream


def home_path(path: str, *, key: KeyPath) -> Path:
    """`path` with `~` as the home folder. Raises DataError at `key` where there is no such folder."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        message = f"'{path}' names a home folder that does not exist"
        raise DataError(Problem(message, key)) from None


def _require_file(place: Path, key: KeyPath) -> Path:
    """Raises DataError for a device or a pipe: it may never end, and is not there twice."""
    if place.is_file():
        return place
    raise DataError(Problem(f"'{place}' is a device or a pipe, not a file", key))


def _tables_in(folder: Path, file_format: FileFormat | Literal["auto"], *, key: KeyPath) -> tuple[Path, ...]:
    endings = [ending for ending, known in FORMATS.items() if file_format in ("auto", known)]
    files = sorted(
        file
        for file in folder.iterdir()
        if file.suffix.lower() in endings and not file.name.startswith(".") and file.is_file()
    )
    if not files:
        message = f"the folder '{folder}' holds no file whose name ends with {either(endings)}"
        raise DataError(Problem(message, key))
    return tuple(files)
