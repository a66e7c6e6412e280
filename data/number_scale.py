"""Owns the scale of a column of numbers: log1p, then an offset and a divisor learned from training rows.

    scaled = (log1p(x) - offset) / divisor

Legend: N rows.
"""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from ..specs.base import Spec
from ..specs.errors import quoted
from .cells import CellReader

ScaleKind = Literal["standardize", "minmax", "none"]


class NumberScale(Spec):
    """The scale of one column, in float64. `Unit.restore` is the way back."""

    log1p: bool = False
    offset: float = 0.0
    divisor: Annotated[float, Field(gt=0.0)] = 1.0

    def apply(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Numbers (N) in the units of the table, scaled; NaN stays."""
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            return ((np.log1p(values) if self.log1p else values) - self.offset) / self.divisor


def fit_scale(
    reader: CellReader, column: str, values: NDArray[np.float64], *, kind: ScaleKind, log1p: bool
) -> tuple[NumberScale, bool]:
    """The scale of a column's numbers (N, NaN where empty), and whether they are all the same.

    `standardize` goes by mean and population deviation. A constant column becomes 0. Numbers that have no
    logarithm or no finite mean are noted in `reader`.
    """
    check_logarithm(reader, column, values, log1p=log1p)
    plain = NumberScale(log1p=log1p)
    seen = plain.apply(values)
    seen = seen[np.isfinite(seen)]
    if not len(seen):
        return plain, False
    low, high = float(seen.min()), float(seen.max())
    if low == high:
        return (plain if kind == "none" else NumberScale(log1p=log1p, offset=low)), True
    if kind == "none":
        return plain, False
    offset, divisor = (low, high - low) if kind == "minmax" else _mean_and_deviation(seen)
    if not (np.isfinite(offset) and np.isfinite(divisor) and divisor > 0.0):
        span = f"its numbers, from {low:g} to {high:g}, are too far apart to be scaled"
        reader.reject_column(f"column {quoted(column)}: {span}; use log1p: true.")
        return plain, False
    return NumberScale(log1p=log1p, offset=offset, divisor=divisor), False


def scaled_numbers(
    reader: CellReader, column: str, values: NDArray[np.float64], scale: NumberScale
) -> NDArray[np.float32]:
    """Numbers (N) scaled and rounded once, to float32; NaN stays.

    Those that have no logarithm, or are too large for float32, are noted in `reader`.
    """
    check_logarithm(reader, column, values, log1p=scale.log1p)
    with np.errstate(over="ignore"):
        scaled = scale.apply(values).astype(np.float32)
    fits = ~np.isinf(scaled) | (scale.log1p & (values <= -1.0))
    what = "is too large for a 32-bit number once it is scaled"
    reader.reject(column, ~fits, what=what, fix="correct it, or use log1p or another scale")
    return scaled


def check_logarithm(reader: CellReader, column: str, values: NDArray[np.float64], *, log1p: bool) -> None:
    """Note the numbers (N) that log1p is not defined for."""
    if log1p:
        what = "has no log1p, which needs numbers above -1"
        reader.reject(column, values <= -1.0, what=what, fix="correct it, or set log1p: false")


def _mean_and_deviation(values: NDArray[np.float64]) -> tuple[float, float]:
    """Mean and population deviation, whatever the magnitude: squares neither overflow nor vanish."""
    with np.errstate(over="ignore", invalid="ignore"):
        mean = float(values.mean())
        centered = values - mean
        mean += float(centered.mean())
        centered = values - mean
        largest = float(np.abs(centered).max())
        return mean, largest * float(np.sqrt(np.square(centered / largest).mean()))
