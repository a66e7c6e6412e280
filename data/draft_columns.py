"""Owns looking at the cells of every column: numbers, dates, categories, text and their like.

Legend: N rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..specs.errors import quoted
from .binary_columns import read_yes_no
from .categories import sort_categories
from .cells import CellReader
from .draft_dates import guess_dates, whole_number_dates
from .draft_numbers import is_heavy_tailed, is_too_wide, looks_like_rows
from .draft_sketch import (
    MOST_CLASSES,
    Sketch,
    is_named_as_code,
    is_named_as_date,
    is_named_as_id,
    names_groups,
)
from .draft_strings import guess_images, guess_labels, guess_words, is_decorated_number, is_opaque
from .frame import Frame

if TYPE_CHECKING:
    import polars as pl

# Of the spellings of yes and no: 1, 1.0, true, True, ...
_MOST_SPELLINGS = 8

_ALMOST_ALL = 0.8


def sketch_columns(frame: Frame, *, folders: Sequence[str] = (".",)) -> list[Sketch]:
    """A sketch of every column, in order; `folders` are those that paths of images may be relative to."""
    return [_sketch(narrow, column, folders) for column, narrow in each_column(frame)]


def each_column(frame: Frame) -> Iterator[tuple[str, Frame]]:
    """Every column with a frame of it alone: among thousands, finding one takes time."""
    for cells in frame.data.iter_columns():
        yield cells.name, Frame(cells.to_frame(), frame.files, frame.file_index, frame.numbers)


def sketch_nested(column: str, num_rows: int) -> Sketch:
    """That of a column whose cells are lists, objects or bytes."""
    reason = "its cells are lists, objects or bytes, where a cell is text, a number or a date"
    return Sketch(column=column, kind="unreadable", num_rows=num_rows, reason=reason)


def _sketch(frame: Frame, column: str, folders: Sequence[str]) -> Sketch:
    import polars as pl

    reader = CellReader(frame, ())
    cells = frame.data[column]
    texts = reader.texts(column)
    distinct = texts.n_unique() - (texts.null_count() > 0)
    plain = Sketch(
        column=column,
        kind="constant" if distinct else "empty",
        num_rows=len(frame),
        num_empty=texts.null_count(),
        num_distinct=distinct,
        counts=_counts(texts) if distinct <= MOST_CLASSES else {},
    )
    if isinstance(cells.dtype, pl.Time | pl.Duration):
        return plain.as_unreadable("its cells are times of day or durations; write them as numbers")
    if distinct < 2:
        return _without_news(plain)
    if cells.dtype.is_temporal():
        timed = cells.dtype != pl.Date and bool((cells.drop_nulls().dt.time().cast(pl.Int64) != 0).any())
        return replace(plain, kind="datetime", timed=timed)
    numbers = reader.numbers(column)
    if not reader.problems:
        return _sketch_numbers(plain, frame, texts, numbers)
    if cells.dtype.is_numeric():
        return plain.as_unreadable("some of its numbers are infinite")
    return _sketch_texts(plain, frame, texts, numbers, folders)


def _without_news(plain: Sketch) -> Sketch:
    """The sketch of a column that is empty, or has one value."""
    if not plain.num_distinct:
        return replace(plain, reason="every cell is empty")
    value = quoted(next(iter(plain.counts)))
    if not plain.num_empty:
        return replace(plain, reason=f"every cell is {value}")
    doubt = f"{quoted(plain.column)} is {value} or empty; if empty means no, write that into the cells"
    return replace(plain, reason=f"every cell is {value} or empty", doubt=doubt)


def _sketch_numbers(plain: Sketch, frame: Frame, texts: pl.Series, numbers: NDArray[np.float64]) -> Sketch:
    seen = numbers[~np.isnan(numbers)]
    low, high, whole = float(seen.min()), float(seen.max()), bool((seen == np.trunc(seen)).all())
    sketch = replace(plain, kind="numeric", number=True, whole=whole, low=low, high=high)
    if low == high:  # 1 and 1.0 are one number
        return replace(sketch, kind="constant", reason=f"every cell is {low:g}")
    if _reads_as_yes_no(frame, plain):
        return replace(sketch, kind="binary", yes_no=True)
    named = _sketch_named(sketch, texts, numbers) if whole else None
    if named is not None:
        return named
    if is_too_wide(seen):
        doubt = f"{quoted(plain.column)} has numbers from {low:g} to {high:g}, too far apart to be scaled"
        return sketch.as_unreadable("its numbers are too far apart to be scaled", doubt)
    if plain.num_distinct == 2:
        return replace(sketch, kind="binary")
    return replace(sketch, heavy=is_heavy_tailed(seen))


def _sketch_named(sketch: Sketch, texts: pl.Series, numbers: NDArray[np.float64]) -> Sketch | None:
    """Whole numbers that count nothing: dates, keys, codes; None where they are amounts."""
    if is_named_as_date(sketch.column) and whole_number_dates(texts.drop_nulls().unique().to_list()):
        return replace(sketch, kind="datetime", number=False, date_format="%Y%m%d", timed=False)
    every_one_once = sketch.num_distinct == sketch.num_filled
    is_id = is_named_as_id(sketch.column)
    if every_one_once and (is_id or looks_like_rows(numbers)):
        return sketch.as_identifier("a number of its own in every row")
    if names_groups(sketch) or (is_id and sketch.num_distinct > 20 and sketch.repeats >= 2.0):
        return sketch.as_group()
    if texts.str.contains(r"^0[0-9]+$").any():  # codes are written with zeros before them, amounts are not
        codes = replace(sketch, kind="categorical", number=False)
        return codes if sketch.repeats >= 2.0 else codes.as_identifier("codes that hardly come twice")
    if (is_id or is_named_as_code(sketch.column)) and sketch.repeats >= 2.0:
        doubt = f"{quoted(sketch.column)} holds whole numbers, read as categories because of its name"
        return replace(sketch, kind="categorical", number=False, doubt=doubt)
    return None


def _sketch_texts(
    plain: Sketch, frame: Frame, texts: pl.Series, numbers: NDArray[np.float64], folders: Sequence[str]
) -> Sketch:
    filled = texts.drop_nulls()
    values: list[str] = filled.unique(maintain_order=True).to_list()
    if _reads_as_yes_no(frame, plain):
        return replace(plain, kind="binary", yes_no=True)
    special = _sketch_dates(plain, values) or _sketch_images(plain, values, folders)
    if special is not None:
        return special
    if all(is_decorated_number(value) for value in values):
        doubt = (
            f"{quoted(plain.column)} holds numbers with more than digits and a point ({quoted(values[0])}); "
            "write them as 1234.5 to use them"
        )
        return plain.as_unreadable("its numbers are not written plainly", doubt)
    num_numbers = int((~np.isnan(numbers)).sum())
    if num_numbers >= _ALMOST_ALL * len(filled) and num_numbers < len(filled):
        odd = texts.to_list()[int(np.argmax(np.isnan(numbers) & texts.is_not_null().to_numpy()))]
        doubt = (
            f"{quoted(plain.column)} holds numbers, but for {len(filled) - num_numbers:,} cells such as "
            f"{quoted(odd)}; correct them, or add them to null_values"
        )
        return plain.as_unreadable("some of its cells are no numbers", doubt)
    return _sketch_strings(plain, filled.to_list(), values)


def _sketch_dates(plain: Sketch, values: list[str]) -> Sketch | None:
    dates = guess_dates(values)
    if dates is None:
        return None
    sketch = replace(plain, kind="datetime", date_format=dates.date_format, timed=dates.timed)
    if dates.other is None:
        return sketch
    given = f"{dates.date_format} and as {dates.other}"
    doubt = f"{quoted(plain.column)} reads as {given} alike: does the day come first, or the month?"
    return replace(sketch, doubt=doubt)


def _sketch_images(plain: Sketch, values: list[str], folders: Sequence[str]) -> Sketch | None:
    images = guess_images(values, folders)
    if images is None:
        return None
    if images.root is None:
        doubt = f"{quoted(plain.column)} looks like paths of images, but {quoted(values[0])} cannot be read"
        return plain.as_unreadable("its images are not there", doubt)
    if plain.num_empty:
        doubt = f"{quoted(plain.column)} names images, but not in every row; every row needs one"
        return plain.as_unreadable("some rows have no image", doubt)
    return replace(plain, kind="image", root=images.root, size=images.size, channels=images.channels)


def _sketch_strings(plain: Sketch, texts: list[str], values: list[str]) -> Sketch:
    """Categories, text, labels or identifiers."""
    repeats = plain.repeats
    if plain.num_distinct == 2 and plain.num_filled > 2:
        return replace(plain, kind="binary")
    if is_opaque(values):
        return (
            plain.as_group() if repeats >= 1.5 else plain.as_identifier("an address or a code of every row")
        )
    labels = guess_labels(texts)
    if labels is not None:
        separator, counts = labels
        return replace(plain, kind="labels", separator=separator, counts=counts)
    words = guess_words(texts)
    sketch = replace(plain, words=words.most, html=words.html)
    if names_groups(sketch):
        return sketch.as_group()
    few = plain.num_distinct <= 20 and repeats >= 2.0
    if few or repeats >= 10.0 or (repeats >= 4.0 and words.mean < 4.0):
        return replace(sketch, kind="categorical")
    if words.mean >= 3.0:
        return replace(sketch, kind="text")
    if repeats >= 2.0:
        return replace(sketch, kind="categorical")
    if words.mean >= 2.0:
        return replace(sketch, kind="text")
    doubt = (
        f"{quoted(plain.column)} is left out: hardly a value comes twice, so there is little to learn from it"
    )
    return sketch.as_identifier("hardly a value comes twice", doubt)


def _reads_as_yes_no(frame: Frame, plain: Sketch) -> bool:
    if plain.num_distinct > _MOST_SPELLINGS:
        return False
    reader = CellReader(frame, ())
    values = read_yes_no(reader, plain.column, fix="")
    return not reader.problems and bool((values == 1.0).any() and (values == 0.0).any())


def _counts(texts: pl.Series) -> dict[str, int]:
    """The rows by value, in the order of categories."""
    found = texts.drop_nulls().alias("value").value_counts(name="rows")
    counts: dict[str, int] = dict(zip(found["value"].to_list(), found["rows"].to_list(), strict=True))
    return {value: counts[value] for value in sort_categories(counts)}
