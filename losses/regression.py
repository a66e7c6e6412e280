"""Losses of real-valued and counted targets, each a value per entry. Formulas: keras/src/losses/losses.py.

Legend: y target, p prediction, d their difference, e = 1e-7; all tensors have the same number of axes.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from .crossentropy import EPSILON


def mean_squared_error(target: Tensor, prediction: Tensor) -> Tensor:
    """Per entry: (y - p)^2."""
    return (target - prediction).square()


def mean_absolute_error(target: Tensor, prediction: Tensor) -> Tensor:
    """Per entry: abs(y - p)."""
    return (target - prediction).abs()


def mean_absolute_percentage_error(target: Tensor, prediction: Tensor) -> Tensor:
    """Per entry: 100 abs((y - p) / max(abs y, e))."""
    return 100.0 * ((target - prediction) / target.abs().clamp_min(EPSILON)).abs()


def mean_squared_logarithmic_error(target: Tensor, prediction: Tensor) -> Tensor:
    """Per entry: (log(max(p, e) + 1) - log(max(y, e) + 1))^2."""
    return (_log_plus_one(prediction) - _log_plus_one(target)).square()


def huber(target: Tensor, prediction: Tensor, *, delta: float = 1.0) -> Tensor:
    """Per entry: 0.5 d^2 where abs d <= delta, else delta abs d - 0.5 delta^2."""
    error = (prediction - target).abs()
    return torch.where(error <= delta, 0.5 * error.square(), delta * error - 0.5 * delta**2)


def log_cosh(target: Tensor, prediction: Tensor) -> Tensor:
    """Per entry: log cosh d = d + softplus(-2 d) - log 2, in its form that is exact for any d."""
    error = prediction - target
    return torch.logaddexp(error, -error) - math.log(2.0)


def poisson(target: Tensor, prediction: Tensor) -> Tensor:
    """Per entry: p - y log(p + e)."""
    return prediction - target * (prediction + EPSILON).log()


def _log_plus_one(values: Tensor) -> Tensor:
    return (values.clamp_min(EPSILON) + 1.0).log()
