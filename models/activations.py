"""Activation functions by their Keras names, on the last axis where they need one."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F


def _softmax(logits: Tensor) -> Tensor:
    return torch.softmax(logits, dim=-1)


def _leaky_relu(values: Tensor) -> Tensor:
    # As an activation Keras uses 0.2; its layer of the same name has 0.3.
    return F.leaky_relu(values, 0.2)


ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": torch.relu,
    "leaky_relu": _leaky_relu,
    "elu": F.elu,
    "selu": F.selu,
    "gelu": F.gelu,
    "silu": F.silu,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "hard_sigmoid": F.hardsigmoid,
    "softmax": _softmax,
    "softplus": F.softplus,
    "softsign": F.softsign,
    "exponential": torch.exp,
}
"""Every activation but `linear`, which is none."""

WITH_LOGITS = frozenset({"sigmoid", "softmax"})
"""Activations whose input is kept beside their value, for losses computed from logits."""
