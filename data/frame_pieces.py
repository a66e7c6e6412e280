"""Owns joining frames, cutting them to a length, and what counts as an empty cell in all of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from ..specs.errors import DataError, Problem, quoted
from .frame import Frame


def join_frames(frames: Sequence[Frame]) -> Frame:
    """The rows of frames with the same columns, one after the other.

    Whole numbers and numbers become numbers, text and anything else becomes text. Raises DataError where a
    column is of types that have nothing in common, such as dates and numbers.
    """
    import polars as pl

    if len(frames) == 1:
        return frames[0]
    files = tuple(dict.fromkeys(file for frame in frames for file in frame.files))
    problem = next(filter(None, (_disagreement(frames[0], frame) for frame in frames[1:])), None)
    if problem is not None:
        raise DataError(problem)
    data = pl.concat([frame.data for frame in frames], how="vertical_relaxed", rechunk=True)
    index: list[NDArray[np.int64]] = []
    for frame in frames:
        own = np.array([files.index(file) for file in frame.files], dtype=np.int64)
        index.append(own[frame.file_index])
    return Frame(data, files, np.concatenate(index), np.concatenate([frame.numbers for frame in frames]))


def of_exactly(rows: int, frames: Iterable[Frame]) -> Iterator[Frame]:
    """The same rows in frames of `rows` rows, fewer in the last."""
    waiting, held = list[Frame](), 0
    for frame in frames:
        start = 0
        while start < len(frame):
            piece = _slice(frame, start, start + rows - held)
            start += len(piece)
            waiting.append(piece)
            held += len(piece)
            if held == rows:
                yield join_frames(waiting)
                waiting, held = [], 0
    if waiting:
        yield join_frames(waiting)


def empty_as_null(frame: Frame, null_values: Sequence[str]) -> Frame:
    """The frame with null for text that is empty or one of `null_values`."""
    import polars as pl

    text = pl.col(pl.String)
    kept = pl.when(~text.is_in(["", *null_values])).then(text).name.keep()
    return Frame(frame.data.with_columns(kept), frame.files, frame.file_index, frame.numbers)


def settle_types(frame: Frame) -> Frame:
    """The frame with columns of nothing but null as text, whole numbers of more than 64 bits as numbers."""
    import polars as pl
    import polars.selectors as cs

    wide = cs.by_dtype(pl.Int128, pl.UInt128)
    data = frame.data.with_columns(cs.by_dtype(pl.Null).cast(pl.String), wide.cast(pl.Float64))
    return Frame(data, frame.files, frame.file_index, frame.numbers)


def _slice(frame: Frame, start: int, stop: int) -> Frame:
    if start == 0 and stop >= len(frame):
        return frame
    rows = slice(start, stop)
    return Frame(
        frame.data.slice(start, stop - start), frame.files, frame.file_index[rows], frame.numbers[rows]
    )


def _disagreement(one: Frame, other: Frame) -> Problem | None:
    """What to say of the first column whose types have nothing in common; Polars would count the days."""
    import polars as pl

    if one.data.schema == other.data.schema:
        return None
    for name, dtype in one.data.schema.items():
        found = other.data.schema[name]
        is_text = pl.String() in (dtype, found) or pl.Null() in (dtype, found)
        if dtype.is_temporal() != found.is_temporal() and not is_text:
            message = f"column {quoted(name)} is {found}, but {dtype} in {one.files[0]}; give it one type"
            return Problem(message, file=other.files[0])
    return None
