"""Metrics of targets that are one class of several.

Legend: K members of a stack, N rows, C classes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ..specs.errors import DataError
from .metric_inputs import MetricInputs, align_classes
from .metric_scores import Score, pooled_score, weighted_sum


def confusion_matrix(
    prediction: Tensor,
    target: Tensor,
    num_classes: int,
    *,
    mask: Tensor | None = None,
    sample_weight: Tensor | None = None,
    stacked: bool = False,
) -> Tensor:
    """Rows by true class, columns by predicted class: [C, C], or [K, C, C] if `stacked`.

    Shapes as in `evaluate_metrics`. int64 counts, or float64 sums of `sample_weight`. Raises
    `DataError` for a class outside [0, C) and for predictions of another number of classes.
    """
    inputs = align_classes(prediction, target=target, mask=mask, sample_weight=sample_weight, stacked=stacked)
    if inputs.prediction.shape[-1] != num_classes:
        raise DataError(f"predictions are of {inputs.prediction.shape[-1]} classes, expected {num_classes}.")
    _check_classes(inputs, num_classes)
    predicted = inputs.prediction.argmax(-1)
    members, rows = predicted.shape
    member = torch.arange(members, device=predicted.device).unsqueeze(-1)
    cells = (member * num_classes + inputs.target.clamp(0, num_classes - 1)) * num_classes + predicted
    amount = inputs.observed if inputs.weight is None else inputs.observed * inputs.weight
    amount = (amount.long() if inputs.weight is None else amount).expand(members, rows)
    # index_add has a deterministic form on CUDA; a weighted bincount has none.
    sums = torch.zeros(members * num_classes**2, dtype=amount.dtype, device=amount.device)
    matrix = sums.index_add(0, cells.flatten(), amount.flatten()).reshape(members, num_classes, num_classes)
    return matrix if stacked else matrix.squeeze(0)


def class_frequencies(target: Tensor, *, mask: Tensor | None, num_classes: int | None) -> Tensor:
    """The share [C] of each class among observed rows, float64; all equal if none was observed.

    `target` is one-hot or indices, which need `num_classes` (`DataError` without it).
    """
    last = target.shape[-1] if target.ndim > 1 else 1
    one_hot = last > 1 and num_classes in (None, last)
    classes = last if one_hot else num_classes
    if classes is None:
        raise DataError("the frequencies of a target of class indices need the number of classes.")
    places = target.shape[:-1] if one_hot or (target.ndim > 1 and last == 1) else target.shape
    scores = torch.zeros((*places, classes), device=target.device)
    inputs = align_classes(scores, target=target, mask=mask, sample_weight=None, stacked=False)
    _check_classes(inputs, classes)
    counts = torch.bincount(inputs.target[inputs.observed], minlength=classes).double()
    return counts / counts.sum() if bool(counts.any()) else torch.full_like(counts, 1 / classes)


def _check_classes(inputs: MetricInputs, num_classes: int) -> None:
    outside = inputs.observed & ((inputs.target < 0) | (inputs.target >= num_classes))
    if bool(outside.any()):
        example = int(inputs.target[outside][0])
        raise DataError(f"the target holds class {example}; classes are 0 to {num_classes - 1}.")


@dataclass(frozen=True)
class ClassEvaluation:
    """One evaluation of classes; `top_k` classes are allowed to `top_k_accuracy`."""

    inputs: MetricInputs
    top_k: int

    def share(self, right: Tensor) -> Score:
        """The weighted share of observed rows that are `right`, bool [K, N]."""
        observed, weight = self.inputs.observed, self.inputs.weight
        sums = (weighted_sum(rows.unsqueeze(-1), weight).squeeze(-1) for rows in (right & observed, observed))
        return pooled_score(*sums)


def _categorical_accuracy(evaluation: ClassEvaluation) -> Score:
    inputs = evaluation.inputs
    return evaluation.share(inputs.prediction.argmax(-1) == inputs.target)


def _top_k_accuracy(evaluation: ClassEvaluation) -> Score:
    """Equal scores rank by class, lowest first, as argmax does: a constant prediction wins nothing."""
    scores, target = evaluation.inputs.prediction, evaluation.inputs.target.unsqueeze(-1)
    num_classes = scores.shape[-1]
    known = (target >= 0) & (target < num_classes)
    own = scores.gather(-1, target.clamp(0, num_classes - 1).expand(*scores.shape[:2], 1))
    classes = torch.arange(num_classes, device=scores.device)
    ahead = ((scores > own) | ((scores == own) & (classes < target))).sum(-1)
    return evaluation.share((ahead < evaluation.top_k) & known.squeeze(-1))


CLASS_SCORES: dict[str, Callable[[ClassEvaluation], Score]] = {
    "categorical_accuracy": _categorical_accuracy,
    "top_k_accuracy": _top_k_accuracy,
}
"""Every metric of classes; a target outside [0, C) is never right."""
