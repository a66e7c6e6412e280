"""Owns finding the marks that stand for a missing number, such as `NA` or `?`."""

from __future__ import annotations

import numpy as np

from .cells import CellReader
from .draft_columns import each_column
from .frame import Frame

_MARKS = {
    *("na", "n/a", "#n/a", "nan", "null", "none", "nil", "missing", "unknown", "undefined"),
    *("-", "--", "---", "?", "??", ".", "*", "(null)", "<na>", "#null!", "#value!", "#div/0!"),
}
_MOST_MARKS = 6


def find_null_marks(frame: Frame) -> dict[str, tuple[str, ...]]:
    """The marks by the columns they were found in: those whose other cells, one at least, are all numbers."""
    import polars as pl

    found = dict[str, tuple[str, ...]]()
    for column, narrow in each_column(frame):
        reader, cells = CellReader(narrow, ()), narrow.data[column]
        if cells.dtype != pl.String:
            continue
        texts = reader.texts(column)
        odd = np.isnan(reader.numbers(column)) & texts.is_not_null().to_numpy()
        if not odd.any() or int(odd.sum()) == len(texts) - texts.null_count():
            continue
        # As they lie in the file: a mark with a blank before it is another text.
        marks: list[str] = cells.filter(pl.Series(odd)).unique().sort().to_list()
        if len(marks) <= _MOST_MARKS and all(mark.strip().lower() in _MARKS for mark in marks):
            found[column] = tuple(marks)
    return found
