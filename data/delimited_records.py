"""Owns where rows and cells of delimited text (CSV, TSV) begin and end, quotation marks obeyed.

The rules are those of RFC 4180: a cell in quotes may hold separators and line breaks, and a quotation mark
written twice. A mark inside a cell that does not begin with one is itself (`5" disc`). A blank line is no
row. Text in which every mark is where the RFC wants it is laid out a block at a time; other text is read
cell by cell.

Legend: R rows of a block, blank lines among them; M marks: separators, line breaks and quotes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

QUOTE, LINE_FEED, CARRIAGE_RETURN = ord('"'), ord("\n"), ord("\r")

Numbers = NDArray[np.int64]
Bytes = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Layout:
    """The rows of a block: how many cells each has, its first byte, and where the next begins; all (R)."""

    cells: Numbers
    starts: Numbers
    stops: Numbers
    blank: NDArray[np.bool_]


class BrokenRecord(Exception):  # noqa: N818 - what is broken is named, where is added by who catches it
    """Why the text cannot be split further, at the row that comes after those already given.

    `unclosed`: a quoted cell does not end; more text may end it.
    """

    def __init__(self, reason: str, *, unclosed: bool = False) -> None:
        super().__init__(reason)
        self.unclosed = unclosed


def lay_out(block: bytes, separator: str) -> Layout | None:
    """The layout of a block of whole rows; None where quotes or carriage returns stand out of their place."""
    data = np.frombuffer(block, dtype=np.uint8)
    marks = np.flatnonzero((data == ord(separator)) | (data == LINE_FEED) | (data == QUOTE))
    kinds = data[marks]
    quotes = marks[kinds == QUOTE]
    if not _quotes_are_regular(data, quotes, ord(separator)) or not _returns_are_regular(block, data, quotes):
        return None
    outside = kinds != QUOTE
    if len(quotes):
        outside &= np.cumsum(kinds == QUOTE) % 2 == 0
    ends = outside & (kinds == LINE_FEED)
    stops: Numbers = marks[ends] + 1
    counted = np.cumsum(outside & (kinds != LINE_FEED))
    separators = counted[ends]
    if not len(stops) or stops[-1] < len(data):  # a last row without a line break
        stops = np.append(stops, len(data))
        separators = np.append(separators, counted[-1] if len(counted) else 0)
    starts = np.concatenate([[0], stops[:-1]])
    cells = np.diff(separators, prepend=0) + 1
    return Layout(cells, starts, stops, _blank_rows(data, starts, stops))


def whole_rows(buffer: bytes) -> int:
    """Where the last row of `buffer` that is whole ends, if all quotes are in their place; 0 for none."""
    before, end = buffer.count(b'"'), len(buffer)
    while (line_feed := buffer.rfind(b"\n", 0, end)) >= 0:
        before -= buffer.count(b'"', line_feed, end)
        if before % 2 == 0:
            return line_feed + 1
        end = line_feed
    return 0


def split_rows_of(text: str, separator: str) -> Iterator[tuple[list[str], int]]:
    """The cells of each row in turn and where the next row begins; a blank line has no cells.

    Raises BrokenRecord after the last row that could be read.
    """
    token, position, row = _token_of(separator), 0, list[str]()
    while position < len(text):
        match = token.match(text, position)
        if match is None:
            raise _broken(text, position, separator)
        quoted_cell, plain_cell, end = match.groups()
        row.append(plain_cell if quoted_cell is None else quoted_cell.replace('""', '"'))
        position = match.end()
        if end == separator:
            if position == len(text):
                row.append("")
            else:
                continue
        yield ([] if row == [""] and quoted_cell is None else row), position
        row = []


def _quotes_are_regular(data: Bytes, quotes: Numbers, separator: int) -> bool:
    """Whether quotes open at a cell's start and close at its end, or stand twice."""
    if not len(quotes):
        return True
    if len(quotes) % 2:
        return False
    opening, closing = quotes[0::2], quotes[1::2]
    before = data[opening[opening > 0] - 1]
    after = data[closing[closing + 1 < len(data)] + 1]
    begins = (before == separator) | (before == LINE_FEED) | (before == QUOTE)
    # A carriage return counts as the end of a cell here: whether a line feed follows is checked for all.
    ends = (after == separator) | (after == LINE_FEED) | (after == QUOTE) | (after == CARRIAGE_RETURN)
    return bool(begins.all() and ends.all())


def _returns_are_regular(block: bytes, data: Bytes, quotes: Numbers) -> bool:
    """Whether every carriage return outside quotes comes before a line feed."""
    if block.count(b"\r") == block.count(b"\r\n"):
        return True
    returns = np.flatnonzero(data == CARRIAGE_RETURN)
    followed = data[np.minimum(returns + 1, len(data) - 1)] == LINE_FEED
    alone = returns[~followed]
    return bool((np.searchsorted(quotes, alone) % 2 == 1).all())


def _blank_rows(data: Bytes, starts: Numbers, stops: Numbers) -> NDArray[np.bool_]:
    """Rows of nothing but their line break."""
    lengths = stops - starts
    first, second = data[starts], data[np.minimum(starts + 1, len(data) - 1)]
    alone = (lengths == 1) & (first == LINE_FEED)
    return alone | ((lengths == 2) & (first == CARRIAGE_RETURN) & (second == LINE_FEED))


def _token_of(separator: str) -> re.Pattern[str]:
    """A cell and what ends it; the atomic group keeps the time linear in the cell's length."""
    mark = re.escape(separator)
    quoted_cell, plain_cell = r'"((?>[^"]*(?:""[^"]*)*))"', rf'((?!")[^{mark}\r\n]*)'
    return re.compile(rf"(?:{quoted_cell}|{plain_cell})({mark}|\r?\n|\Z)")


_QUOTED = re.compile(r'"(?>[^"]*(?:""[^"]*)*)"')


def _broken(text: str, position: int, separator: str) -> BrokenRecord:
    if text[position] != '"':
        reason = "holds a carriage return outside quotes; lines must end with a line feed"
        return BrokenRecord(reason)
    if _QUOTED.match(text, position) is None:
        reason = "opens a quotation mark that is never closed; write a mark that is text twice, in quotes"
        return BrokenRecord(reason, unclosed=True)
    return BrokenRecord(
        f"has text between a closing quotation mark and the next {_spoken(separator)}; "
        "write a mark that is text twice, in quotes"
    )


def _spoken(separator: str) -> str:
    return "tab" if separator == "\t" else f"'{separator}'"
