"""Owns what categories and labels have in common: their order, their numbers, and what is not among them.

Legend: N rows, C categories.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..specs.errors import nearest, quoted
from .cells import MOST_SHOWN

if TYPE_CHECKING:
    import polars as pl

MOST_CATEGORIES = 100_000

# Comparing a text with every category takes a microsecond or more for each.
_MOST_COMPARED = 10_000
_MOST_LISTED = 10
_DIGITS = re.compile(r"([0-9]+)")


def sort_categories(texts: Iterable[str]) -> tuple[str, ...]:
    """By number where all are numbers, else by text in which numbers count as such; each once."""
    distinct = set(texts)
    numbers = {text: _number(text) for text in distinct}
    if None not in numbers.values():
        return tuple(sorted(distinct, key=lambda text: (numbers[text] or 0.0, _natural(text), text)))
    return tuple(sorted(distinct, key=lambda text: (_natural(text), text)))


def number_categories(cells: pl.Series, categories: Sequence[str]) -> NDArray[np.int64]:
    """The number of each cell's category (N); -1 for an empty cell and for what is not among them."""
    import polars as pl

    numbers = cells.cast(pl.Enum(list(categories)), strict=False).to_physical()
    return numbers.cast(pl.Int64).fill_null(-1).to_numpy().copy()


def distinct_texts(cells: pl.Series) -> list[str]:
    """The texts of a column that are not empty, each once, in any order."""
    return cells.drop_nulls().unique().to_list()


def guess(text: str, known: Sequence[str], otherwise: str) -> str:
    """`did you mean 'red'? Or ` before what else would mend it; that alone where no known text is close."""
    near = nearest(text, known) if len(known) <= _MOST_COMPARED else None
    return f"did you mean {quoted(near)}? Or {otherwise}" if near else otherwise


def none_of(known: Sequence[str], noun: str) -> str:
    """`is none of the categories 'blue', 'red'`, or `is none of the 250 categories` where they are many."""
    listed = ", ".join(quoted(text) for text in known)
    return (
        f"is none of the {noun} {listed}"
        if len(known) <= _MOST_LISTED
        else f"is none of the {len(known)} {noun}"
    )


def absent_notes(column: str, known: Sequence[str], seen: Collection[str], *, noun: str) -> tuple[str, ...]:
    """The note that some of the known texts are in no training row; none where all of them are."""
    absent = [text for text in known if text not in seen]
    shown = ", ".join(quoted(text) for text in absent[:MOST_SHOWN]) + (" ..." * (len(absent) > MOST_SHOWN))
    count = f"{len(absent)} of {len(known)} {noun}"
    return (f"{column}: {count} are in no training row: {shown}",) if absent else ()


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if np.isfinite(value) else None


def _natural(text: str) -> list[tuple[int, str]]:
    """Texts and numbers in turn, each as (length, digits) or (0, text), so that they compare in order."""
    pieces = _DIGITS.split(text)
    return [
        (len(piece.lstrip("0")), piece.lstrip("0")) if index % 2 else (0, piece)
        for index, piece in enumerate(pieces)
    ]
