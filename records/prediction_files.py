"""Predictions on disk and in pipes: a batch of rows after the other, as CSV, TSV, JSON lines or Parquet."""

from __future__ import annotations

import io
import re
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Literal, Protocol, get_args

from ..specs.errors import ConfigError, unknown_name
from .atomic import open_replacement, writing
from .tables import FORMULA, neutralize

if TYPE_CHECKING:
    # Only who reads or writes tables pays for importing it.
    import polars as pl

PredictionFormat = Literal["csv", "tsv", "jsonl", "parquet"]

FORMATS: tuple[PredictionFormat, ...] = get_args(PredictionFormat)

# Rows that Parquet is written by: enough to compress well, few enough to hold.
_ROWS_PER_PART = 65_536
# A number is no formula, whatever its sign; an id may be one.
_NUMBER = r"^[+-]?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?$"
_SYSTEM_ERROR = re.compile(r"\(os error (\d+)\)")


class PredictionWriter(Protocol):
    """Takes batches of rows in order, all of the same columns."""

    def write(self, batch: pl.DataFrame) -> None:
        """Numbers that are not finite are left empty. Raises MachineError, or BrokenPipeError for a pipe
        that nobody reads any more."""
        ...


class Sink(Protocol):
    """What bytes can be written to, such as a pipe."""

    def write(self, data: bytes, /) -> object:
        """May raise BrokenPipeError."""
        ...


def check_format(given: str | None, option: str) -> PredictionFormat | None:
    """The format that an option names, if it is given. Raises ConfigError for none that there is."""
    if given is not None and given not in FORMATS:
        raise ConfigError(f"{option}: {unknown_name('format', given, FORMATS)}")
    return given


def choose_format(out: Path | None, given: str | None) -> PredictionFormat:
    """The format that `given` names, else by the ending of `out`, else CSV for a pipe.

    Raises ConfigError where that is none, and for Parquet in a pipe.
    """
    named = check_format(given, "--format")
    if out is None and named == "parquet":
        raise ConfigError("Parquet cannot be written to a pipe; name a file with --out.")
    if named is not None or out is None:
        return named or "csv"
    ending = out.suffix.lower().removeprefix(".")
    found = {"ndjson": "jsonl"}.get(ending, ending)
    if found not in FORMATS:
        choices = ", ".join(FORMATS)
        raise ConfigError(f"'{out}' does not end in a format's name; say it by --format: {choices}.")
    return found


@contextmanager
def open_predictions(
    out: Path | Sink, *, file_format: PredictionFormat, schema: pl.Schema
) -> Generator[PredictionWriter]:
    """A writer of rows with the columns of `schema`, to a file or a pipe.

    A file takes its place when the block ends well, and leaves nothing behind when it does not; a device or
    a named pipe is written to as it is. Raises ConfigError for a folder, MachineError.
    """
    if not isinstance(out, Path):
        assert file_format != "parquet", "Parquet is written to a file"
        with _text_writer(out, file_format, schema) as writer:
            yield writer
        return
    with _open(out) as file:
        opened = (
            _ParquetWriter(file, out).opened(schema)
            if file_format == "parquet"
            else _text_writer(_FileSink(file, out), file_format, schema)
        )
        with opened as writer:
            yield writer


@contextmanager
def _open(out: Path) -> Generator[BinaryIO]:
    if out.is_dir():
        raise ConfigError(f"'{out}' is a folder; name a file in it.")
    if not _is_special(out):
        # A link stays one: what it leads to is replaced.
        with open_replacement(out.resolve() if out.is_symlink() else out) as file:
            yield file
        return
    with writing(out):
        file = out.open("wb")
    try:
        yield file
    finally:
        with writing(out):
            file.close()


def _is_special(out: Path) -> bool:
    """A device or a named pipe, which nothing may take the place of."""
    return out.exists() and not out.is_file()


@dataclass(frozen=True)
class _FileSink:
    """A file, whose errors are the machine's."""

    file: BinaryIO
    path: Path

    def write(self, data: bytes, /) -> object:
        with writing(self.path):
            return self.file.write(data)


class _TextWriter:
    """CSV, TSV or JSON lines; a header comes with the first batch."""

    def __init__(self, sink: Sink, file_format: PredictionFormat) -> None:
        self._sink = sink
        self._format = file_format
        self.begun = False

    def write(self, batch: pl.DataFrame) -> None:
        """The rows as text."""
        self._sink.write(self._text(_finite(batch)).encode("utf-8"))
        self.begun = True

    def _text(self, batch: pl.DataFrame) -> str:
        if self._format == "jsonl":
            return batch.write_ndjson()
        separator = "\t" if self._format == "tsv" else ","
        return _neutralized(batch).write_csv(include_header=not self.begun, separator=separator)


@contextmanager
def _text_writer(sink: Sink, file_format: PredictionFormat, schema: pl.Schema) -> Generator[PredictionWriter]:
    """The writer. The header comes with the first rows, not before: what fails until then says nothing."""
    writer = _TextWriter(sink, file_format)
    yield writer
    if not writer.begun:
        writer.write(schema.to_frame())


class _ParquetWriter:
    """Parts in a folder beside the file, which become its row groups at the end."""

    def __init__(self, file: BinaryIO, out: Path) -> None:
        self._file = file
        self._out = out
        self._waiting: list[pl.DataFrame] = []
        self._parts: list[Path] = []

    @contextmanager
    def opened(self, schema: pl.Schema) -> Generator[PredictionWriter]:
        """The writer, until all is in the file."""
        beside = None if _is_special(self._out) else self._out.parent
        with writing(self._out):
            parts = tempfile.TemporaryDirectory(prefix=f".{self._out.name}.", suffix=".tmp", dir=beside)
        with parts as folder:
            self._folder = Path(folder)
            self._waiting.append(schema.to_frame())
            yield self
            self._write_part()
            self._join()

    def write(self, batch: pl.DataFrame) -> None:
        """The rows, once there are enough of them."""
        self._waiting.append(_finite(batch))
        if sum(each.height for each in self._waiting) >= _ROWS_PER_PART:
            self._write_part()

    def _write_part(self) -> None:
        import polars as pl

        if not self._waiting:
            return
        buffer = io.BytesIO()
        pl.concat(self._waiting).write_parquet(buffer)
        self._waiting.clear()
        path = self._folder / f"{len(self._parts)}.parquet"
        with writing(self._out):
            path.write_bytes(buffer.getbuffer())
        self._parts.append(path)

    def _join(self) -> None:
        import polars as pl

        try:
            pl.scan_parquet(self._parts).sink_parquet(self._file)
        except pl.exceptions.PolarsError as error:
            number = _SYSTEM_ERROR.search(str(error))
            with writing(self._out):
                raise OSError(int(number[1]) if number else 0, str(error)) from error


def _finite(batch: pl.DataFrame) -> pl.DataFrame:
    import polars as pl
    from polars import selectors

    numbers = selectors.float()
    return batch.with_columns(pl.when(numbers.is_finite()).then(numbers))


def _neutralized(batch: pl.DataFrame) -> pl.DataFrame:
    """What a spreadsheet would take for a formula, made text: in cells and in the header."""
    import polars as pl
    from polars import selectors

    text = selectors.string()
    formula = text.str.contains(f"^(?:{FORMULA.pattern})") & ~text.str.contains(_NUMBER)
    safe = batch.with_columns(pl.when(formula).then(text.str.replace("^", "'")).otherwise(text))
    return safe.rename({name: neutralize(name) for name in safe.columns})
