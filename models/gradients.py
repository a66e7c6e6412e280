"""Layers that leave their input alone and change only what flows back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, cast

import torch
from torch import Tensor

from .layer import Layer, Shape


class StopGradient(Layer):
    """Passes its input on, and no gradient back."""

    passes_mask = True

    def forward(self, values: Tensor) -> Tensor:
        return values.detach()


class ScaleGradient(Layer):
    """Passes its input on, and `scale` times the gradient back."""

    passes_mask = True

    def __init__(self, shapes: Sequence[Shape], *, scale: float) -> None:
        super().__init__(shapes)
        self.scale = scale

    def forward(self, values: Tensor) -> Tensor:
        return cast("Tensor", _ScaleGradient.apply(values, self.scale))


class _Context(Protocol):
    scale: float


class _ScaleGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx: _Context, values: Tensor, scale: float) -> Tensor:
        ctx.scale = scale
        return values.view_as(values)

    @staticmethod
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: _Context, gradient: Tensor
    ) -> tuple[Tensor, None]:
        return gradient * ctx.scale, None
