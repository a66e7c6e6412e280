"""The threshold at which each label has its highest F1.

Legend: M observed entries of a label, U different scores among them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor

from .metric_inputs import align_entries
from .scores import JudgedRows

KEPT = 0.5
"""The threshold of a label that has no better one."""


@dataclass(frozen=True)
class BestThresholds:
    """A threshold per label, and whether the label has a positive to be found."""

    values: tuple[float, ...]
    has_positives: tuple[bool, ...]


def best_thresholds(rows: JudgedRows) -> BestThresholds:
    """Per label the threshold of the highest F1 on `rows`, weighted as metrics are.

    The thresholds tried are the middle between each two neighbouring scores, and half of the lowest one
    where that is above 0: all ways there are to divide the entries in two. Of equally good ones the nearest
    to 0.5 is taken, of two as near the lower. A label without positives, or with a score that is NaN,
    keeps 0.5.
    """
    inputs = align_entries(
        rows.prediction,
        target=rows.target,
        mask=rows.mask,
        sample_weight=rows.sample_weight,
        stacked=False,
    )
    scores, positive, observed = (
        part[0].cpu() for part in (inputs.prediction, inputs.target > 0.5, inputs.observed)
    )
    weight = None if inputs.weight is None else inputs.weight.cpu()
    values: list[float] = []
    has_positives: list[bool] = []
    for label in range(scores.shape[-1]):
        counted = observed[:, label] if weight is None else observed[:, label] & (weight > 0.0)
        own = positive[counted, label]
        amount = torch.ones(len(own), dtype=torch.float64) if weight is None else weight[counted]
        values.append(_best_threshold(scores[counted, label].double(), own, amount))
        has_positives.append(bool(own.any()))
    return BestThresholds(tuple(values), tuple(has_positives))


def _best_threshold(scores: Tensor, positive: Tensor, amount: Tensor) -> float:
    """Of one label: scores and amounts (M) in float64, bools (M)."""
    if not bool(positive.any()) or bool(scores.isnan().any()):
        return KEPT
    levels, places = cast("tuple[Tensor, Tensor]", scores.unique(return_inverse=True))
    none = torch.zeros(len(levels), dtype=torch.float64)
    # By level: what is found by a threshold just below it.
    found = none.index_add(0, places, amount).flip(0).cumsum(0).flip(0)
    hits = none.index_add(0, places, amount * positive).flip(0).cumsum(0).flip(0)
    f1 = 2.0 * hits / (found + hits[0])
    tried = _between(levels)
    if not bool(levels[0] > 0.0):
        f1, tried = f1[1:], tried[1:]
    if not len(f1) or not bool(f1.max() > 0.0):
        return KEPT
    best = tried[f1 == f1.max()]
    return float(best[(best - KEPT).abs().argmin()])


def _between(levels: Tensor) -> Tensor:
    """The middle between each level (U, rising) and the one before it; before the first one stands 0."""
    below = torch.cat([torch.zeros(1, dtype=torch.float64), levels[:-1]])
    middle = below + (levels - below) / 2.0
    # Between two neighbouring numbers there is none, and an entry is positive strictly above.
    return torch.where(middle < levels, middle, below)
