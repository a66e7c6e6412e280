"""The columns that an output's values become in a table of predictions: by the target of its first loss.

Legend: B batch, L labels, C classes, D numbers of a row.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ..data import Field, Schema
from .metric_plan import OutputMetrics

if TYPE_CHECKING:
    # Only who predicts pays for importing it.
    import polars as pl


@dataclass(frozen=True, eq=False)
class OutputColumns:
    """`fill` makes one column per name, in order, of the output's values (B, ...) on the CPU."""

    output: str
    names: tuple[str, ...]
    fill: Callable[[Tensor], list[pl.Series]]


def plan_columns(
    plan: OutputMetrics, schema: Schema, shape: Sequence[int], thresholds: Sequence[float]
) -> OutputColumns:
    """The columns of an output of `shape` (without the batch) that a loss trains.

    Labels: the probability of each, and whether it is above its threshold. Classes: the likeliest class,
    and the probability of each. Numbers: in the units of the table. Anything else: entry by entry.
    """
    field = schema.targets.get(plan.target) or schema.inputs[plan.target]
    if _is_class(plan, field, shape):
        return _class_columns(plan, field, shape[0])
    if field.kind == "binary" and len(shape) <= 1 and plan.width == len(plan.labels):
        return _label_columns(plan, thresholds)
    if field.kind == "values" and len(shape) <= 1 and plan.width == len(field.labels):
        return _number_columns(plan, field)
    return plain_columns(plan.output, shape)


def plain_columns(output: str, shape: Sequence[int]) -> OutputColumns:
    """A column per entry: `{output}/0` and on, or `{output}` where it is the only one."""
    width = math.prod(shape)
    names = _named(output, [str(index) for index in range(width)])
    return OutputColumns(output, names, lambda values: _series(names, values.reshape(-1, width)))


def _is_class(plan: OutputMetrics, field: Field, shape: Sequence[int]) -> bool:
    if plan.kind != "classes" or len(shape) != 1 or shape[0] < 2:
        return False
    return field.kind == "classes" or (field.kind == "binary" and field.exclusive)


def _class_columns(plan: OutputMetrics, field: Field, num_classes: int) -> OutputColumns:
    # An output may have more units than there are classes.
    classes = [*field.labels, *(str(index) for index in range(len(field.labels), num_classes))][:num_classes]
    names = (plan.output, *(f"{plan.output}/{name}" for name in classes))

    def fill(values: Tensor) -> list[pl.Series]:
        import polars as pl

        probabilities = torch.softmax(values, -1) if plan.gives_logits else values
        likeliest = pl.Series(classes, dtype=pl.String).gather(probabilities.argmax(-1).numpy())
        known = pl.Series(probabilities.isfinite().all(-1).numpy())
        chosen = likeliest.zip_with(known, pl.Series([None], dtype=pl.String))
        return [chosen.alias(plan.output), *_series(names[1:], probabilities)]

    return OutputColumns(plan.output, names, fill)


def _label_columns(plan: OutputMetrics, thresholds: Sequence[float]) -> OutputColumns:
    own = _named(plan.output, plan.labels)
    names = tuple(name for each in own for name in (each, f"{each}/is"))
    above = torch.tensor(thresholds, dtype=torch.float64)

    def fill(values: Tensor) -> list[pl.Series]:
        import polars as pl

        probabilities = values.reshape(-1, len(own))
        probabilities = torch.sigmoid(probabilities) if plan.gives_logits else probabilities
        decided = _series(own, (probabilities > above).to(torch.int8))
        known = _series(own, probabilities.isfinite())
        nothing = pl.Series([None], dtype=pl.Int8)
        decisions = [
            one.zip_with(finite, nothing).alias(f"{name}/is")
            for name, one, finite in zip(own, decided, known, strict=True)
        ]
        pairs = zip(_series(own, probabilities), decisions, strict=True)
        return [each for pair in pairs for each in pair]

    return OutputColumns(plan.output, names, fill)


def _number_columns(plan: OutputMetrics, field: Field) -> OutputColumns:
    names = _named(plan.output, field.labels)

    def fill(values: Tensor) -> list[pl.Series]:
        numbers = values.reshape(-1, len(names))
        return _series(names, numbers if field.unit is None else field.unit.restore(numbers))

    return OutputColumns(plan.output, names, fill)


def _named(output: str, entries: Sequence[str]) -> tuple[str, ...]:
    return (output,) if len(entries) == 1 else tuple(f"{output}/{entry}" for entry in entries)


def _series(names: Sequence[str], values: Tensor) -> list[pl.Series]:
    """Columns of values (B, D)."""
    import polars as pl

    columns = values.T.contiguous().numpy()
    return [pl.Series(name, column) for name, column in zip(names, columns, strict=True)]
