"""Owns reading JSON lines: an object per line, whose values keep their types.

Python's own reader: Polars takes minutes, or ends the process, over values that are nested deeply, and its
messages name no line.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np
from numpy.typing import NDArray

from ..specs.errors import DataError, Problem, quoted
from ..specs.wording import kind_of
from .column_names import refuse_too_many, require_columns
from .frame import Frame

if TYPE_CHECKING:
    import polars as pl

_DECODER = json.JSONDecoder()

_INT64 = range(-(2**63), 2**63)


@dataclass
class JsonLinesReader:
    """Rows of one file as they come; `columns` (None: all) are those that frames hold.

    `names` are the keys of the first block's objects, in the order in which they come up: a key that only
    later objects have is no column. `row` is the number of lines given so far, blank lines included.
    """

    file: str
    columns: Sequence[str] | None = None
    names: tuple[str, ...] = ()
    row: int = 0

    def frames(self, blocks: Iterable[bytes]) -> Iterator[Frame]:
        """A frame for every block of UTF-8, a missing key being null.

        Raises DataError, with the row, for what is not an object on a line of its own, and for lists and
        objects in a column that is read; for columns that are missing in the first block.
        """
        # Two blocks at a time, so that the last line is never alone: types go by all rows of a frame.
        waiting = b""
        for block in blocks:
            if not self.row and not waiting and block.lstrip().startswith(b"["):
                message = "is one JSON list; write its objects one to a line, without commas between them"
                raise DataError(Problem(message, file=self.file))
            whole, line_feed, rest = waiting.rpartition(b"\n")
            if line_feed:
                yield from self._read_lines(whole)
            waiting = (rest if line_feed else waiting) + block
        yield from self._read_lines(waiting)
        if not self.names:
            raise DataError(Problem("is empty: there are no rows", file=self.file))

    def _read_lines(self, content: bytes) -> Iterator[Frame]:
        if not content:
            return
        # Not splitlines: only a line feed ends a line, and text may hold other breaks.
        lines = [line.strip(" \t\r") for line in content.decode().split("\n")]
        places = [number for number, line in enumerate(lines, self.row + 1) if line]
        rows = [self._object(line, number) for number, line in enumerate(lines, self.row + 1) if line]
        self.row += len(lines)
        if not rows:
            return
        if not self.names:
            self.names = tuple(dict.fromkeys(key for row in rows for key in row))
            if not self.names:
                raise DataError(Problem("has no columns: its objects have no keys", file=self.file))
            refuse_too_many(self.names, file=self.file)
            require_columns(self.columns or (), self.names, file=self.file)
        numbers: NDArray[np.int64] = np.array(places, dtype=np.int64)
        yield Frame(self._frame(rows, numbers), (self.file,), np.zeros(len(rows), dtype=np.int64), numbers)

    def _object(self, line: str, number: int) -> Mapping[str, object]:
        value: object
        try:
            value, end = _DECODER.raw_decode(line)
            if end < len(line):
                raise json.JSONDecodeError("more than one value", line, end)
        except RecursionError:
            message = f"row {number} is nested too deeply"
        except ValueError as error:  # a number of thousands of digits is one too
            reason = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
            message = f"row {number} is not JSON: {reason}; every line must be one whole object"
        else:
            if isinstance(value, dict):
                return cast("dict[str, object]", value)
            message = f'row {number} is {kind_of(value)}; every line must be an object such as {{"x": 1}}'
        raise DataError(Problem(message, file=self.file))

    def _frame(self, rows: Sequence[Mapping[str, object]], numbers: NDArray[np.int64]) -> pl.DataFrame:
        import polars as pl

        names = self.names if self.columns is None else self.columns
        return pl.DataFrame([self._column(name, [row.get(name) for row in rows], numbers) for name in names])

    def _column(self, name: str, values: list[object], numbers: NDArray[np.int64]) -> pl.Series:
        """The values by the first type that holds them all: true or false, whole numbers, numbers, text."""
        import polars as pl

        kinds = {type(value) for value in values} - {type(None)}
        if kinds & {list, dict}:
            first = next(i for i, value in enumerate(values) if isinstance(value, list | dict))
            message = f"row {numbers[first]}: column {quoted(name)} holds {kind_of(values[first])}"
            allowed = "a cell is text, a number, true, false or null"
            raise DataError(Problem(f"{message}, where {allowed}", file=self.file))
        if kinds <= {bool}:
            return pl.Series(name, values, dtype=pl.Boolean if kinds else pl.Null)
        if kinds <= {bool, int} and all(value is None or value in _INT64 for value in values):
            return pl.Series(name, [None if value is None else int(cast("int", value)) for value in values])
        if kinds <= {bool, int, float}:
            return pl.Series(name, [_number(value) for value in values], dtype=pl.Float64)
        texts = [None if value is None else _text(value) for value in values]
        try:
            return pl.Series(name, texts, dtype=pl.String)
        except UnicodeEncodeError:
            first = next(i for i, text in enumerate(texts) if text is not None and not _is_unicode(text))
            message = f"row {numbers[first]}: column {quoted(name)} holds half of a surrogate pair"
            raise DataError(Problem(message, file=self.file)) from None


def _number(value: object) -> float | None:
    """NaN, which Python writes though JSON has no word for it, is a number that is missing."""
    if value is None or value != value:
        return None
    try:
        return float(cast("int | float", value))
    except OverflowError:
        return float("inf")


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _is_unicode(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
