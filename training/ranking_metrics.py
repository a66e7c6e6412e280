"""AUROC and average precision of many rankings at once, exact and from one sort.

Legend: R rankings (a label of a member, or all entries of a member), N scores in each.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

MAX_SCORES_AT_ONCE = 1 << 24
"""Bounds the working memory: a dozen arrays of this many numbers of 8 bytes, about 1.5 GiB."""


class Ranking(NamedTuple):
    """Both float64 [R], NaN where fewer than two classes were observed."""

    auroc: Tensor
    average_precision: Tensor


def rank_scores(scores: Tensor, *, positive: Tensor, observed: Tensor, weight: Tensor | None) -> Ranking:
    """AUROC and average precision of each row of `scores` [R, N] in O(N log N).

    `positive` and `observed` are bool [R, N], `weight` is float64 [N] or None. Equal scores share one
    threshold. AUROC is the weighted share of (positive, negative) pairs in the right order, a tie
    counting half (Fawcett 2006, https://doi.org/10.1016/j.patrec.2005.10.010); average precision is
    the step sum of (R_n - R_{n-1}) P_n over thresholds, as in scikit-learn, without interpolation.
    """
    step = max(1, MAX_SCORES_AT_ONCE // scores.shape[-1])
    chunks = [
        _rank_rows(scores[row : row + step], positive[row : row + step], observed[row : row + step], weight)
        for row in range(0, scores.shape[0], step)
    ]
    return Ranking(
        torch.cat([chunk.auroc for chunk in chunks]), torch.cat([chunk.average_precision for chunk in chunks])
    )


def _rank_rows(scores: Tensor, positive: Tensor, observed: Tensor, weight: Tensor | None) -> Ranking:
    scores, order = scores.sort(dim=-1, descending=True)
    # Unobserved entries stay in their places with no weight: they move neither sum nor tie.
    hits, seen = (positive & observed).gather(-1, order), observed.gather(-1, order)
    amount = 1 if weight is None else weight[order]
    hits, misses = hits * amount, (seen & ~hits) * amount
    last_tied = _last_tied(scores)
    hits_so_far = hits.cumsum(-1).gather(-1, last_tied)
    misses_so_far = misses.cumsum(-1).gather(-1, last_tied)
    num_hits, num_misses = hits.sum(-1), misses.sum(-1)
    pairs = num_hits.double() * num_misses.double()
    # Twice the pairs in order, ties half: those in order or tied, plus all but those reversed or tied.
    in_order_or_tied = (misses * hits_so_far).sum(-1)
    reversed_or_tied = (hits * misses_so_far).sum(-1)
    auroc = (in_order_or_tied.double() - reversed_or_tied.double() + pairs) / (2 * pairs)
    seen_so_far = hits_so_far + misses_so_far
    precision = hits_so_far.double() / seen_so_far.masked_fill(seen_so_far == 0, 1)
    average_precision = (hits * precision).sum(-1) / num_hits
    single_class = pairs == 0
    return Ranking(
        auroc.masked_fill(single_class, torch.nan), average_precision.masked_fill(single_class, torch.nan)
    )


def _last_tied(scores: Tensor) -> Tensor:
    """Int64 [R, N]: for each place of sorted `scores` the last place with the same score."""
    places = torch.arange(scores.shape[-1], device=scores.device).expand_as(scores)
    last_of_ties = torch.ones_like(scores, dtype=torch.bool)
    last_of_ties[:, :-1] = scores[:, 1:] != scores[:, :-1]
    ends = torch.where(last_of_ties, places, scores.shape[-1] - 1)
    return ends.flip(-1).cummin(-1).values.flip(-1)
