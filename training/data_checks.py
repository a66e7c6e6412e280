"""Whether the data are what the losses and layers take: found before the first step, told with its place."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from ..data import Splits, Table
from ..losses import LossTerm
from ..specs.errors import DataError, Problem
from .blueprint import Blueprint
from .decision_checks import missing_validation


def check_data(blueprint: Blueprint, splits: Splits) -> None:
    """Check every split.

    Raises:
        DataError: targets outside [0, 1] under a cross-entropy, classes beyond the outputs, indices
        beyond the vocabulary, numbers that are not finite, each with split and range; no rows for
        validation where something is to be found on them.
    """
    problems = list(missing_validation(blueprint.experiment)) if splits.validation is None else []
    for split, table in (("train", splits.train), ("validation", splits.validation), ("test", splits.test)):
        if table is None:
            continue
        problems += _check_inputs(blueprint, split, table)
        for term in blueprint.objective.terms:
            message = _check_target(term, table, num_classes=_num_classes(blueprint, term))
            if message is not None:
                place = ("losses", term.name, "target")
                problems.append(Problem(f"{term.target!r} in the {split} rows {message}", place))
    if problems:
        raise DataError(problems)


def _check_inputs(blueprint: Blueprint, split: str, table: Table) -> Iterator[Problem]:
    for index, name in enumerate(blueprint.network.graph.inputs):
        place, values = ("model", "inputs", index), table.inputs[name]
        size = blueprint.schema.inputs[name].size
        if values.is_floating_point() and not bool(torch.isfinite(values).all()):
            yield Problem(f"{name!r} in the {split} rows holds numbers that are not finite", place)
        elif size is not None and not values.is_floating_point():
            low, high = int(values.min()), int(values.max())
            if low < 0 or high >= size:
                message = f"holds indices from {low} to {high}; allowed are 0 to {size - 1}"
                yield Problem(f"{name!r} in the {split} rows {message}", place)


def _num_classes(blueprint: Blueprint, term: LossTerm) -> int:
    """The size of the loss's axis, which counts the batch axis as 0."""
    shape = blueprint.network.shapes[term.output]
    axis = -1 if term.loss.axis is None else term.loss.axis
    return shape[axis if axis < 0 else axis - 1]


def _check_target(term: LossTerm, table: Table, *, num_classes: int) -> str | None:
    values = _observed_values(term, table)
    low, high = _range(values, term, table)
    kind = term.loss.type
    match term.loss.target_kind:
        case "classes":
            if low < 0 or high >= num_classes:
                allowed = f"{term.output!r} has classes 0 to {num_classes - 1}"
                return f"holds classes from {low:g} to {high:g}, but {allowed}"
            if values.is_floating_point() and bool((values != values.trunc()).any()):
                return f"holds numbers that are not whole; {kind} needs class numbers"
        case "binary" | "distribution":
            if low < 0.0 or high > 1.0:
                return f"lies between {low:g} and {high:g}; {kind} needs targets from 0 to 1"
        case "values":
            if not (low > -torch.inf and high < torch.inf):
                return "holds numbers that are not finite"
    return None


def _observed_values(term: LossTerm, table: Table) -> Tensor:
    """The target's values that count, not yet scaled."""
    values = table.reference(term.target)
    observed = table.masks.get(term.target)
    if observed is not None:
        observed = observed.reshape(observed.shape + (1,) * (values.dim() - observed.dim()))
        values = values[observed.expand_as(values)]
    ignored = term.loss.own.get("ignore_class")
    return values if ignored is None else values[values != ignored]


def _range(values: Tensor, term: LossTerm, table: Table) -> tuple[float, float]:
    """The least and the greatest value, scaled as the loss sees it; 0 and 0 of none."""
    if values.numel() == 0:
        return 0.0, 0.0
    low, high = values.min(), values.max()
    if term.target in table.scales and term.target not in table.targets:
        low, high = _scaled(table, term.target, low), _scaled(table, term.target, high)
    return float(low), float(high)


def _scaled(table: Table, name: str, value: Tensor) -> Tensor:
    return table.scales[name].apply(value.double())
