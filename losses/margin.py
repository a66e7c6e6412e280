"""Hinge losses: nothing to gain beyond a margin of 1. Formulas: keras/src/losses/losses.py.

Legend: y target, p prediction, C classes on `axis`.
"""

from __future__ import annotations

import torch
from torch import Tensor


def hinge(target: Tensor, prediction: Tensor, *, dims: tuple[int, ...] | None = None) -> Tensor:
    """Per entry: max(1 - y p, 0).

    Labels 0/1 become -1/1, but only when every value is 0 or 1: of the batch, or of each slice over
    `dims` (the axes of one member of a stack).
    """
    return torch.relu(1.0 - _signed_labels(target, dims) * prediction)


def squared_hinge(target: Tensor, prediction: Tensor, *, dims: tuple[int, ...] | None = None) -> Tensor:
    """Per entry: the square of `hinge`."""
    return hinge(target, prediction, dims=dims).square()


def categorical_hinge(target: Tensor, prediction: Tensor, *, axis: int = -1) -> Tensor:
    """Per row: max(max((1 - y) p) - sum y p + 1, 0)."""
    positive = (target * prediction).sum(axis)
    negative = ((1.0 - target) * prediction).amax(axis)
    return torch.relu(negative - positive + 1.0)


def _signed_labels(target: Tensor, dims: tuple[int, ...] | None) -> Tensor:
    dims = tuple(range(-target.ndim, 0)) if dims is None else dims
    # Decided on the device: reading it back would stall every step.
    is_binary = ((target == 0) | (target == 1)).all(dim=dims, keepdim=True)
    return torch.where(is_binary, 2.0 * target - 1.0, target)
