"""Metrics of targets that are numbers.

Legend: K members of a stack, N rows, D outputs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from .metric_inputs import MetricInputs
from .metric_scores import Score, mean_score, pooled_score, ratio, weighted_sum


@dataclass(frozen=True)
class ValueEvaluation:
    """One evaluation of numbers; each intermediate is computed when first asked for, and once."""

    inputs: MetricInputs

    @cached_property
    def counted(self) -> Tensor:
        """Bool [1 or K, N, D]: observed, in rows of some weight."""
        weight = self.inputs.weight
        return self.inputs.observed if weight is None else self.inputs.observed & (weight > 0).unsqueeze(-1)

    @cached_property
    def target(self) -> Tensor:
        """Float64 [1 or K, N, D], 0 where nothing counts (a NaN may stand there)."""
        return self.inputs.target.double().masked_fill(~self.counted, 0.0)

    @cached_property
    def errors(self) -> Tensor:
        """Float64 [K, N, D], 0 where nothing counts."""
        return (self.inputs.prediction.double() - self.target).masked_fill(~self.counted, 0.0)

    @cached_property
    def totals(self) -> Tensor:
        """[1 or K, D]: number, or sum of weights, of what counts."""
        return weighted_sum(self.counted, self.inputs.weight)

    @cached_property
    def squared_errors(self) -> Tensor:
        """Float64 [K, D]: sums over the rows."""
        return weighted_sum(self.errors.square(), self.inputs.weight)


def _mse(evaluation: ValueEvaluation) -> Score:
    return pooled_score(evaluation.squared_errors.sum(-1), evaluation.totals.sum(-1))


def _mae(evaluation: ValueEvaluation) -> Score:
    errors = weighted_sum(evaluation.errors.abs(), evaluation.inputs.weight)
    return pooled_score(errors.sum(-1), evaluation.totals.sum(-1))


def _rmse(evaluation: ValueEvaluation) -> Score:
    """The root of `mse` over all outputs together, not a mean of each output's root."""
    mse = _mse(evaluation)
    return Score(mse.value.sqrt(), mse.undefined)


def _r2(evaluation: ValueEvaluation) -> Score:
    """Mean over outputs of 1 - residual / total sum of squares (scikit-learn's uniform_average).

    An output whose counted targets are all equal has no variance to explain: 0, even if predicted
    perfectly (scikit-learn gives 1 there), and undefined.
    """
    target, counted, weight = evaluation.target, evaluation.counted, evaluation.inputs.weight
    mean, _ = ratio(weighted_sum(target, weight), evaluation.totals)
    deviations = (target - mean.unsqueeze(-2)).masked_fill(~counted, 0.0)
    lowest = target.masked_fill(~counted, torch.inf).amin(-2)
    highest = target.masked_fill(~counted, -torch.inf).amax(-2)
    # The rounded mean of equal targets may miss them, so equality is asked of the targets themselves.
    variance = weighted_sum(deviations.square(), weight).masked_fill(lowest >= highest, 0.0)
    unexplained, constant = ratio(evaluation.squared_errors, variance)
    return mean_score((1.0 - unexplained).masked_fill(constant, 0.0), constant)


VALUE_SCORES: dict[str, Callable[[ValueEvaluation], Score]] = {
    "mse": _mse,
    "mae": _mae,
    "rmse": _rmse,
    "r2": _r2,
}
"""Every metric of numbers; mse, mae and rmse are over all observed entries together."""
