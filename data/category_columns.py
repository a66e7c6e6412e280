"""Owns the type `categorical`: a column of one of several categories, as an input or as a target's class.

Legend: N rows, C categories.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..specs.columns import Categorical, CategoricalTarget, Labels
from ..specs.errors import quoted
from . import table
from .available_memory import check_memory
from .categories import (
    MOST_CATEGORIES,
    absent_notes,
    distinct_texts,
    guess,
    none_of,
    number_categories,
    sort_categories,
)
from .cells import CellReader, empty_notes, first_of
from .encoder import Encoded
from .fitted import FittedInput, FittedTarget, input_path, target_path
from .frame import Frame

if TYPE_CHECKING:
    import polars as pl

UNKNOWN = "(unknown)"
"""The category of unknown values; a cell with this very text belongs to it too."""


class CategoryEncoder(FittedInput):
    """`one_hot`: (N, C) float32, 4 N C bytes. `index`: (N, 1) int64, a number below C for an embedding.

    With `own` the first category is that of unknown values.
    """

    type: Literal["categorical"] = "categorical"
    column: str
    encoding: Literal["one_hot", "index"]
    categories: Labels
    own: bool

    @property
    def columns(self) -> tuple[str, ...]:
        """The column that is read."""
        return (self.column,)

    @property
    def field(self) -> table.Field:
        """One-hot numbers, or an index, labelled by category."""
        size = len(self.categories)
        if self.encoding == "index":
            return table.Field(shape=(1,), kind="tokens", size=size, labels=self.categories)
        return table.Field(shape=(size,), kind="numbers", labels=self.categories)

    def encode(self, frame: Frame) -> Encoded:
        """The rows of a frame. Raises DataError, and MachineError where they do not fit into memory."""
        reader = CellReader(frame, self.path)
        cells = reader.texts(self.column)
        numbers = _numbers(reader, self.column, cells, self.categories, own=self.own, empty_too=True)
        reader.finish()
        if self.encoding == "index":
            return Encoded(torch.from_numpy(numbers[:, None]))
        size = len(self.categories)
        what = f"encoding: one_hot of {len(frame)} rows and {size} categories"
        check_memory(4 * len(frame) * size, what, path=self.path, fix="use encoding: index with an embedding")
        values = torch.zeros(len(frame), size)
        values[torch.arange(len(frame)), torch.from_numpy(numbers)] = 1.0
        return Encoded(values)


class ClassEncoder(FittedTarget):
    """The number of the class, (N,) int64; an empty cell is 0 and not observed."""

    type: Literal["categorical"] = "categorical"
    column: str
    categories: Labels
    own: bool

    @property
    def columns(self) -> tuple[str, ...]:
        """The column that is read."""
        return (self.column,)

    @property
    def field(self) -> table.Field:
        """Class numbers, labelled by category."""
        return table.Field(shape=(), kind="classes", size=len(self.categories), labels=self.categories)

    def encode(self, frame: Frame) -> Encoded:
        """The rows of a frame. Raises DataError."""
        reader = CellReader(frame, self.path)
        cells = reader.texts(self.column)
        numbers = _numbers(reader, self.column, cells, self.categories, own=self.own, empty_too=False)
        reader.finish()
        empty = torch.from_numpy(cells.is_null().to_numpy().copy())
        numbers = np.maximum(numbers, 0)
        return Encoded(torch.from_numpy(numbers), ~empty if bool(empty.any()) else None)

    def decode(self, values: Tensor) -> Mapping[str, Tensor]:
        """Values of the classes (..., C or more) by category, each (...).

        An output may have more units than there are classes; such a unit goes by its number.
        """
        size = len(self.categories)
        names = (*self.categories[: values.shape[-1]], *(str(unit) for unit in range(size, values.shape[-1])))
        return dict(zip(names, values.unbind(-1), strict=True))


def fit_category(spec: Categorical, frame: Frame, *, name: str) -> CategoryEncoder:
    """Learn the categories of an input from training rows. Raises DataError."""
    reader = CellReader(frame, input_path(name))
    cells = reader.texts(spec.column)
    num_empty = cells.null_count()
    categories, notes = _fit_categories(spec, reader, cells, empty_too=True)
    reader.finish()
    notes += empty_notes(spec.column, num_empty, len(cells), f"of the category {UNKNOWN}")
    return CategoryEncoder(
        name=name,
        column=spec.column,
        encoding=spec.encoding,
        categories=categories,
        own=spec.unknown == "own",
        notes=tuple(notes),
    )


def fit_class(spec: CategoricalTarget, frame: Frame, *, name: str) -> ClassEncoder:
    """Learn the classes of a target from training rows. Raises DataError."""
    reader = CellReader(frame, target_path(name))
    cells = reader.texts(spec.column)
    num_empty = cells.null_count()
    categories, notes = _fit_categories(spec, reader, cells, empty_too=False)
    reader.finish()
    notes += empty_notes(spec.column, num_empty, len(cells), "masked")
    own = spec.unknown == "own"
    return ClassEncoder(name=name, column=spec.column, categories=categories, own=own, notes=tuple(notes))


def _fit_categories(
    spec: CategoricalTarget, reader: CellReader, cells: pl.Series, *, empty_too: bool
) -> tuple[tuple[str, ...], list[str]]:
    """The categories in order, that of unknown values first, and what is to be noted about them."""
    own, column = spec.unknown == "own", spec.column
    seen = set(distinct_texts(cells))
    if not seen and not reader.problems and not (own and empty_too and spec.categories):
        reader.reject_column(f"every cell of column {quoted(column)} is empty in the training rows.")
    if spec.categories is None and len(seen) > MOST_CATEGORIES:
        given = f"{len(seen)} different values in the training rows, more than {MOST_CATEGORIES}"
        fix = "is it text? Or name the categories, and set unknown: own for all others"
        reader.reject_column(f"column {quoted(column)} has {given}; {fix}.")
    reader.finish()
    known = spec.categories or sort_categories(seen)
    categories = (UNKNOWN, *(each for each in known if each != UNKNOWN)) if own else known
    _numbers(reader, column, cells, categories, own=own, empty_too=empty_too)
    notes = list(absent_notes(column, known, seen, noun="categories"))
    if len(seen) == 1:
        notes.append(f"{column}: constant in the training rows")
    if own and not seen - set(known) and not (empty_too and cells.null_count()) and UNKNOWN not in seen:
        notes.append(f"{column}: no training row is of the category {UNKNOWN}, so nothing is learned for it")
    return categories, notes


def _numbers(
    reader: CellReader,
    column: str,
    cells: pl.Series,
    categories: tuple[str, ...],
    *,
    own: bool,
    empty_too: bool,
) -> NDArray[np.int64]:
    """The numbers of the cells' categories (N); an empty cell is unknown too, or else -1."""
    numbers = number_categories(cells, categories)
    empty = cells.is_null().to_numpy()
    unknown = (numbers < 0) & ~empty
    if own:
        numbers[unknown] = 0
        numbers[empty] = 0 if empty_too else -1
        return numbers
    row = first_of(unknown)
    if row is not None:
        fix = "set unknown: own to give such values a category of their own"
        what, cure = none_of(categories, "categories"), guess(cells[row], categories, fix)
        reader.reject(column, unknown, what=what, fix=cure)
    if empty_too:
        fix = "fill it, or set unknown: own to give it a category of its own"
        reader.reject(column, empty, what="is empty", fix=fix)
    return numbers
