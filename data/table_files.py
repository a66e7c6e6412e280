"""Owns reading the user's tables: files of one format, as frames of the columns that are needed.

All formats are read block by block, so that training and predicting see the same cells: those of CSV and
TSV as the text they are, others by their types. An empty cell, and one of `null_values`, is null.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from ..specs.errors import ConfigError, DataError, MachineError, Problem
from ..specs.errors import Path as KeyPath
from ..specs.files import TableFiles
from .delimited_files import DelimitedReader
from .file_paths import FORMATS, FileFormat, find_files, format_of, open_binary, require_disjoint
from .frame import Frame
from .frame_pieces import empty_as_null, join_frames, of_exactly, settle_types
from .json_lines import JsonLinesReader
from .parquet_files import parquet_frames, parquet_names
from .text_blocks import check_encoding, utf8_blocks

STANDARD_INPUT = "-"


@dataclass(frozen=True)
class Reading:
    """How the cells of files are told apart; encoding and separator are those of text."""

    file_format: FileFormat
    encoding: str
    separator: str
    null_values: tuple[str, ...]


def read_columns(path: str, spec: TableFiles, *, key: KeyPath = ("data", "path")) -> tuple[str, ...]:
    """The names of the columns of the first file, in order: the header, or the keys of JSON objects.

    Raises as `read_frame` does.
    """
    files = find_files(path, spec.format, key=key)
    how = _reading(spec, format_of(files, spec.format, key=key))
    _refuse_without_meaning(spec, how)
    if how.file_format == "parquet":
        return parquet_names(files[0])
    for frame in _frames_of(files[0], how, None):
        return tuple(frame.data.columns)
    raise _without_rows(str(files[0]))


def read_frame(
    path: str, spec: TableFiles, columns: Sequence[str] | None = None, *, key: KeyPath = ("data", "path")
) -> Frame:
    """All rows of what `path` means, a file, the files of a folder or of a pattern, by their names.

    Only `columns` are kept (None: those of the first file), which every file must have; `key` is where the
    config names the path. Raises DataError, with file and row where they are known, ConfigError for options
    without meaning, MachineError.
    """
    files = find_files(path, spec.format, key=key)
    how = _reading(spec, format_of(files, spec.format, key=key))
    _refuse_without_meaning(spec, how)
    frames, wanted = list[Frame](), _distinct(columns)
    for file in files:
        frames.extend(_frames_of(file, how, wanted, whole=True))
        if frames and wanted is None:
            wanted = tuple(frames[0].data.columns)
    if not frames:
        raise _without_rows(str(files[0]))
    return settle_types(join_frames(frames))


def refuse_shared_files(spec: TableFiles) -> None:
    """Raises DataError where a file for testing or validation is one of `path` too, or of one another."""
    paths = {"path": spec.path, "validation_path": spec.validation_path, "test_path": spec.test_path}
    keys: dict[str, KeyPath] = {name: ("data", name) for name in paths}
    require_disjoint(
        {
            keys[name]: find_files(path, spec.format, key=keys[name])
            for name, path in paths.items()
            if path is not None
        }
    )


def stream_frames(
    source: str | Path | BinaryIO,
    spec: TableFiles,
    columns: Sequence[str] | None = None,
    *,
    rows: int = 8192,
    file_format: FileFormat | None = None,
) -> Iterator[Frame]:
    """The rows of one file, of any length, in frames of `rows` rows, fewer in the last.

    `source` is a path, `-` for standard input, or an open stream. The format is the one given, else that of
    the name's ending, else `spec.format`, else CSV for a stream. Raises as `read_frame` does.
    """
    path = None if source == STANDARD_INPUT or not isinstance(source, str | Path) else Path(source)
    label = "standard input" if path is None else str(path)
    how = _reading(spec, file_format or _streamed_format(path, spec))
    wanted, empty = _distinct(columns), True
    if path is not None:
        frames = _frames_of(path.expanduser(), how, wanted)
    else:
        stream = sys.stdin.buffer if isinstance(source, str | Path) else source
        frames = _stream_frames(stream, label, how, wanted)
    for frame in of_exactly(rows, frames):
        empty = False
        yield settle_types(frame)
    if empty:
        raise _without_rows(label)


def _stream_frames(
    stream: BinaryIO, label: str, how: Reading, columns: Sequence[str] | None
) -> Iterator[Frame]:
    if how.file_format != "parquet":
        yield from _text_frames(stream, label, how, columns)
        return
    with _stored(stream, label) as path:
        for frame in parquet_frames(path, columns=columns, file=label):
            yield empty_as_null(frame, how.null_values)


def _frames_of(
    path: Path, how: Reading, columns: Sequence[str] | None, *, whole: bool = False
) -> Iterator[Frame]:
    """The rows of a file; `whole`: all of them will be kept."""
    if how.file_format == "parquet":
        for frame in parquet_frames(path, columns=columns, file=str(path), whole=whole):
            yield empty_as_null(frame, how.null_values)
        return
    with open_binary(path) as stream:
        yield from _text_frames(stream, str(path), how, columns)


def _text_frames(stream: BinaryIO, file: str, how: Reading, columns: Sequence[str] | None) -> Iterator[Frame]:
    blocks = utf8_blocks(stream, file, encoding=how.encoding)
    if how.file_format == "jsonl":
        frames = JsonLinesReader(file, columns).frames(blocks)
    else:
        frames = DelimitedReader(file, how.separator, columns).frames(blocks)
    for frame in frames:
        yield empty_as_null(frame, how.null_values)


def _reading(spec: TableFiles, file_format: FileFormat) -> Reading:
    """Raises ConfigError for an encoding that does not exist and a separator that cannot be one."""
    check_encoding(spec.encoding)
    separator = spec.separator or ("\t" if file_format == "tsv" else ",")
    if separator in '"\r\n' or not separator.isascii():
        message = f"must be one ASCII character, no quotation mark and no line break, not {separator!r}"
        raise ConfigError(Problem(message, ("data", "separator")))
    return Reading(file_format, spec.encoding, separator, spec.null_values)


def _refuse_without_meaning(spec: TableFiles, how: Reading) -> None:
    """Raises ConfigError for options that the format has no use for."""
    useless = list[str]()
    if spec.separator is not None and how.file_format in ("jsonl", "parquet"):
        useless.append("separator")
    if spec.encoding != "utf-8" and how.file_format == "parquet":
        useless.append("encoding")
    if useless:
        message = f"has no meaning for files of format {how.file_format}; leave it out."
        raise ConfigError([Problem(message, ("data", name)) for name in useless])


def _streamed_format(path: Path | None, spec: TableFiles) -> FileFormat:
    if path is None:
        return "csv" if spec.format == "auto" else spec.format
    return FORMATS.get(path.suffix.lower()) or format_of([path], spec.format, key=())


@contextmanager
def _stored(stream: BinaryIO, label: str) -> Generator[Path]:
    """A file with the content of `stream`: Parquet cannot be read from its beginning."""
    try:
        with tempfile.NamedTemporaryFile(suffix=".parquet") as file:
            shutil.copyfileobj(stream, file)
            file.flush()
            yield Path(file.name)
    except OSError as error:
        raise MachineError(Problem(f"cannot be stored: {error.strerror}", file=label)) from error


def _distinct(columns: Sequence[str] | None) -> tuple[str, ...] | None:
    return None if columns is None else tuple(dict.fromkeys(columns))


def _without_rows(file: str) -> DataError:
    return DataError(Problem("has no rows", file=file))
