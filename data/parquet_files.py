"""Owns reading Parquet: the columns asked for, a slice of rows at a time, whose values keep their types."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ..specs.errors import DataError, MachineError, Problem, quoted
from .available_memory import check_memory
from .column_names import refuse_too_many, require_columns
from .frame import Frame

if TYPE_CHECKING:
    import polars as pl

SLICE_ROWS = 1 << 16
"""Read at a time: few enough to be little memory, enough that none is read twice for the next."""


def parquet_names(path: Path, file: str | None = None) -> tuple[str, ...]:
    """The names of the columns; messages call the file `file`.

    Raises DataError for what is not Parquet, MachineError.
    """
    import polars as pl

    with _reading(file or str(path)):
        names = tuple(pl.scan_parquet(path, glob=False).collect_schema().names())
    refuse_too_many(names, file=file or str(path))
    return names


def parquet_frames(
    path: Path, *, columns: Sequence[str] | None, file: str, whole: bool = False
) -> Iterator[Frame]:
    """Frames of `columns` (None: all); messages call the file `file`.

    Numbers, true and false, dates and times keep their types, decimals become floating numbers; NaN is a
    number that is missing. Raises DataError for what is not Parquet or is damaged, for columns that are
    missing and those that hold lists, structures or bytes; MachineError, also where the rows are to be kept
    (`whole`) and memory cannot hold them.
    """
    import polars as pl
    import polars.selectors as cs

    names = parquet_names(path, file)
    require_columns(columns or (), names, file=file)
    with _reading(file):
        # Selectors, since a plain name such as `*` or `^a$` is a pattern.
        lazy = pl.scan_parquet(path, glob=False).select(cs.by_name(*(names if columns is None else columns)))
        schema = lazy.collect_schema()
        num_rows: int = pl.scan_parquet(path, glob=False).select(pl.len()).collect().item()
    if whole:
        # A byte is the least that a cell takes, and a small file can declare any number of rows.
        what, fix = f"'{file}' with its {num_rows} rows", "give fewer rows or columns"
        check_memory(num_rows * len(schema), what, path=("data", "path"), fix=fix)
    lazy = lazy.with_columns([_plain(name, dtype, file) for name, dtype in schema.items()])
    for first in range(0, num_rows, SLICE_ROWS):
        with _reading(file):
            data = lazy.slice(first, SLICE_ROWS).collect()
        if data.height != min(SLICE_ROWS, num_rows - first):
            message = f"is damaged: it declares {num_rows} rows, of which {first + data.height} are there"
            raise DataError(Problem(message, file=file))
        yield Frame.of_file(data, file, first=first + 1)


def _plain(name: str, dtype: pl.DataType, file: str) -> pl.Expr:
    """A column as text, numbers, true and false, or points in time."""
    import polars as pl
    import polars.selectors as cs

    column = cs.by_name(name)
    if isinstance(dtype, pl.Categorical | pl.Enum | pl.Null):
        return column.cast(pl.String)
    if isinstance(dtype, pl.Decimal):
        return column.cast(pl.Float64)
    if dtype.is_float():
        return column.fill_nan(None)
    if dtype.is_nested() or isinstance(dtype, pl.Binary | pl.Object):
        kind = "bytes" if isinstance(dtype, pl.Binary) else "lists or structures"
        message = f"column {quoted(name)} holds {kind}, where a cell is text, a number or a date"
        raise DataError(Problem(message, file=file))
    return column


@contextmanager
def _reading(file: str) -> Generator[None]:
    """What Polars raises, and how it panics, over a damaged file, as an error that names the file."""
    import polars as pl

    try:
        yield
    except MemoryError as error:
        raise MachineError(Problem("does not fit into memory", file=file)) from error
    except OSError as error:
        raise MachineError(Problem(f"cannot be read: {error.strerror or error}", file=file)) from error
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        reason = next(iter(str(error).splitlines()), "").strip()
        raise DataError(Problem(f"is not Parquet, or is damaged: {quoted(reason)}", file=file)) from None
