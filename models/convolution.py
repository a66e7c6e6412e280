"""Convolution and pooling over images (channels, height, width), padded as Keras pads."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional as F

from .initializers import Fans, ParameterSource
from .layer import Layer, Shape, fold_members, unfold_members

Pair = tuple[int, int]


class Conv2D(Layer):
    """Two-dimensional convolution. kernel (filters, C / groups, height, width), bias (filters).

    Shapes: (B, C, H, W) to (B, filters, H', W'). A stack goes through `torch.vmap`, which PyTorch turns
    into one grouped convolution.
    """

    def __init__(
        self,
        shapes: Sequence[Shape],
        source: ParameterSource,
        *,
        filters: int,
        kernel_size: Pair,
        strides: Pair = (1, 1),
        padding: str = "valid",
        dilation_rate: Pair = (1, 1),
        groups: int = 1,
        use_bias: bool = True,
        kernel_initializer: str = "glorot_uniform",
        bias_initializer: str = "zeros",
    ) -> None:
        super().__init__(shapes)
        channels, *size = shapes[0]
        area = kernel_size[0] * kernel_size[1]
        fans = Fans(area * channels // groups, area * filters)
        kernel_shape = (filters, channels // groups, *kernel_size)
        self.kernel = source.parameter("kernel", kernel_shape, kernel_initializer, fans)
        self.bias = source.parameter("bias", (filters,), bias_initializer, fans) if use_bias else None
        self.pad, symmetric = split_padding(padding, size, kernel_size, strides, dilation_rate)
        self.convolve = partial(
            F.conv2d, stride=strides, padding=symmetric, dilation=dilation_rate, groups=groups
        )

    def forward(self, values: Tensor) -> Tensor:
        if any(self.pad):
            values = F.pad(values, self.pad)
        if self.kernel.dim() == 4:
            return self.convolve(values, self.kernel, self.bias)
        axes = (0 if self.has_members(values) else None, 0, None if self.bias is None else 0)
        return torch.vmap(self.convolve, in_dims=axes)(values, self.kernel, self.bias)


class MaxPooling2D(Layer):
    """Maximum over windows. Shapes: (B, C, H, W) to (B, C, H', W')."""

    def __init__(self, shapes: Sequence[Shape], *, pool_size: Pair, strides: Pair, padding: str) -> None:
        super().__init__(shapes)
        self.pad, symmetric = split_padding(padding, shapes[0][1:], pool_size, strides, (1, 1))
        self.pool = partial(F.max_pool2d, kernel_size=pool_size, stride=strides, padding=symmetric)

    def forward(self, values: Tensor) -> Tensor:
        flat, batch = fold_members(values, self.rank)
        if any(self.pad):
            flat = F.pad(flat, self.pad, value=-math.inf)
        return unfold_members(self.pool(flat), batch)


class AveragePooling2D(Layer):
    """Mean over windows, padding left out. Shapes: (B, C, H, W) to (B, C, H', W')."""

    shares: Tensor

    def __init__(self, shapes: Sequence[Shape], *, pool_size: Pair, strides: Pair, padding: str) -> None:
        super().__init__(shapes)
        size = shapes[0][1:]
        before, after = zip(*same_padding(padding, size, pool_size, strides, (1, 1)), strict=True)
        self.pad = (before[1], after[1], before[0], after[0])
        self.pool = partial(F.avg_pool2d, kernel_size=pool_size, stride=strides)
        # In float64 whatever the layer's own precision: rounded once, when it is known.
        present = F.pad(torch.ones(1, *size, dtype=torch.float64), self.pad)
        self.register_buffer("shares", self.pool(present), persistent=False)

    def forward(self, values: Tensor) -> Tensor:
        flat, batch = fold_members(values, self.rank)
        if any(self.pad):
            return unfold_members(self.pool(F.pad(flat, self.pad)) / self.shares, batch)
        return unfold_members(self.pool(flat), batch)


class GlobalMaxPooling2D(Layer):
    """Maximum over height and width. Shapes: (B, C, H, W) to (B, C)."""

    def forward(self, values: Tensor) -> Tensor:
        return values.amax(dim=(-2, -1))


class GlobalAveragePooling2D(Layer):
    """Mean over height and width. Shapes: (B, C, H, W) to (B, C)."""

    def forward(self, values: Tensor) -> Tensor:
        return values.mean(dim=(-2, -1))


def split_padding(
    padding: str, size: Sequence[int], window: Pair, strides: Pair, dilation: Pair
) -> tuple[tuple[int, int, int, int], Pair]:
    """How to pad: (left, right, top, bottom) to pad beforehand, and the symmetric rest for the kernel.

    Where both sides are equal the operation pads by itself, which saves a copy of the images.
    """
    (top, bottom), (left, right) = same_padding(padding, size, window, strides, dilation)
    if top == bottom and left == right:
        return (0, 0, 0, 0), (top, left)
    return (left, right, top, bottom), (0, 0)


def same_padding(
    padding: str,
    size: Sequence[int],
    window: Sequence[int],
    strides: Sequence[int],
    dilation: Sequence[int],
) -> list[tuple[int, int]]:
    """(before, after) per axis: `same` gives ceil(n / stride) outputs, the odd one goes after."""
    if padding == "valid":
        return [(0, 0)] * len(size)
    pairs: list[tuple[int, int]] = []
    for axis, length in enumerate(size):
        extent = (window[axis] - 1) * dilation[axis] + 1
        outputs = -(-length // strides[axis])
        total = max((outputs - 1) * strides[axis] + extent - length, 0)
        pairs.append((total // 2, total - total // 2))
    return pairs
