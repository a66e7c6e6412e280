"""CSV tables in and out: typed cells, safe in a spreadsheet, whole at every instant."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from ..specs.errors import DataError
from .atomic import read_text, write_text
from .numbers import format_number

Cell = int | float | str | None
Row = dict[str, Cell]


# What a spreadsheet takes for a formula, the wide signs of some languages included. An apostrophe before it
# makes it text; one more is added to text that looks neutralized already, so that all is read back as it was.
_SIGNS = r"[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]"
FORMULA = re.compile(f"'*{_SIGNS}")
_NEUTRALIZED = re.compile(f"'+{_SIGNS}")
_INTEGER = re.compile(r"-?(0|[1-9][0-9]{0,99})")
_FLOAT = re.compile(r"-?[0-9]+(\.[0-9]+)?(e[+-]?[0-9]+)?")


def write_table(path: Path, rows: Sequence[Mapping[str, Cell]], *, columns: Sequence[str]) -> None:
    """Replace the table at `path`. A cell without a value is empty; a key outside `columns` is a bug."""
    write_text(path, table_text(rows, columns=columns))


def table_text(rows: Sequence[Mapping[str, Cell]], *, columns: Sequence[str]) -> str:
    """What `write_table` writes."""
    return _render([columns, *_cells(rows, columns)])


def append_rows(
    path: Path, rows: Sequence[Mapping[str, Cell]], *, columns: Sequence[str] | None = None
) -> None:
    """Add rows by rewriting the table in one step; the earlier rows keep their bytes.

    The header is fixed when the table begins: `columns`, or the keys of the first row.
    """
    if not rows and columns is None:
        return
    text = read_text(path)
    if text is None:
        write_table(path, rows, columns=columns or list(rows[0]))
        return
    header = _header(path, text)
    assert columns is None or list(columns) == header, f"{path.name} has the columns {header}, not {columns}"
    write_text(path, text + _render(_cells(rows, header)))


def read_table(path: Path, *, text_columns: Collection[str] = ()) -> list[Row]:
    """The rows of a table; none where there is no file.

    Cells come back as int, float, None (empty) or text; in `text_columns` always as text, so that a
    label "7" stays one. Raises DataError for a damaged table, MachineError for an unreadable file.
    """
    header, *rows = _cells_of(path) or [[]]
    return [
        {
            name: _restored(cell) if name in text_columns else _value(cell)
            for name, cell in zip(header, cells, strict=True)
        }
        for cells in rows
    ]


def count_rows(path: Path) -> int:
    """How many rows `read_table` would give, in a fraction of its time. Raises what it raises."""
    return max(len(_cells_of(path)) - 1, 0)


def table_columns(path: Path) -> list[str]:
    """The header of a table, in order; empty where there is no file."""
    text = read_text(path)
    return [] if text is None else _header(path, text)


def neutralize(text: str) -> str:
    """Text for a cell, an apostrophe before what a spreadsheet would take for a formula."""
    return f"'{text}" if FORMULA.match(text) else text


def _cells(rows: Sequence[Mapping[str, Cell]], columns: Sequence[str]) -> list[list[Cell]]:
    for row in rows:
        unknown = [name for name in row if name not in columns]
        assert not unknown, f"columns {unknown} are not in the table's header {list(columns)}"
    return [[row.get(name) for name in columns] for row in rows]


def _render(rows: Sequence[Sequence[Cell]]) -> str:
    lines: list[str] = []
    for row in rows:
        buffer = io.StringIO()
        # With "\r\n" as its line end the writer quotes a cell holding either of the two in every
        # version of Python; the line itself ends with "\n".
        csv.writer(buffer, lineterminator="\r\n").writerow([_text(cell) for cell in row])
        lines.append(buffer.getvalue()[:-2] + "\n")
    return "".join(lines)


def _text(cell: Cell) -> str:
    if cell is None:
        return ""
    if isinstance(cell, str):
        return neutralize(cell)
    return format_number(cell)


def _header(path: Path, text: str) -> list[str]:
    first = next(iter(_parse(path, text)), None)
    if first is None:
        raise DataError(f"'{path}' is damaged: it has no header.")
    return [_restored(cell) for cell in first]


def _cells_of(path: Path) -> list[list[str]]:
    """The header's names, then the cells of each row as they are written; nothing where there is no file."""
    text = read_text(path)
    if text is None:
        return []
    header, rows = _header(path, text), _parse(path, text)[1:]
    for number, cells in enumerate(rows, start=1):
        if len(cells) != len(header):
            message = f"row {number} has {len(cells)} cells where the header names {len(header)} columns"
            raise DataError(f"'{path}' is damaged: {message}.")
    return [header, *rows]


def _parse(path: Path, text: str) -> list[list[str]]:
    try:
        return list(csv.reader(io.StringIO(text, newline=""), strict=True))
    except csv.Error as error:
        raise DataError(f"'{path}' is damaged: {error}.") from error


def _value(text: str) -> Cell:
    if not text:
        return None
    if _INTEGER.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text):
        return float(text)
    return _restored(text)


def _restored(text: str) -> str:
    return text[1:] if _NEUTRALIZED.match(text) else text
