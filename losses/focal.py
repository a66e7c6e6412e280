"""Focal cross-entropies: what is already classified well counts less. Formulas: keras/src/losses/losses.py.

Legend: C classes or labels on `axis`, y target, p prediction, s label smoothing, e = 1e-7.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .crossentropy import binary_crossentropy, normalized_probabilities, smooth_binary, smooth_classes


def binary_focal_crossentropy(
    target: Tensor,
    prediction: Tensor,
    *,
    from_logits: bool = False,
    label_smoothing: float | Tensor = 0.0,
    gamma: float = 2.0,
    alpha: float = 0.25,
    apply_class_balancing: bool = False,
) -> Tensor:
    """Per entry: (1 - p_t)^gamma bce, p_t = y' p + (1 - y')(1 - p) from the smoothed y and unclipped p.

    Logits pass through a sigmoid first, then through the same clipping as probabilities, as in Keras.
    Balanced: times y' alpha + (1 - y')(1 - alpha).
    """
    target = smooth_binary(target, label_smoothing)
    prediction = prediction.sigmoid() if from_logits else prediction
    chance_of_truth = target * prediction + (1.0 - target) * (1.0 - prediction)
    # Rounding can carry p_t past 1, and a negative base has no power of 2.5.
    focus = (1.0 - chance_of_truth).clamp_min(0.0) ** gamma
    values = focus * binary_crossentropy(target, prediction)
    return values * (target * alpha + (1.0 - target) * (1.0 - alpha)) if apply_class_balancing else values


def categorical_focal_crossentropy(
    target: Tensor,
    prediction: Tensor,
    *,
    from_logits: bool = False,
    label_smoothing: float | Tensor = 0.0,
    gamma: float = 2.0,
    alpha: float = 0.25,
    axis: int = -1,
) -> Tensor:
    """Per row: sum alpha (1 - p)^gamma (-y' log p), p normalized to a sum of 1 and clipped."""
    target = smooth_classes(target, label_smoothing, target.shape[axis])
    prediction = torch.softmax(prediction, dim=axis) if from_logits else prediction
    prediction = normalized_probabilities(prediction, axis=axis)
    return -(alpha * (1.0 - prediction) ** gamma * target * prediction.log()).sum(axis)
