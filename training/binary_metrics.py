"""Metrics of independent binary labels: counts and rankings, shared by all metrics of one call.

Legend: K members of a stack, N rows, L labels.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from .metric_inputs import MetricInputs, align_entries
from .metric_scores import Score, mean_of_defined, mean_score, pooled_score, ratio, weighted_sum
from .ranking_metrics import Ranking, rank_scores


def label_table(
    prediction: Tensor,
    target: Tensor,
    mask: Tensor | None = None,
    sample_weight: Tensor | None = None,
    thresholds: float | Tensor = 0.5,
    *,
    stacked: bool = False,
) -> dict[str, Tensor]:
    """Each label's figures, [L], or [K, L] if `stacked`; shapes and rules as in `evaluate_metrics`.

    `support` (observed positives) and `observed` are plain counts (int64); `prevalence`, `precision`,
    `recall`, `f1`, `auroc`, `average_precision` and `binary_accuracy` are float64 and weighted. 0/0
    gives 0, but the two rankings of a label with a single class are NaN, and so is every figure that
    rests on a NaN prediction.
    """
    inputs = align_entries(prediction, target=target, mask=mask, sample_weight=sample_weight, stacked=stacked)
    evaluation = BinaryEvaluation(inputs, thresholds)
    counts, ranking = evaluation.label_counts, evaluation.label_ranking
    scored = {
        "precision": ratio(*_precision(counts))[0],
        "recall": ratio(*_recall(counts))[0],
        "f1": ratio(*_f1(counts))[0],
        "auroc": ranking.auroc,
        "average_precision": ranking.average_precision,
        "binary_accuracy": ratio(counts.right, counts.observed)[0],
    }
    broken = inputs.broken_entries.any(-2)
    table = {
        "support": (evaluation.positive & inputs.observed).sum(-2),
        "prevalence": ratio(counts.positives, counts.observed)[0],
        "observed": inputs.observed.sum(-2),
        **{name: value.masked_fill(broken, torch.nan) for name, value in scored.items()},
    }
    table = {name: value.expand(broken.shape) for name, value in table.items()}
    return table if stacked else {name: value.squeeze(0) for name, value in table.items()}


@dataclass(frozen=True)
class Counts:
    """Entries counted (int64) or weighed (float64) by what they are and what was predicted."""

    true_positives: Tensor
    predicted_positives: Tensor
    positives: Tensor
    observed: Tensor

    @property
    def right(self) -> Tensor:
        return self.observed - self.predicted_positives - self.positives + 2 * self.true_positives

    def pooled(self) -> Counts:
        """The same summed over the last axis."""
        return Counts(
            self.true_positives.sum(-1),
            self.predicted_positives.sum(-1),
            self.positives.sum(-1),
            self.observed.sum(-1),
        )


@dataclass(frozen=True)
class BinaryEvaluation:
    """One evaluation of binary labels; each intermediate is computed when first asked for, and once.

    `thresholds` is one number or a tensor [L]; an entry is predicted positive strictly above it.
    Targets between 0 and 1 count as positive above 0.5.
    """

    inputs: MetricInputs
    thresholds: float | Tensor

    @cached_property
    def positive(self) -> Tensor:
        """Bool [1 or K, N, L]."""
        return self.inputs.target > 0.5

    @cached_property
    def predicted(self) -> Tensor:
        """Bool [K, N, L]."""
        thresholds = self.thresholds
        if isinstance(thresholds, Tensor):
            thresholds = thresholds.to(self.inputs.prediction.device).reshape(-1)
        return self.inputs.prediction > thresholds

    @cached_property
    def label_counts(self) -> Counts:
        """[1 or K, L], weighted."""
        positive, observed, weight = self.positive, self.inputs.observed, self.inputs.weight
        predicted = self.predicted & observed
        return Counts(
            weighted_sum(predicted & positive, weight),
            weighted_sum(predicted, weight),
            weighted_sum(positive & observed, weight),
            weighted_sum(observed, weight),
        )

    @cached_property
    def row_counts(self) -> Counts:
        """[1 or K, N]; a row's weight would cancel in its ratios, so it is left to the mean over rows."""
        positive, observed = self.positive, self.inputs.observed
        predicted = self.predicted & observed
        return Counts(
            (predicted & positive).sum(-1), predicted.sum(-1), (positive & observed).sum(-1), observed.sum(-1)
        )

    @cached_property
    def label_ranking(self) -> Ranking:
        """[K, L]."""
        shape = self.inputs.prediction.shape
        scores, positive, observed = (
            part.transpose(-1, -2).expand(shape[0], shape[2], shape[1]).reshape(-1, shape[1])
            for part in (self.inputs.prediction, self.positive, self.inputs.observed)
        )
        ranking = rank_scores(scores, positive=positive, observed=observed, weight=self.inputs.weight)
        return Ranking(*(figure.reshape(shape[0], shape[2]) for figure in ranking))

    @cached_property
    def pooled_ranking(self) -> Ranking:
        """[K], of all entries together; of a single label it is that label's."""
        shape = self.inputs.prediction.shape
        if shape[2] == 1:
            return Ranking(*(figure.squeeze(-1) for figure in self.label_ranking))
        scores, positive, observed = (
            part.expand(shape).reshape(shape[0], -1)
            for part in (self.inputs.prediction, self.positive, self.inputs.observed)
        )
        weight = None if self.inputs.weight is None else self.inputs.weight.repeat_interleave(shape[2])
        return rank_scores(scores, positive=positive, observed=observed, weight=weight)


Fraction = Callable[[Counts], tuple[Tensor, Tensor]]


def _precision(counts: Counts) -> tuple[Tensor, Tensor]:
    return counts.true_positives, counts.predicted_positives


def _recall(counts: Counts) -> tuple[Tensor, Tensor]:
    return counts.true_positives, counts.positives


def _f1(counts: Counts) -> tuple[Tensor, Tensor]:
    return 2 * counts.true_positives, counts.predicted_positives + counts.positives


def _micro(evaluation: BinaryEvaluation, fraction: Fraction) -> Score:
    return pooled_score(*fraction(evaluation.label_counts.pooled()))


def _macro(evaluation: BinaryEvaluation, fraction: Fraction) -> Score:
    return mean_score(*ratio(*fraction(evaluation.label_counts)))


def _samples(evaluation: BinaryEvaluation, fraction: Fraction) -> Score:
    """Mean over the rows with an observed entry; where there is none at all, 0 and every row undefined."""
    counts = evaluation.row_counts
    values, undefined = ratio(*fraction(counts))
    seen = counts.observed > 0
    value = _mean_over_rows(values * seen, seen, evaluation.inputs.weight).value
    return Score(value, undefined & (seen | ~seen.any(-1, keepdim=True)))


def _binary_accuracy(evaluation: BinaryEvaluation) -> Score:
    counts = evaluation.label_counts.pooled()
    return pooled_score(counts.right, counts.observed)


def _hamming_loss(evaluation: BinaryEvaluation) -> Score:
    counts = evaluation.label_counts.pooled()
    return pooled_score(counts.observed - counts.right, counts.observed)


def _subset_accuracy(evaluation: BinaryEvaluation) -> Score:
    counts = evaluation.row_counts
    seen = counts.observed > 0
    return _mean_over_rows((counts.right == counts.observed) & seen, seen, evaluation.inputs.weight)


def _mean_over_rows(values: Tensor, seen: Tensor, weight: Tensor | None) -> Score:
    """Mean of [K, N] over the seen rows."""
    sums = (weighted_sum(rows.unsqueeze(-1), weight).squeeze(-1) for rows in (values, seen))
    return pooled_score(*sums)


BINARY_SCORES: dict[str, Callable[[BinaryEvaluation], Score]] = {
    "binary_accuracy": _binary_accuracy,
    "subset_accuracy": _subset_accuracy,
    "hamming_loss": _hamming_loss,
    "precision": lambda evaluation: _macro(evaluation, _precision),
    "recall": lambda evaluation: _macro(evaluation, _recall),
    "f1": lambda evaluation: _macro(evaluation, _f1),
    "auroc": lambda evaluation: mean_of_defined(evaluation.label_ranking.auroc),
    "average_precision": lambda evaluation: mean_of_defined(evaluation.label_ranking.average_precision),
    "precision_micro": lambda evaluation: _micro(evaluation, _precision),
    "precision_macro": lambda evaluation: _macro(evaluation, _precision),
    "precision_samples": lambda evaluation: _samples(evaluation, _precision),
    "recall_micro": lambda evaluation: _micro(evaluation, _recall),
    "recall_macro": lambda evaluation: _macro(evaluation, _recall),
    "recall_samples": lambda evaluation: _samples(evaluation, _recall),
    "f1_micro": lambda evaluation: _micro(evaluation, _f1),
    "f1_macro": lambda evaluation: _macro(evaluation, _f1),
    "f1_samples": lambda evaluation: _samples(evaluation, _f1),
    "auroc_micro": lambda evaluation: mean_of_defined(evaluation.pooled_ranking.auroc.unsqueeze(-1)),
    "auroc_macro": lambda evaluation: mean_of_defined(evaluation.label_ranking.auroc),
    "average_precision_micro": lambda evaluation: mean_of_defined(
        evaluation.pooled_ranking.average_precision.unsqueeze(-1)
    ),
    "average_precision_macro": lambda evaluation: mean_of_defined(evaluation.label_ranking.average_precision),
}
"""Every metric of binary labels; plain names are the macro figures of a single label."""
