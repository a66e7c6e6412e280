"""Owns reading CSV and TSV: the header, the rows as text, and what is wrong with them, named by row.

Polars reads the cells; that every row has as many as the header is checked before, since Polars fills short
rows up, and passes over what is too long where it reads some columns only.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..specs.errors import DataError, Problem, quoted
from .column_names import refuse_too_many, require_columns
from .delimited_records import BrokenRecord, Layout, lay_out, split_rows_of, whole_rows
from .frame import Frame

if TYPE_CHECKING:
    import polars as pl

_OTHER_SEPARATORS = (",", ";", "\t", "|")


@dataclass
class DelimitedReader:
    """Rows of one file as they come; `columns` (None: all) are those that frames hold.

    `names` are those of the header, and `row` is the number of rows given so far, blank lines included.
    """

    file: str
    separator: str
    columns: Sequence[str] | None = None
    names: tuple[str, ...] = ()
    row: int = 0

    def frames(self, blocks: Iterator[bytes]) -> Iterator[Frame]:
        """A frame for every block of UTF-8; every cell is text as it lies, empty ones too.

        Raises DataError for a file without a header and rows with more or fewer cells than it, for broken
        quotes, and for columns that are missing or stand twice.
        """
        buffer, ended = b"", False
        while not ended:
            block = _more(blocks, at_least=len(buffer))
            buffer, ended = buffer + block, not block
            if not self.names:
                buffer = buffer[self._read_header(buffer, ended=ended) :]
            if self.names:
                frame, used = self._read_rows(buffer, ended=ended)
                buffer = buffer[used:]
                if len(frame):
                    yield frame

    def _read_header(self, buffer: bytes, *, ended: bool) -> int:
        """Take the names from the first line that is not blank; gives where the next begins."""
        text = (buffer if ended else buffer[: buffer.rfind(b"\n") + 1]).decode()
        try:
            found = next((found for found in split_rows_of(text, self.separator) if found[0]), None)
        except BrokenRecord as broken:
            if broken.unclosed and not ended:
                return 0
            raise DataError(Problem(f"its header {broken}", file=self.file)) from None
        if found is None:
            if ended:
                raise DataError(Problem("is empty: there is no header and no row", file=self.file))
            return 0
        names, end = found
        refuse_too_many(names, file=self.file)
        self._check_names(names)
        self.names = tuple(names)
        return len(text[:end].encode())

    def _check_names(self, names: Sequence[str]) -> None:
        places: dict[str, list[str]] = {}
        for place, name in enumerate(names, 1):
            places.setdefault(name, []).append(str(place))
        twice = [
            Problem(
                f"the header names {quoted(name)} twice: in columns {' and '.join(found)}", file=self.file
            )
            for name, found in places.items()
            if len(found) > 1
        ]
        if twice:
            raise DataError(twice)
        require_columns(self.columns or (), names, file=self.file, hint=self._separator_hint(names))

    def _separator_hint(self, names: Sequence[str]) -> str:
        other = next((mark for mark in _OTHER_SEPARATORS if len(names) == 1 and mark in names[0]), None)
        if other is None:
            return ""
        return f" Is data.separator {_spoken(other)}? It is {_spoken(self.separator)} here."

    def _read_rows(self, buffer: bytes, *, ended: bool) -> tuple[Frame, int]:
        """The whole rows of a buffer, and how many of its bytes they are."""
        end = len(buffer) if ended else whole_rows(buffer)
        block = buffer[:end]
        layout = lay_out(block, self.separator) if block else None
        if layout is None:
            return self._read_rows_singly(buffer, ended=ended)
        self._check_cells(layout)
        frame = self._frame(_parse(block, layout, self), ~layout.blank)
        self.row += len(layout.cells)
        return frame, end

    def _check_cells(self, layout: Layout) -> None:
        wrong = np.flatnonzero((layout.cells != len(self.names)) & ~layout.blank)
        if len(wrong):
            raise self._ragged(self.row + int(wrong[0]) + 1, int(layout.cells[wrong[0]]))

    def _read_rows_singly(self, buffer: bytes, *, ended: bool) -> tuple[Frame, int]:
        text = (buffer if ended else buffer[: buffer.rfind(b"\n") + 1]).decode()
        rows, end = list[list[str]](), 0
        try:
            for row, stop in split_rows_of(text, self.separator):
                rows.append(row)
                end = stop
                if row and len(row) != len(self.names):
                    raise self._ragged(self.row + len(rows), len(row))
        except BrokenRecord as broken:
            if ended or not broken.unclosed:
                raise DataError(Problem(f"row {self.row + len(rows) + 1} {broken}", file=self.file)) from None
        frame = self._frame(_assemble(rows, self), np.array([bool(row) for row in rows], dtype=np.bool_))
        self.row += len(rows)
        return frame, len(text[:end].encode())

    def _frame(self, data: pl.DataFrame, kept: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> Frame:
        numbers = self.row + 1 + np.flatnonzero(kept)
        return Frame(data, (self.file,), np.zeros(len(numbers), dtype=np.int64), numbers)

    def _ragged(self, row: int, num_cells: int) -> DataError:
        needed = len(self.names)
        found = f"row {row} has {num_cells} cell{'s' if num_cells != 1 else ''}"
        if num_cells < needed:
            fix = "end it with separators where cells are empty"
            return DataError(
                Problem(f"{found}, fewer than the {needed} columns of the header; {fix}", file=self.file)
            )
        fix = f"a cell with a {_spoken(self.separator)} in it must stand in quotes"
        columns = f"{needed} column{'s' if needed != 1 else ''}"
        return DataError(Problem(f"{found}, more than the {columns} of the header; {fix}", file=self.file))


def _more(blocks: Iterator[bytes], *, at_least: int) -> bytes:
    """The next blocks, as many bytes as are waiting: what never ends is then read in linear time."""
    parts, size = list[bytes](), 0
    for block in blocks:
        parts.append(block)
        size += len(block)
        if size >= at_least:
            break
    return b"".join(parts)


def _parse(block: bytes, layout: Layout, reader: DelimitedReader) -> pl.DataFrame:
    """The cells of a block that is laid out, by Polars."""
    import polars as pl

    if layout.blank.any():
        kept = np.repeat(~layout.blank, layout.stops - layout.starts)
        block = np.frombuffer(block, dtype=np.uint8)[kept].tobytes()
    chosen = reader.names if reader.columns is None else reader.columns
    schema = {name: pl.String() for name in reader.names}
    if not block:
        return pl.DataFrame(schema={name: schema[name] for name in chosen})
    data = pl.read_csv(
        block,
        has_header=False,
        schema=schema,
        columns=sorted(reader.names.index(name) for name in chosen),
        separator=reader.separator,
    )
    # Not `select`, to which a name such as `*` or `^a$` is a pattern.
    data = pl.DataFrame({name: data.get_column(name) for name in chosen})
    assert data.height == int((~layout.blank).sum()), "Polars sees the rows that were laid out"
    return data


def _assemble(rows: Sequence[Sequence[str]], reader: DelimitedReader) -> pl.DataFrame:
    import polars as pl

    chosen = reader.names if reader.columns is None else reader.columns
    places = {name: reader.names.index(name) for name in chosen}
    columns = {name: [row[place] for row in rows if row] for name, place in places.items()}
    return pl.DataFrame(columns, schema={name: pl.String() for name in chosen})


def _spoken(separator: str) -> str:
    return "tab" if separator == "\t" else f"'{separator}'"
