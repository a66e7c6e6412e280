"""Owns the type `datetime`: a column of points in time as the cycles they stand in and the time elapsed.

A part p of a cycle of length L becomes sin(2 pi p / L) and cos(2 pi p / L): the time of day of 24 hours,
the weekday (Monday is 0) of 7, the month (January is 0) of 12.
Legend: N rows, D values.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Literal, Self

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BeforeValidator, Field, model_validator

from ..specs.base import as_tuple
from ..specs.columns import DateFormat, Datetime, TimePart
from ..specs.errors import DataError, Problem, quoted
from . import table
from .cells import CellReader, empty_notes, first_of
from .encoder import Encoded
from .fitted import FittedInput, input_path
from .frame import Frame
from .number_scale import NumberScale, fit_scale

if TYPE_CHECKING:
    import polars as pl

_DAY_MICROSECONDS = 86_400_000_000


class TimeEncoder(FittedInput):
    """(N, D) float32: a sine and a cosine per part, then the time elapsed, standardized.

    `start` is the earliest training row, in microseconds since 1970; `elapsed` scales the seconds since then.
    `fill` (D) stands in the place of an empty cell: the means of the values of the training rows.
    """

    type: Literal["datetime"] = "datetime"
    column: str
    date_format: DateFormat | None
    parts: Annotated[tuple[TimePart, ...], BeforeValidator(as_tuple)]
    start: Annotated[int, Field(gt=-(2**62), lt=2**62)]
    elapsed: NumberScale | None
    fill: Annotated[tuple[float, ...], BeforeValidator(as_tuple)]

    @model_validator(mode="after")
    def _fills_all(self) -> Self:
        if len(self.fill) != len(self.labels):
            raise ValueError(f"{len(self.fill)} values to fill in for {len(self.labels)} values")
        if self.elapsed is not None and self.elapsed.log1p:
            raise ValueError("the time elapsed may be negative, so it is not log1p")
        return self

    @property
    def labels(self) -> tuple[str, ...]:
        """What each value is."""
        cycles = tuple(f"{part} {wave}" for part in self.parts for wave in ("sine", "cosine"))
        return (*cycles, *(("elapsed",) if self.elapsed else ()))

    @property
    def columns(self) -> tuple[str, ...]:
        """The column that is read."""
        return (self.column,)

    @property
    def field(self) -> table.Field:
        """Numbers, labelled by part."""
        return table.Field(shape=(len(self.labels),), kind="numbers", labels=self.labels)

    def encode(self, frame: Frame) -> Encoded:
        """The rows of a frame, (N, D) float32. Raises DataError."""
        reader = CellReader(frame, self.path)
        times = read_times(reader, self.column, self.date_format)
        reader.finish()
        values = _values(times, self.parts, start=self.start, elapsed=self.elapsed)
        values[np.isnat(times)] = self.fill
        with np.errstate(over="ignore"):
            rounded = values.astype(np.float32)
        what = "is too far from the training rows for a 32-bit number"
        reader.reject(self.column, np.isinf(rounded).sum(axis=1) > 0, what=what, fix="correct it")
        reader.finish()
        return Encoded(torch.from_numpy(rounded))


def fit_time(spec: Datetime, frame: Frame, *, name: str) -> TimeEncoder:
    """Learn the time of the first row and the scale of what elapsed, from training rows. Raises DataError."""
    reader = CellReader(frame, input_path(name))
    times = read_times(reader, spec.column, spec.format)
    reader.finish()
    seen = times[~np.isnat(times)]
    if not len(seen):
        message = f"every cell of column {quoted(spec.column)} is empty in the training rows."
        raise DataError(Problem(message, reader.path))
    start = int(_microseconds(seen).min())
    notes: list[str] = []
    elapsed: NumberScale | None = None
    if spec.elapsed:
        seconds = _seconds(seen, start)
        elapsed, constant = fit_scale(reader, spec.column, seconds, kind="standardize", log1p=False)
        notes += [f"{spec.column}: constant in the training rows"] if constant else []
        reader.finish()
    values = _values(seen, spec.parts, start=start, elapsed=elapsed)
    notes += empty_notes(
        spec.column, len(times) - len(seen), len(times), "filled with the mean of each value"
    )
    return TimeEncoder(
        name=name,
        column=spec.column,
        date_format=spec.format,
        parts=spec.parts,
        start=start,
        elapsed=elapsed,
        fill=tuple(values.mean(axis=0).tolist()),
        notes=tuple(notes),
    )


def read_times(reader: CellReader, column: str, date_format: str | None) -> NDArray[np.datetime64]:
    """The points in time of a column (N), in microseconds, NaT where it is empty.

    Those with an offset from UTC are taken in UTC. Cells that are no dates are noted in `reader`.
    """
    if column in reader.frame.data.columns and reader.frame.data[column].dtype.is_temporal():
        times = _typed_times(reader, column, reader.frame.data[column])
        if times is not None:
            return times
    cells = reader.texts(column)
    parse = _parser(date_format)
    texts: list[str] = cells.drop_nulls().unique().to_list()
    read = {text: _parsed(text, parse) for text in texts}
    found = [None if text is None else read[text] for text in cells.to_list()]
    times = np.array(found, dtype="datetime64[us]")
    bad = np.isnat(times) & cells.is_not_null().to_numpy()
    if (row := first_of(bad)) is not None:
        what, fix = _misfit(cells[row], date_format)
        reader.reject(column, bad, what=what, fix=fix)
    return times


def _typed_times(reader: CellReader, column: str, cells: pl.Series) -> NDArray[np.datetime64] | None:
    """A column of dates or of points in time; None where it holds times of day or durations."""
    import polars as pl

    if cells.dtype == pl.Date:
        cells = cells.cast(pl.Datetime("us"))
    if not isinstance(cells.dtype, pl.Datetime):
        return None
    if cells.dtype.time_zone is not None:
        cells = cells.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
    return cells.dt.cast_time_unit("us").to_numpy().astype("datetime64[us]")


def _parser(date_format: str | None) -> Callable[[str], datetime]:
    return (
        datetime.fromisoformat if date_format is None else lambda text: datetime.strptime(text, date_format)
    )


def _parsed(text: str, parse: Callable[[str], datetime]) -> datetime | None:
    """The point in time that a text stands for, in UTC where it says so, without saying so any more."""
    try:
        time = parse(text)
        return time if time.tzinfo is None else time.astimezone(UTC).replace(tzinfo=None)
    except (ValueError, OverflowError):
        return None


def _misfit(text: str, date_format: str | None) -> tuple[str, str]:
    """What is wrong with a text that is no date, and how to mend it."""
    if date_format is not None:
        return f"does not fit the format {quoted(date_format)}", "correct it, or the format"
    return (
        "is not a date of ISO 8601, which is like 2017-10-16T22:59",
        "say how dates are written, for example format: '%m/%d/%y %H:%M'",
    )


def _values(
    times: NDArray[np.datetime64], parts: tuple[TimePart, ...], *, start: int, elapsed: NumberScale | None
) -> NDArray[np.float64]:
    """The values (N, D) of points in time (N); nothing of use where they are NaT."""
    angles = [2.0 * np.pi * _turn(times, part) for part in parts]
    values = [wave(angle) for angle in angles for wave in (np.sin, np.cos)]
    if elapsed is not None:
        values.append(elapsed.apply(_seconds(times, start)))
    return np.stack(values, axis=1)


def _turn(times: NDArray[np.datetime64], part: TimePart) -> NDArray[np.float64]:
    """How far each point in time (N) is through a cycle, from 0 to 1."""
    microseconds = _microseconds(times)
    if part == "hour":
        return microseconds % _DAY_MICROSECONDS / _DAY_MICROSECONDS
    if part == "weekday":
        # 1970 began on a Thursday.
        return (microseconds // _DAY_MICROSECONDS + 3) % 7 / 7.0
    return times.astype("datetime64[M]").astype(np.int64) % 12 / 12.0


def _seconds(times: NDArray[np.datetime64], start: int) -> NDArray[np.float64]:
    return (_microseconds(times) - start) / 1e6


def _microseconds(times: NDArray[np.datetime64]) -> NDArray[np.int64]:
    """Since 1970; 0 where it is NaT, whose own number would overflow."""
    return np.where(np.isnat(times), np.datetime64(0, "us"), times).astype(np.int64)
