"""Metrics of predicted probabilities: how far they are from the frequencies of what they predict.

Legend: K members of a stack, M predictions, N rows, L labels, C classes.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from .metric_inputs import MetricInputs
from .metric_scores import Score, pooled_score

NUM_BINS = 15


def _expected_calibration_error(inputs: MetricInputs) -> Score:
    """Guo et al. 2017 (https://arxiv.org/abs/1706.04599): of binary labels, each entry's probability of 1
    beside its target; of classes, each row's highest probability beside whether its class is the right one.

    A target between 0 and 1 counts as the frequency that it is.
    """
    observed, weight = inputs.observed, inputs.weight
    if observed.ndim < inputs.prediction.ndim:
        confidence = inputs.prediction.amax(-1)
        outcome = inputs.prediction.argmax(-1) == inputs.target
    else:
        confidence, outcome = inputs.prediction.flatten(1), inputs.target.flatten(1)
        observed = observed.flatten(1)
        weight = None if weight is None else weight.repeat_interleave(inputs.prediction.shape[-1])
    return _binned_error(confidence, outcome, observed, weight)


def _binned_error(confidence: Tensor, outcome: Tensor, observed: Tensor, weight: Tensor | None) -> Score:
    """Over bins, the sum of n_bin / n * |mean outcome - mean confidence|; of [K, M] and [1 or K, M].

    The bins are of equal width, closed below; the last one holds 1 too, the first and the last what lies
    outside of [0, 1].
    """
    members = confidence.shape[0]
    # On the CPU, where a quotient is rounded once: 3 / 15 is 0.2.
    edges = (torch.arange(NUM_BINS + 1, dtype=torch.float64) / NUM_BINS).to(confidence.device)
    confidence = confidence.double()
    bins = (torch.bucketize(confidence, edges, right=True) - 1).clamp(0, NUM_BINS - 1)
    # n_bin |mean outcome - mean confidence| is the absolute value of the sum of their differences.
    gaps = (outcome.double() - confidence).masked_fill(~observed, 0.0)
    gaps = gaps if weight is None else gaps * weight
    member = torch.arange(members, device=bins.device).unsqueeze(-1)
    # index_add has a deterministic form on CUDA; a weighted bincount has none.
    sums = torch.zeros(members * NUM_BINS, dtype=torch.float64, device=gaps.device)
    sums = sums.index_add(0, (member * NUM_BINS + bins).flatten(), gaps.flatten())
    total = observed.sum(-1) if weight is None else (observed * weight).sum(-1)
    return pooled_score(sums.reshape(members, NUM_BINS).abs().sum(-1), total)


PROBABILITY_SCORES: dict[str, Callable[[MetricInputs], Score]] = {"ece": _expected_calibration_error}
"""Every metric of probabilities."""
