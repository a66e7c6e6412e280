"""Convolution and pooling over sequences (time, channels), padded as Keras pads."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional as F

from .convolution import same_padding
from .initializers import Fans, ParameterSource
from .layer import Layer, Shape, fold_members, unfold_members


@dataclass(frozen=True)
class Window:
    """A window sliding over time. `causal` pads before the first step alone."""

    size: int
    strides: int = 1
    padding: str = "valid"
    dilation_rate: int = 1

    @property
    def extent(self) -> int:
        """The number of steps from the window's first to its last."""
        return (self.size - 1) * self.dilation_rate + 1

    def pad(self, steps: int) -> tuple[int, int]:
        """How many steps to add before and after `steps` of them."""
        if self.padding == "causal":
            return self.extent - 1, 0
        ((before, after),) = same_padding(
            self.padding, (steps,), (self.size,), (self.strides,), (self.dilation_rate,)
        )
        return before, after


class Conv1D(Layer):
    """One-dimensional convolution. kernel (filters, C / groups, size), bias (filters).

    Shapes: (B, T, C) to (B, T', filters). A stack goes through `torch.vmap`, which PyTorch turns into one
    grouped convolution.
    """

    def __init__(
        self,
        shapes: Sequence[Shape],
        source: ParameterSource,
        *,
        filters: int,
        window: Window,
        groups: int = 1,
        use_bias: bool = True,
        kernel_initializer: str = "glorot_uniform",
        bias_initializer: str = "zeros",
    ) -> None:
        super().__init__(shapes)
        steps, channels = shapes[0]
        fans = Fans(window.size * channels // groups, window.size * filters)
        kernel_shape = (filters, channels // groups, window.size)
        self.kernel = source.parameter("kernel", kernel_shape, kernel_initializer, fans)
        self.bias = source.parameter("bias", (filters,), bias_initializer, fans) if use_bias else None
        self.pad = window.pad(steps)
        self.convolve = partial(F.conv1d, stride=window.strides, dilation=window.dilation_rate, groups=groups)

    def forward(self, values: Tensor) -> Tensor:
        channels_first = values.mT
        if any(self.pad):
            channels_first = F.pad(channels_first, self.pad)
        if self.kernel.dim() == 3:
            return self.convolve(channels_first, self.kernel, self.bias).mT
        axes = (0 if self.has_members(values) else None, 0, None if self.bias is None else 0)
        return torch.vmap(self.convolve, in_dims=axes)(channels_first, self.kernel, self.bias).mT


class MaxPooling1D(Layer):
    """Maximum over windows. Shapes: (B, T, C) to (B, T', C)."""

    def __init__(self, shapes: Sequence[Shape], *, window: Window) -> None:
        super().__init__(shapes)
        self.pad = window.pad(shapes[0][0])
        self.window = window

    def forward(self, values: Tensor) -> Tensor:
        flat, batch = fold_members(values, self.rank)
        padded = F.pad(flat.mT, self.pad, value=-math.inf) if any(self.pad) else flat.mT
        return unfold_members(F.max_pool1d(padded, self.window.size, self.window.strides).mT, batch)


class AveragePooling1D(Layer):
    """Mean over windows, padding left out. Shapes: (B, T, C) to (B, T', C)."""

    shares: Tensor

    def __init__(self, shapes: Sequence[Shape], *, window: Window) -> None:
        super().__init__(shapes)
        self.pad = window.pad(shapes[0][0])
        self.window = window
        self.register_buffer(
            "shares", self._pool(torch.ones(1, 1, shapes[0][0], dtype=torch.float64)), persistent=False
        )

    def forward(self, values: Tensor) -> Tensor:
        flat, batch = fold_members(values, self.rank)
        pooled = self._pool(flat.mT)
        return unfold_members((pooled / self.shares if any(self.pad) else pooled).mT, batch)

    def _pool(self, values: Tensor) -> Tensor:
        return F.avg_pool1d(F.pad(values, self.pad), self.window.size, self.window.strides)


class GlobalMaxPooling1D(Layer):
    """Maximum over time, masked steps included as in Keras. Shapes: (B, T, C) to (B, C)."""

    def forward(self, values: Tensor) -> Tensor:
        return values.amax(dim=-2)


class GlobalAveragePooling1D(Layer):
    """Mean over the steps that count (zero where none does). Shapes: (B, T, C) to (B, C)."""

    reads_mask = True
    any_length = True

    def forward(self, values: Tensor, mask: Tensor | None = None) -> Tensor:
        if mask is None:
            return values.mean(dim=-2)
        counted = mask.unsqueeze(-1)
        # Where no step counts Keras divides 0 by 0.
        return torch.where(counted, values, 0.0).sum(dim=-2) / counted.sum(dim=-2).clamp(min=1)
