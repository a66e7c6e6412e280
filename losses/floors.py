"""Floors: the least a loss term can reach on given targets, whatever the network predicts.

Legend: N rows, C classes. Rows of distributions are compared with predictions that sum to 1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from .arguments import definition_of
from .crossentropy import EPSILON, smooth_binary, smooth_classes
from .observation import per_row
from .reduction import Weighting, weigh
from .shapes import frame_of, place

_CHUNK_ENTRIES = 2**22

Minimum = Callable[[Tensor], Tensor]
"""The least value per unit of a block of targets, NaN where it is not known."""


def floor(
    type: str,
    target: Tensor,
    *,
    label_smoothing: float = 0.0,
    mask: Tensor | None = None,
    sample_weight: Tensor | None = None,
    num_classes: int | None = None,
) -> Tensor | None:
    """The minimum of a term under `sum_over_batch_size`, float64 []; None where it is not known.

    `target` is (N, ...) as the loss reads it; `mask` and `sample_weight` are shaped as for the loss.
    `num_classes` is C of smoothed class numbers, which the targets do not show. Not known: losses of
    regions, focal losses of targets between 0 and 1, hinge labels of three kinds, binary targets outside
    [0, 1]. Sums are taken in float64, a block of rows at a time.
    """
    definition = definition_of(type)
    minimum = _minimum(type, label_smoothing, num_classes)
    if minimum is None:
        return None
    row_wise = definition.unit == "row" and definition.target_kind != "classes"
    target = target.unsqueeze(-1) if target.ndim == 1 else target
    total = torch.zeros((), dtype=torch.float64, device=target.device)
    count = torch.zeros_like(total)
    for chunk, weighting in _chunks(target, mask, sample_weight, row_wise=row_wise):
        values = minimum(chunk)
        total += weigh(values, weighting).sum()
        observed = weighting.observed
        count += values.numel() if observed is None else observed.expand_as(values).sum()
    return None if bool(total.isnan()) else total / count.clamp_min(1.0)


def _minimum(type: str, label_smoothing: float, num_classes: int | None) -> Minimum | None:
    if type == "binary_crossentropy":
        return lambda target: _binary_entropy(smooth_binary(target, label_smoothing))
    if type == "categorical_crossentropy":
        return lambda target: _entropy(smooth_classes(target, label_smoothing, target.shape[-1]))
    if type == "sparse_categorical_crossentropy":
        if label_smoothing and num_classes is None:
            return None
        entropy = _smoothed_entropy(label_smoothing, num_classes or 1)
        return lambda target: torch.full_like(target, entropy)
    if label_smoothing:
        return None
    return _UNSMOOTHED.get(type)


def _chunks(
    target: Tensor, mask: Tensor | None, sample_weight: Tensor | None, *, row_wise: bool
) -> Iterator[tuple[Tensor, Weighting]]:
    """Blocks of rows in float64 and their weighting, 1 where the targets are masked."""
    rows = max(1, _CHUNK_ENTRIES // max(1, target[0].numel())) if len(target) else 1
    for start in range(0, len(target), rows):
        chunk = target[start : start + rows].to(torch.float64)
        frame = frame_of(chunk, axis=-1, member_axis=False)
        observed = _rows_of(mask, start, rows, len(target))
        weight = _rows_of(sample_weight, start, rows, len(target))
        observed = None if observed is None else place(observed.to(torch.bool), frame, "a mask")
        weight = None if weight is None else place(weight, frame, "sample weights")
        if row_wise:
            observed = None if observed is None else observed.all(-1, keepdim=True)
        chunk = chunk if observed is None else torch.where(observed, chunk, 1.0)
        weighting = Weighting(observed, weight)
        yield chunk, per_row(weighting, frame) if row_wise else weighting


def _rows_of(values: Tensor | None, start: int, rows: int, total: int) -> Tensor | None:
    if values is None or values.ndim == 0 or values.shape[0] != total:
        return values
    return values[start : start + rows]


def _binary_entropy(target: Tensor) -> Tensor:
    """-(y log y + (1 - y) log(1 - y)), reached at p = y; NaN outside [0, 1]."""
    return -torch.xlogy(target, target) - torch.xlogy(1.0 - target, 1.0 - target)


def _entropy(target: Tensor) -> Tensor:
    """min over p of -sum y log p, reached at p = y / sum y: targets need not sum to 1."""
    total = target.sum(-1)
    return torch.xlogy(total, total) - torch.xlogy(target, target).sum(-1)


def _smoothed_entropy(label_smoothing: float, num_classes: int) -> float:
    off = label_smoothing / num_classes
    row = torch.full((num_classes,), off, dtype=torch.float64)
    row[0] += 1.0 - label_smoothing
    return float(_entropy(row))


def _kl_divergence(target: Tensor) -> Tensor:
    """min over p of sum y log(y / p) with clipped y: S log S, S = sum y, 0 for a distribution."""
    total = target.clamp(EPSILON, 1.0).sum(-1)
    return torch.xlogy(total, total)


def _poisson(target: Tensor) -> Tensor:
    """min over p >= 0 of p - y log(p + e), reached at p = max(y, e) - e."""
    best = target.clamp_min(EPSILON)
    return best - EPSILON - target * best.log()


def _cosine_similarity(target: Tensor) -> Tensor:
    """-1 in the target's own direction; a target of zeros has none and scores 0."""
    return -(target != 0).any(-1).to(target.dtype)


def _hinge(target: Tensor) -> Tensor:
    """0 for labels of two kinds; a label of 0 among others has no margin to reach."""
    two_kinds = ((target == 0) | (target == 1)).all()
    return torch.where((target == 0) & ~two_kinds, torch.nan, 0.0).to(target.dtype)


def _binary_focal(target: Tensor) -> Tensor:
    return torch.where((target == 0) | (target == 1), 0.0, torch.nan).to(target.dtype)


def _one_hot(target: Tensor) -> Tensor:
    """0 at p = y for one class of several; other rows are not known."""
    one_hot = ((target == 0) | (target == 1)).all(-1) & (target.sum(-1) == 1)
    return torch.where(one_hot, 0.0, torch.nan).to(target.dtype)


_UNSMOOTHED: dict[str, Minimum] = {
    "kl_divergence": _kl_divergence,
    "poisson": _poisson,
    "cosine_similarity": _cosine_similarity,
    "hinge": _hinge,
    "squared_hinge": _hinge,
    "categorical_hinge": _one_hot,
    "binary_focal_crossentropy": _binary_focal,
    "categorical_focal_crossentropy": _one_hot,
    "mean_squared_error": torch.zeros_like,
    "mean_absolute_error": torch.zeros_like,
    "mean_absolute_percentage_error": torch.zeros_like,
    "mean_squared_logarithmic_error": torch.zeros_like,
    "huber": torch.zeros_like,
    "log_cosh": torch.zeros_like,
}
