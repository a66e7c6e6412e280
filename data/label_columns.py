"""Owns the type `multilabel`: several labels of a row, in a column each or separated in one column.

Legend: N rows, L labels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BeforeValidator, Field
from torch import Tensor

from ..specs.base import as_tuple
from ..specs.columns import Bare, Labels, Multilabel
from ..specs.errors import quoted
from . import table
from .available_memory import check_memory
from .binary_columns import label_notes, read_yes_no
from .categories import (
    MOST_CATEGORIES,
    absent_notes,
    distinct_texts,
    guess,
    none_of,
    number_categories,
    sort_categories,
)
from .cells import CellReader, empty_notes
from .encoder import Encoded
from .fitted import FittedTarget, target_path
from .frame import Frame

if TYPE_CHECKING:
    import polars as pl


_FIX = "write 0 or 1, or leave it empty where it is not known"


class LabelColumns(FittedTarget):
    """(N, L) float32, a column per label: 1 or 0; an empty cell is 0 and not observed."""

    type: Literal["multilabel"] = "multilabel"
    columns: Annotated[tuple[str, ...], BeforeValidator(as_tuple), Field(min_length=1)]

    @property
    def field(self) -> table.Field:
        """Labels, named after the columns."""
        return table.Field(shape=(len(self.columns),), kind="binary", labels=self.columns)

    def encode(self, frame: Frame) -> Encoded:
        """The rows of a frame. Raises DataError."""
        reader = CellReader(frame, self.path)
        values = [read_yes_no(reader, column, fix=_FIX) for column in self.columns]
        reader.finish()
        return Encoded.masked(torch.from_numpy(np.stack(values, axis=1)))

    def decode(self, values: Tensor) -> Mapping[str, Tensor]:
        """Values (..., L), such as probabilities, by column, each (...)."""
        return dict(zip(self.columns, values.unbind(-1), strict=True))


class SeparatedLabels(FittedTarget):
    """(N, L) float32, 4 N L bytes: 1 where a label is in the cell; all of an empty cell is not observed."""

    type: Literal["separated_labels"] = "separated_labels"
    column: str
    separator: Annotated[str, Field(min_length=1)]
    labels: Labels
    none: Bare | None

    @property
    def columns(self) -> tuple[str, ...]:
        """The column that is read."""
        return (self.column,)

    @property
    def field(self) -> table.Field:
        """The labels."""
        return table.Field(shape=(len(self.labels),), kind="binary", labels=self.labels)

    def encode(self, frame: Frame) -> Encoded:
        """The rows of a frame. Raises DataError, and MachineError where they do not fit into memory."""
        reader = CellReader(frame, self.path)
        cells = reader.texts(self.column)
        rows, pieces = _pieces(cells, self.separator, self.none)
        numbers = number_categories(pieces, self.labels)
        _reject_unlisted(reader, self.column, rows, pieces, unlisted=numbers < 0, labels=self.labels)
        reader.finish()
        shape = (len(frame), len(self.labels))
        what = f"multilabel of {shape[0]} rows and {shape[1]} labels"
        check_memory(4 * shape[0] * shape[1], what, path=self.path, fix="name fewer labels")
        values = np.zeros(shape, dtype=np.float32)
        values[rows, numbers] = 1.0
        values[cells.is_null().to_numpy()] = np.nan
        return Encoded.masked(torch.from_numpy(values))

    def decode(self, values: Tensor) -> Mapping[str, Tensor]:
        """Values (..., L), such as probabilities, by label, each (...)."""
        return dict(zip(self.labels, values.unbind(-1), strict=True))


def fit_label_columns(frame: Frame, *, name: str, columns: Sequence[str]) -> LabelColumns:
    """Check the training rows of a column per label. Raises DataError."""
    reader = CellReader(frame, target_path(name))
    notes: list[str] = []
    read = {column: read_yes_no(reader, column, fix=_FIX) for column in columns}
    reader.finish()
    for column, values in read.items():
        if np.isnan(values).all():
            reader.reject_column(f"every cell of column {quoted(column)} is empty in the training rows.")
        notes += label_notes(column, values, "masked")
    reader.finish()
    return LabelColumns(name=name, columns=tuple(columns), notes=tuple(notes))


def fit_separated_labels(spec: Multilabel, frame: Frame, *, name: str) -> SeparatedLabels:
    """Learn the labels of one column from training rows. Raises DataError."""
    assert spec.column is not None, "labels are separated in one column"
    reader = CellReader(frame, target_path(name))
    cells = reader.texts(spec.column)
    reader.finish()
    rows, pieces = _pieces(cells, spec.separator, spec.none)
    seen = set(distinct_texts(pieces))
    _check_seen(spec, reader, num_empty=cells.null_count(), num_rows=len(cells), num_labels=len(seen))
    labels = spec.labels or sort_categories(seen)
    unlisted = number_categories(pieces, labels) < 0
    _reject_unlisted(reader, spec.column, rows, pieces, unlisted=unlisted, labels=labels)
    reader.finish()
    empty = empty_notes(spec.column, cells.null_count(), len(cells), "masked")
    return SeparatedLabels(
        name=name,
        column=spec.column,
        separator=spec.separator,
        labels=labels,
        none=spec.none,
        notes=(*empty, *absent_notes(spec.column, labels, seen, noun="labels")),
    )


def _check_seen(
    spec: Multilabel, reader: CellReader, *, num_empty: int, num_rows: int, num_labels: int
) -> None:
    """Raises DataError where the training rows have no label to learn from, or hardly labels."""
    column = quoted(spec.column or "")
    if num_empty == num_rows:
        reader.reject_column(f"every cell of column {column} is empty in the training rows.")
    elif num_labels == 0 and not spec.labels:
        reader.reject_column(f"column {column}: no training row has a label.")
    elif num_labels > MOST_CATEGORIES and not spec.labels:
        given = f"{num_labels} different labels in the training rows, more than {MOST_CATEGORIES}"
        reader.reject_column(f"column {column} has {given}; is {quoted(spec.separator)} what separates them?")
    reader.finish()


def _pieces(cells: pl.Series, separator: str, none: str | None) -> tuple[NDArray[np.int64], pl.Series]:
    """The labels in the cells, and the row of each (M)."""
    import polars as pl

    found = pl.DataFrame({"row": np.arange(len(cells), dtype=np.int64), "piece": cells}).drop_nulls()
    if none is not None:
        found = found.filter(pl.col("piece") != none)
    found = found.with_columns(pl.col("piece").str.split(separator)).explode("piece")
    found = found.with_columns(pl.col("piece").str.strip_chars()).filter(pl.col("piece") != "")
    return found["row"].to_numpy(), found["piece"]


def _reject_unlisted(
    reader: CellReader,
    column: str,
    rows: NDArray[np.int64],
    pieces: pl.Series,
    *,
    unlisted: NDArray[np.bool_],
    labels: Sequence[str],
) -> None:
    """Note the rows with a piece that is no label; `unlisted` (M) is by piece."""
    if not unlisted.any():
        return
    bad: NDArray[np.bool_] = np.zeros(len(reader.frame), dtype=np.bool_)
    bad[rows[unlisted]] = True
    piece: str = pieces[int(np.argmax(unlisted))]
    what = f"holds {quoted(piece)}, which {none_of(labels, 'labels')}"
    reader.reject(column, bad, what=what, fix=guess(piece, labels, "list it under labels"))
