"""Owns how the cells of a column are read, as text or as numbers, and how those that cannot be are told of.

White space around a cell means nothing. A cell of nothing else is empty, and so is NaN in a column of
floating-point numbers, which is how many tools write a missing one.
Legend: N rows.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..specs.errors import DataError, Path, Problem, quoted, unknown_name
from .frame import Frame

if TYPE_CHECKING:
    import polars as pl

MOST_SHOWN = 5

# A grammar of its own: what a library takes for a number (inf, nan, 1_000) changes with its version.
_NUMBER = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$"
_WITH_COMMAS = re.compile(r"[+-]?[0-9.]*[0-9],[0-9,.]+")
_MISSING_MARKS = {"na", "n/a", "nan", "null", "none", "nil", "-", "--", "?", "missing", "unknown", "#n/a"}


class CellReader:
    """Reads the columns that one input or target needs, and collects all that is wrong with their cells.

    A cell that cannot be read is given as empty, so that the others are looked at too; `finish` raises.
    """

    def __init__(self, frame: Frame, path: Path) -> None:
        self.frame = frame
        self.path = path
        self.problems: list[Problem] = []
        self._unreadable: set[str] = set()

    def texts(self, column: str) -> pl.Series:
        """The cells of a column as text (N), null where they are empty."""
        import polars as pl

        cells = self._column(column)
        if cells.dtype.is_float():
            cells = cells.fill_nan(None)
        if cells.dtype != pl.String:
            cells = cells.cast(pl.String)
        cells = cells.str.strip_chars()
        return cells.set(cells == "", None)

    def numbers(self, column: str) -> NDArray[np.float64]:
        """The cells of a column as numbers (N), NaN where they are empty. True is 1, false is 0."""
        import polars as pl

        cells = self._column(column)
        if cells.dtype.is_numeric() or cells.dtype == pl.Boolean or cells.dtype == pl.Null:
            values: NDArray[np.float64] = cells.cast(pl.Float64).to_numpy()
            self.reject(column, np.isinf(values), what="is not a finite number", fix="correct it")
            return np.where(np.isfinite(values), values, np.nan)
        texts = self.texts(column)
        written = texts.str.contains(_NUMBER).fill_null(True).to_numpy()
        values = texts.cast(pl.Float64, strict=False).to_numpy()
        self.reject(column, ~written, what="is not a number", fix=_number_fix)
        what = "is larger than any 64-bit number"
        self.reject(column, written & np.isinf(values), what=what, fix="correct it")
        return np.where(written & np.isfinite(values), values, np.nan)

    def reject(
        self, column: str, bad: NDArray[np.bool_], *, what: str, fix: str | Callable[[str], str]
    ) -> None:
        """Note the cells at `bad` (N) as one problem: what is wrong with the first, and how to mend it.

        A `fix` that depends on the cell is given its text.
        """
        rows: NDArray[np.int64] = np.flatnonzero(bad)
        if not len(rows) or column in self._unreadable:
            return
        shown = [(self._quote(column, int(row)), self.frame.where(int(row))) for row in rows[:MOST_SHOWN]]
        (quote, where), *others = shown
        cure = fix if isinstance(fix, str) else fix(str(self.frame.data[column][int(rows[0])]))
        also = ", ".join(f"{text} ({place})" if text else place for text, place in others)
        more = f" and {len(rows) - len(shown)} more" if len(rows) > len(shown) else ""
        likewise = f"; likewise {also}{more}, {len(rows)} cells in all" if others else ""
        sentence = f"column {quoted(column)}, {where}: {quote or 'the cell'} {what}{likewise}; {cure}."
        self.problems.append(Problem(sentence, self.path))

    def reject_column(self, sentence: str) -> None:
        """Note what is wrong with a column as a whole."""
        self.problems.append(Problem(sentence, self.path))

    def finish(self) -> None:
        """Raises DataError with all that was noted, if anything was."""
        if self.problems:
            raise DataError(self.problems)

    def _column(self, column: str) -> pl.Series:
        import polars as pl

        data = self.frame.data
        wrong = unknown_name("column", column, data.columns) if column not in data.columns else None
        if wrong is None:
            # Operations on a series look its own name up, where `*` and `^a$` are patterns.
            cells = data.get_column(column).rename("cells")
            if not (cells.dtype.is_nested() or cells.dtype == pl.Binary or cells.dtype == pl.Object):
                return cells
            wrong = f"column {quoted(column)} holds {cells.dtype}, not text or numbers; convert it."
        if column not in self._unreadable:
            self._unreadable.add(column)
            self.reject_column(wrong)
        return pl.Series("cells", [None] * data.height, dtype=pl.Null)

    def _quote(self, column: str, row: int) -> str:
        """The cell in quotes, or nothing where it is empty."""
        cell = self.frame.data[column][row]
        text = "" if cell is None or cell != cell else str(cell)
        return quoted(text) if text.strip() else ""


def first_of(bad: NDArray[np.bool_]) -> int | None:
    """The first row of those at `bad` (N), if there is any."""
    return int(np.argmax(bad)) if bad.any() else None


def empty_notes(column: str, num_empty: int, num_rows: int, treatment: str) -> tuple[str, ...]:
    """The note that cells are empty, and what becomes of them; none where there are none.

    Example: `retweets: 12 of 900 cells are empty; masked`.
    """
    verb = "is" if num_empty == 1 else "are"
    return (f"{column}: {num_empty} of {num_rows} cells {verb} empty; {treatment}",) if num_empty else ()


def _number_fix(cell: str) -> str:
    text = cell.strip()
    if text.lower() in _MISSING_MARKS:
        return f"if it marks a missing value, set null_values: [{quoted(text)}]"
    if _WITH_COMMAS.fullmatch(text):
        return "write numbers with a decimal point and without thousands separators"
    return f"correct it, or set null_values: [{quoted(text)}] if it marks a missing value"
