"""Layers that leave their input alone and change only what flows back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, cast

import torch
from torch import Tensor, nn

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


def stops_gradient(layer: nn.Module) -> bool:
    """Whether nothing flows back through a layer: a stopped gradient, or one that is scaled by 0."""
    return isinstance(layer, StopGradient) or (isinstance(layer, ScaleGradient) and layer.scale == 0.0)


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
