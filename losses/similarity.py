"""Losses of how far two vectors or regions coincide. Formulas: keras/src/losses/losses.py.

Legend: y target, p prediction, e = 1e-7. `dims` are the axes that one value sums over.
"""

from __future__ import annotations

from torch import Tensor

from .crossentropy import EPSILON


def cosine_similarity(target: Tensor, prediction: Tensor, *, axis: int = -1) -> Tensor:
    """Per row: minus the sum of l2-normalized y times l2-normalized p; -1 is a perfect match."""
    return -(_normalized(target, axis) * _normalized(prediction, axis)).sum(axis)


def dice(
    target: Tensor, prediction: Tensor, *, dims: tuple[int, ...], entry_weight: Tensor | None = None
) -> Tensor:
    """1 - 2 sum yp / (sum y + sum p + e), the weights inside the sums."""
    overlap = _sum(target * prediction, dims, entry_weight)
    sizes = _sum(target + prediction, dims, entry_weight)
    return 1.0 - 2.0 * overlap / (sizes + EPSILON)


def tversky(
    target: Tensor,
    prediction: Tensor,
    *,
    dims: tuple[int, ...],
    alpha: float = 0.5,
    beta: float = 0.5,
    entry_weight: Tensor | None = None,
) -> Tensor:
    """1 - sum yp / (sum yp + alpha FP + beta FN + e) with FP = sum p (1 - y), FN = sum y (1 - p)."""
    overlap = _sum(target * prediction, dims, entry_weight)
    false_positives = _sum(prediction * (1.0 - target), dims, entry_weight)
    false_negatives = _sum(target * (1.0 - prediction), dims, entry_weight)
    return 1.0 - overlap / (overlap + alpha * false_positives + beta * false_negatives + EPSILON)


def _normalized(values: Tensor, axis: int) -> Tensor:
    # The floor stands inside the root: a vector of zeros has a gradient of 0 instead of NaN.
    return values * values.square().sum(axis, keepdim=True).clamp_min(EPSILON**2).rsqrt()


def _sum(values: Tensor, dims: tuple[int, ...], entry_weight: Tensor | None) -> Tensor:
    return (values if entry_weight is None else values * entry_weight).sum(dims)
