"""The result of one metric for every member, and the one rule for what 0/0 gives."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class Score(NamedTuple):
    """`value` [K] float64, and `undefined` [K, U]: which of the U units averaged over were 0/0.

    Units are labels, outputs or rows, or a single one for numbers pooled over all entries.
    """

    value: Tensor
    undefined: Tensor


def ratio(numerator: Tensor, denominator: Tensor) -> tuple[Tensor, Tensor]:
    """Float64 quotient with 0 for 0/0, and bool of the same shape: where it was 0/0."""
    undefined = denominator == 0
    return numerator.double() / denominator.masked_fill(undefined, 1).double(), undefined


def pooled_score(numerator: Tensor, denominator: Tensor) -> Score:
    """One quotient [K] of sums over all entries."""
    value, undefined = ratio(numerator, denominator)
    return Score(value, undefined.unsqueeze(-1))


def mean_score(values: Tensor, undefined: Tensor) -> Score:
    """Mean over the last axis of [K, U], with undefined units counted as the value they were given."""
    return Score(values.mean(-1), undefined)


def mean_of_defined(values: Tensor) -> Score:
    """Mean over the last axis of [K, U] without the NaN units; NaN where there is no other."""
    return Score(values.nanmean(-1), values.isnan())


def weighted_sum(entries: Tensor, weight: Tensor | None) -> Tensor:
    """Sum over the rows of [K, N, L]: int64 for unweighted bools, float64 otherwise."""
    if weight is None:
        return entries.sum(-2, dtype=torch.float64 if entries.is_floating_point() else torch.int64)
    return (entries * weight.unsqueeze(-1)).sum(-2)
