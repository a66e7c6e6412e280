"""The one owner of masks, sample weights and reduction: from values per entry or row to the loss.

Legend: B batch, K members of a stack. Values are per unit: per entry for a loss with a mean over its
axis, else per row. An unobserved unit leaves the numerator and the denominator; a weight only multiplies.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..specs.errors import ConfigError, unknown_name

REDUCTIONS = ("sum_over_batch_size", "auto", "mean", "sum", "mean_with_sample_weight", "none")
_ALIASES = {"auto": "sum_over_batch_size", "mean": "sum_over_batch_size"}


@dataclass(frozen=True, eq=False)
class Weighting:
    """What counts and how much; each is None or broadcasts to the values.

    `observed` is boolean. `sample_weight` is the divisor of `mean_with_sample_weight`; `entry_weight`
    (class weights) multiplies and divides nothing.
    """

    observed: Tensor | None = None
    sample_weight: Tensor | None = None
    entry_weight: Tensor | None = None


def standardize_reduction(name: str) -> str:
    """The reduction behind a name or alias.

    Raises:
        ConfigError: no such reduction.
    """
    if name not in REDUCTIONS:
        raise ConfigError(unknown_name("reduction", name, REDUCTIONS))
    return _ALIASES.get(name, name)


def reduce_values(
    values: Tensor, weighting: Weighting, *, reduction: str, axis: int | None, member_axis: bool
) -> Tensor:
    """The loss of these values, [] or (K) with a member axis; `none` keeps one value per example.

    `axis` is the axis (from the end) over which an example's value is a mean, None where the values are
    per example already. With observed entries an example's value is the mean of its observed entries,
    while `sum_over_batch_size` is the sum of all observed entries by their number.
    """
    weighted = weigh(values, weighting)
    observed = weighting.observed
    if reduction in ("none", "sum"):
        examples = weighted if axis is None else _mean_over(weighted, observed, axis)
        return examples if reduction == "none" else _flat(examples, member_axis).sum(-1)
    total = _flat(weighted, member_axis)
    if reduction == "mean_with_sample_weight" and weighting.sample_weight is not None:
        counted = weigh(torch.ones_like(values), Weighting(observed, weighting.sample_weight))
        return _divide(total.sum(-1), _flat(counted, member_axis).sum(-1))
    if observed is None:
        return total.mean(-1)
    return _divide(total.sum(-1), _flat(observed.expand_as(values), member_axis).sum(-1))


def weigh(values: Tensor, weighting: Weighting) -> Tensor:
    """The values times their weights, 0 where unobserved, whatever stands in the weights there."""
    observed = weighting.observed
    for weight in (weighting.sample_weight, weighting.entry_weight):
        if weight is not None:
            weight = weight.to(values.dtype)
            values = values * (weight if observed is None else torch.where(observed, weight, 0.0))
    return values if observed is None else torch.where(observed, values, 0.0)


def _mean_over(values: Tensor, observed: Tensor | None, axis: int) -> Tensor:
    if observed is None:
        return values.mean(axis)
    return _divide(values.sum(axis), observed.expand_as(values).sum(axis))


def _flat(values: Tensor, member_axis: bool) -> Tensor:
    """(K, n) with a member axis, else (n): all that is summed lies on the last axis."""
    return values.reshape(values.shape[0], -1) if member_axis else values.reshape(-1)


def _divide(total: Tensor, divisor: Tensor) -> Tensor:
    """The quotient, 0 where the divisor is; the inner `where` keeps the gradient finite there."""
    nothing = divisor == 0
    return torch.where(nothing, torch.zeros_like(total), total / torch.where(nothing, 1, divisor))
