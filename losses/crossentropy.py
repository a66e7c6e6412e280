"""Cross-entropies and the Kullback-Leibler divergence, with Keras 3's clipping.

Legend: C classes or labels on `axis`, y target, p prediction, s label smoothing, e = 1e-7. Formulas:
keras/src/losses/losses.py. In a stack everything has one more leading axis; axes count from the end.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

from ..specs.errors import ConfigError
from .logits import logits_crossentropy

EPSILON = 1e-7

LabelWeight = float | Sequence[float] | Tensor
"""One number for all labels, one per label, or a tensor that broadcasts to the target."""


def binary_crossentropy(
    target: Tensor,
    prediction: Tensor,
    *,
    from_logits: bool = False,
    label_smoothing: float | Tensor = 0.0,
    pos_weight: LabelWeight | None = None,
    axis: int = -1,
) -> Tensor:
    """Per entry: -(w y' log p + (1 - y') log(1 - p)) with y' = y (1 - s) + s/2 and w = `pos_weight` or 1.

    Probabilities are clipped to [e, 1 - e]. `pos_weight` per label lies along `axis`.
    """
    target = smooth_binary(target, label_smoothing)
    weight = None if pos_weight is None else _label_weight(pos_weight, prediction, axis)
    if from_logits:
        if weight is None:
            return logits_crossentropy(prediction, target)
        target = target.expand_as(prediction)
        return F.binary_cross_entropy_with_logits(prediction, target, reduction="none", pos_weight=weight)
    clipped = prediction.clamp(EPSILON, 1.0 - EPSILON)
    positive = target * clipped.log()
    # Not F.binary_cross_entropy: it raises on NaN (on CUDA it takes the process with it), and a diverged
    # member of a stack must stay a number that can be reported.
    return -(positive if weight is None else weight * positive) - (1.0 - target) * torch.log1p(-clipped)


def binary_crossentropy_mean(
    target: Tensor, logits: Tensor, *, label_smoothing: float | Tensor = 0.0
) -> Tensor:
    """The mean of `binary_crossentropy` from logits over everything. []"""
    return logits_crossentropy(logits, smooth_binary(target, label_smoothing)).mean()


def categorical_crossentropy(
    target: Tensor,
    prediction: Tensor,
    *,
    from_logits: bool = False,
    label_smoothing: float | Tensor = 0.0,
    axis: int = -1,
) -> Tensor:
    """Per row: -sum y' log p with y' = y (1 - s) + s/C; probabilities as p / sum p, clipped.

    Several targets of 1 in a row are legal.
    """
    target = smooth_classes(target, label_smoothing, target.shape[axis])
    return -(target * log_probabilities(prediction, from_logits=from_logits, axis=axis)).sum(axis)


def sparse_categorical_crossentropy(
    target: Tensor,
    prediction: Tensor,
    *,
    from_logits: bool = False,
    label_smoothing: float | Tensor = 0.0,
    axis: int = -1,
) -> Tensor:
    """Per row: `categorical_crossentropy` of integer class numbers, target without the class axis."""
    logs = log_probabilities(prediction, from_logits=from_logits, axis=axis)
    picked = torch.take_along_dim(logs, target.unsqueeze(axis), dim=axis).squeeze(axis)
    if isinstance(label_smoothing, float) and label_smoothing == 0.0:
        return -picked
    return -(picked * (1.0 - label_smoothing) + label_smoothing * logs.mean(axis))


def kl_divergence(target: Tensor, prediction: Tensor, *, axis: int = -1) -> Tensor:
    """Per row: sum y log(y / p), both clipped to [e, 1]."""
    target, prediction = target.clamp(EPSILON, 1.0), prediction.clamp(EPSILON, 1.0)
    return (target * (target / prediction).log()).sum(axis)


def smooth_binary(target: Tensor, label_smoothing: float | Tensor) -> Tensor:
    """y (1 - s) + s/2: [0, 1] with s = 0.1 become [0.05, 0.95]."""
    if isinstance(label_smoothing, float) and label_smoothing == 0.0:
        return target
    return target * (1.0 - label_smoothing) + 0.5 * label_smoothing


def smooth_classes(target: Tensor, label_smoothing: float | Tensor, num_classes: int) -> Tensor:
    """y (1 - s) + s/C: three classes with s = 0.1 give 0.0333 off target and 0.9333 on it."""
    if isinstance(label_smoothing, float) and label_smoothing == 0.0:
        return target
    return target * (1.0 - label_smoothing) + label_smoothing / num_classes


def log_probabilities(prediction: Tensor, *, from_logits: bool, axis: int) -> Tensor:
    """log softmax of logits, or the log of probabilities normalized to a sum of 1 and clipped."""
    if from_logits:
        return F.log_softmax(prediction, dim=axis)
    return normalized_probabilities(prediction, axis=axis).log()


def normalized_probabilities(prediction: Tensor, *, axis: int) -> Tensor:
    """p / sum p, clipped to [e, 1 - e]."""
    return (prediction / prediction.sum(axis, keepdim=True)).clamp(EPSILON, 1.0 - EPSILON)


def _label_weight(weight: LabelWeight, prediction: Tensor, axis: int) -> Tensor:
    if isinstance(weight, Tensor):
        return weight.to(prediction.dtype)
    if isinstance(weight, (int, float)):
        return prediction.new_full((), weight)
    values = tuple(float(value) for value in weight)
    if len(values) != prediction.shape[axis]:
        raise ConfigError(
            f"pos_weight has {len(values)} numbers, but the prediction has {prediction.shape[axis]} labels; "
            "allowed: one number, or one per label."
        )
    return _on_device(values, prediction.dtype, prediction.device).reshape(-1, *(1,) * (-1 - axis))


@lru_cache(maxsize=64)
def _on_device(values: tuple[float, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    """Copied once: a copy from the host in every step would wait for the device."""
    # Made first under an evaluation's inference mode, the tensor could not be trained with later.
    with torch.inference_mode(mode=False):
        return torch.tensor(values, dtype=dtype, device=device)
