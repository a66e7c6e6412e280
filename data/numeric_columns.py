"""Owns the input type `numeric`: columns of numbers as one row of scaled values.

Legend: N rows, k columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BeforeValidator, Field

from ..specs.base import Spec, as_tuple
from ..specs.columns import Missing, Numeric
from ..specs.errors import quoted
from . import table
from .cells import CellReader, empty_notes
from .encoder import Encoded
from .fitted import FittedInput, input_path
from .frame import Frame
from .number_scale import NumberScale, fit_scale, scaled_numbers


class NumericColumn(Spec):
    """One column: `fill` stands in the place of an empty cell (None: an error), before the scale."""

    column: str
    fill: float | None
    scale: NumberScale
    indicator: bool = False


class NumericEncoder(FittedInput):
    """(N, k + indicators) float32: all values, then 1 for each column whose empty cells are marked."""

    type: Literal["numeric"] = "numeric"
    fitted: Annotated[tuple[NumericColumn, ...], BeforeValidator(as_tuple), Field(min_length=1)]

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that are read, in order."""
        return tuple(each.column for each in self.fitted)

    @property
    def field(self) -> table.Field:
        """Numbers, labelled by column."""
        marked = tuple(f"{each.column} is empty" for each in self.fitted if each.indicator)
        labels = (*self.columns, *marked)
        return table.Field(shape=(len(labels),), kind="numbers", labels=labels)

    def encode(self, frame: Frame) -> Encoded:
        """The rows of a frame, (N, k + indicators) float32. Raises DataError."""
        reader = CellReader(frame, self.path)
        values: NDArray[np.float32] = np.empty((len(frame), *self.field.shape), dtype=np.float32)
        position = len(self.fitted)
        for index, each in enumerate(self.fitted):
            numbers = reader.numbers(each.column)
            empty = np.isnan(numbers)
            if each.fill is None:
                _reject_empty(reader, each.column, numbers)
            else:
                numbers[empty] = each.fill
            values[:, index] = scaled_numbers(reader, each.column, numbers, each.scale)
            if each.indicator:
                values[:, position] = empty
                position += 1
        reader.finish()
        return Encoded(torch.from_numpy(values))


def fit_numeric(spec: Numeric, frame: Frame, *, name: str, columns: Sequence[str]) -> NumericEncoder:
    """Learn fill values and scales from training rows. Raises DataError."""
    reader = CellReader(frame, input_path(name))
    notes: list[str] = []
    fitted = tuple(_fit_column(spec, reader, column, notes) for column in columns)
    reader.finish()
    return NumericEncoder(name=name, fitted=fitted, notes=tuple(notes))


def _fit_column(spec: Numeric, reader: CellReader, column: str, notes: list[str]) -> NumericColumn:
    num_problems = len(reader.problems)
    values = reader.numbers(column)
    empty = np.isnan(values)
    num_empty = int(empty.sum())
    scale, constant = fit_scale(reader, column, values, kind=spec.scale, log1p=spec.log1p)
    if spec.missing == "error":
        _reject_empty(reader, column, values)
    unreadable = len(reader.problems) > num_problems
    fill = None if unreadable else _fill_of(spec.missing, reader, column, values[~empty])
    if constant:
        notes.append(f"{column}: constant in the training rows")
    if fill is not None:
        filled = "0" if spec.missing == "zero" else f"the {spec.missing}, {fill:.6g}"
        notes += empty_notes(column, num_empty, len(values), f"filled with {filled}")
    indicator = spec.indicator and num_empty > 0 and spec.missing != "error"
    return NumericColumn(column=column, fill=fill, scale=scale, indicator=indicator)


def _reject_empty(reader: CellReader, column: str, values: NDArray[np.float64]) -> None:
    # A cell that is no number is NaN too; only the text tells it from an empty one.
    if np.isnan(values).any():
        empty = reader.texts(column).is_null().to_numpy()
        reader.reject(column, empty, what="is empty", fix="fill it, or set missing: mean, median or zero")


def _fill_of(missing: Missing, reader: CellReader, column: str, seen: NDArray[np.float64]) -> float | None:
    """What stands in the place of an empty cell, in the units of the table; `seen` are the others (M)."""
    if missing == "error":
        return None
    if missing == "zero":
        return 0.0
    if not len(seen):
        reader.reject_column(
            f"column {quoted(column)}: every cell of the training rows is empty, so there is no {missing}; "
            "leave the column out, or set missing: zero."
        )
        return None
    with np.errstate(over="ignore"):
        fill = float(seen.mean() if missing == "mean" else np.median(seen))
    if not np.isfinite(fill):
        reader.reject_column(f"column {quoted(column)}: its numbers are too large to have a {missing}.")
        return None
    return fill
