"""Metrics of targets that are numbers.

Legend: K members of a stack, N rows, D outputs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from .metric_inputs import MetricInputs, align_entries
from .metric_scores import Score, mean_score, pooled_score, ratio, weighted_sum

_BLOCK_ENTRIES = 2**20


def value_table(
    prediction: Tensor, target: Tensor, mask: Tensor | None = None, sample_weight: Tensor | None = None
) -> dict[str, Tensor]:
    """Each output's figures, [D], of one network; shapes and rules as in `evaluate_metrics`.

    `observed` is a plain count (int64); `mse`, `mae`, `rmse` and `r2` are float64 and weighted. 0/0 gives
    0, and so does `r2` of a constant target; an output with a NaN prediction has NaN for all.
    """
    inputs = align_entries(prediction, target=target, mask=mask, sample_weight=sample_weight, stacked=False)
    evaluation = ValueEvaluation(inputs)
    mse, _ = ratio(evaluation.squared_errors, evaluation.totals)
    mae, _ = ratio(evaluation.absolute_errors, evaluation.totals)
    figures = {"mse": mse, "mae": mae, "rmse": mse.sqrt(), "r2": evaluation.explained[0]}
    broken = inputs.broken_entries.any(-2)
    table = {name: value.masked_fill(broken, torch.nan) for name, value in figures.items()}
    return {name: value.squeeze(0) for name, value in {"observed": inputs.observed.sum(-2), **table}.items()}


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
    def totals(self) -> Tensor:
        """[1 or K, D]: number, or sum of weights, of what counts."""
        return weighted_sum(self.counted, self.inputs.weight)

    @property
    def squared_errors(self) -> Tensor:
        """Float64 [K, D]: sums over the rows."""
        return self._errors[0]

    @property
    def absolute_errors(self) -> Tensor:
        """Float64 [K, D]: sums over the rows."""
        return self._errors[1]

    @cached_property
    def _errors(self) -> tuple[Tensor, Tensor]:
        """Squared and absolute errors, block by block: of all rows in float64 they would be the largest
        tensors of a whole training."""
        prediction, weight = self.inputs.prediction, self.inputs.weight
        members, rows, outputs = prediction.shape
        squared = torch.zeros((members, outputs), dtype=torch.float64, device=prediction.device)
        absolute = torch.zeros_like(squared)
        at_once = max(1, _BLOCK_ENTRIES // max(1, members * outputs))
        for start in range(0, rows, at_once):
            block = slice(start, start + at_once)
            errors = prediction[:, block].double() - self.inputs.target[:, block]
            # What does not count may be NaN on either side.
            errors = errors.masked_fill_(~self.counted[:, block], 0.0)
            own = None if weight is None else weight[block]
            absolute += weighted_sum(errors.abs(), own)
            squared += weighted_sum(errors.square_(), own)
        return squared, absolute

    @cached_property
    def explained(self) -> tuple[Tensor, Tensor]:
        """Each output's 1 - residual / total sum of squares, float64 [K, D], and bool [K, D]: undefined.

        An output whose counted targets are all equal has no variance to explain: 0, even if predicted
        perfectly (scikit-learn gives 1 there), and undefined.
        """
        target, counted, weight = self.target, self.counted, self.inputs.weight
        mean, _ = ratio(weighted_sum(target, weight), self.totals)
        deviations = (target - mean.unsqueeze(-2)).masked_fill(~counted, 0.0)
        lowest = target.masked_fill(~counted, torch.inf).amin(-2)
        highest = target.masked_fill(~counted, -torch.inf).amax(-2)
        # The rounded mean of equal targets may miss them, so equality is asked of the targets themselves.
        variance = weighted_sum(deviations.square(), weight).masked_fill(lowest >= highest, 0.0)
        unexplained, constant = ratio(self.squared_errors, variance)
        return (1.0 - unexplained).masked_fill(constant, 0.0), constant


def _mse(evaluation: ValueEvaluation) -> Score:
    return pooled_score(evaluation.squared_errors.sum(-1), evaluation.totals.sum(-1))


def _mae(evaluation: ValueEvaluation) -> Score:
    return pooled_score(evaluation.absolute_errors.sum(-1), evaluation.totals.sum(-1))


def _rmse(evaluation: ValueEvaluation) -> Score:
    """The root of `mse` over all outputs together, not a mean of each output's root."""
    mse = _mse(evaluation)
    return Score(mse.value.sqrt(), mse.undefined)


def _r2(evaluation: ValueEvaluation) -> Score:
    """Mean over outputs (scikit-learn's uniform_average)."""
    return mean_score(*evaluation.explained)


VALUE_SCORES: dict[str, Callable[[ValueEvaluation], Score]] = {
    "mse": _mse,
    "mae": _mae,
    "rmse": _rmse,
    "r2": _r2,
}
"""Every metric of numbers; mse, mae and rmse are over all observed entries together."""
