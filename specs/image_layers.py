"""The layers over images (channels, height, width) that a config may name."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from .layer_base import Activation, KernelLayer, LayerBase, Padding, Pair


class Conv2D(KernelLayer):
    """Two-dimensional convolution over (channels, height, width)."""

    type: Literal["conv2d"] = "conv2d"
    filters: int = Field(gt=0)
    kernel_size: Pair
    strides: Pair = (1, 1)
    padding: Padding = "valid"
    dilation_rate: Pair = (1, 1)
    groups: int = Field(default=1, gt=0)
    activation: Activation = "linear"


class MaxPooling2D(LayerBase):
    """Maximum over windows of (height, width); `strides` is `pool_size` unless given."""

    type: Literal["max_pooling2d"] = "max_pooling2d"
    pool_size: Pair = (2, 2)
    strides: Pair | None = None
    padding: Padding = "valid"


class AveragePooling2D(LayerBase):
    """Mean over windows of (height, width), padding left out of the mean, as in Keras."""

    type: Literal["average_pooling2d"] = "average_pooling2d"
    pool_size: Pair = (2, 2)
    strides: Pair | None = None
    padding: Padding = "valid"


class GlobalMaxPooling2D(LayerBase):
    """Maximum over height and width: (C, H, W) becomes (C)."""

    type: Literal["global_max_pooling2d"] = "global_max_pooling2d"


class GlobalAveragePooling2D(LayerBase):
    """Mean over height and width: (C, H, W) becomes (C)."""

    type: Literal["global_average_pooling2d"] = "global_average_pooling2d"
