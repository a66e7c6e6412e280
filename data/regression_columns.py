"""Owns the type `regression`: columns of numbers to predict, and the way back to their units.

Legend: N rows, k columns.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal, Self

import numpy as np
import torch
from pydantic import BeforeValidator, Field, model_validator
from torch import Tensor

from ..specs.base import Spec, as_tuple
from ..specs.columns import Regression
from ..specs.errors import quoted
from . import table
from .cells import CellReader, empty_notes
from .encoder import Encoded
from .fitted import FittedTarget, target_path
from .frame import Frame
from .number_scale import NumberScale, fit_scale, scaled_numbers


class RegressionColumn(Spec):
    """One column and its scale."""

    column: str
    scale: NumberScale


class RegressionEncoder(FittedTarget):
    """(N, k) float32, scaled; an empty cell is 0 and not observed."""

    type: Literal["regression"] = "regression"
    fitted: Annotated[tuple[RegressionColumn, ...], BeforeValidator(as_tuple), Field(min_length=1)]

    @model_validator(mode="after")
    def _of_one_unit(self) -> Self:
        if len({each.scale.log1p for each in self.fitted}) > 1:
            raise ValueError("some columns are log1p, others are not")
        return self

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that are read, in order."""
        return tuple(each.column for each in self.fitted)

    @property
    def field(self) -> table.Field:
        """Values, labelled by column, with the unit that they are in where it is not the table's."""
        unit = self._unit
        return table.Field(
            shape=(len(self.fitted),),
            kind="values",
            labels=self.columns,
            unit=None if unit.is_identity else unit,
        )

    def encode(self, frame: Frame) -> Encoded:
        """The rows of a frame. Raises DataError."""
        reader = CellReader(frame, self.path)
        values = [
            scaled_numbers(reader, each.column, reader.numbers(each.column), each.scale)
            for each in self.fitted
        ]
        reader.finish()
        return Encoded.masked(torch.from_numpy(np.stack(values, axis=1)))

    def decode(self, values: Tensor) -> Mapping[str, Tensor]:
        """Values (..., k) in the network's units, by column in the table's: each (...) float64.

        What is too large for float64 is the largest number there is, so that predictions are finite.
        """
        return dict(zip(self.columns, self._unit.restore(values).unbind(-1), strict=True))

    @property
    def _unit(self) -> table.Unit:
        return table.Unit(
            log1p=self.fitted[0].scale.log1p,
            offset=tuple(each.scale.offset for each in self.fitted),
            divisor=tuple(each.scale.divisor for each in self.fitted),
        )


def fit_regression(spec: Regression, frame: Frame, *, name: str, columns: Sequence[str]) -> RegressionEncoder:
    """Learn the scales from training rows. Raises DataError."""
    reader = CellReader(frame, target_path(name))
    notes: list[str] = []
    fitted: list[RegressionColumn] = []
    for column in columns:
        num_problems = len(reader.problems)
        values = reader.numbers(column)
        num_empty = int(np.isnan(values).sum())
        if num_empty == len(values) and len(reader.problems) == num_problems:
            reader.reject_column(f"every cell of column {quoted(column)} is empty in the training rows.")
        scale, constant = fit_scale(reader, column, values, kind=spec.scale, log1p=spec.log1p)
        fitted.append(RegressionColumn(column=column, scale=scale))
        notes += empty_notes(column, num_empty, len(values), "masked")
        if constant and len(values) - num_empty > 1:
            value = f"{values[~np.isnan(values)][0]:g}"
            reader.reject_column(
                f"every cell of column {quoted(column)} is {value} in the training rows: there is nothing to "
                "predict; choose another target."
            )
    reader.finish()
    return RegressionEncoder(name=name, fitted=tuple(fitted), notes=tuple(notes))
