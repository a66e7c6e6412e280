"""The layers a config may name, in Keras vocabulary: one frozen model per `type`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag

from .base import DistinctNames, Name, Names, PositiveInts, Spec

Activation = Literal[
    "linear", "relu", "leaky_relu", "elu", "selu", "gelu", "silu", "tanh", "sigmoid", "hard_sigmoid",
    "softmax", "softplus", "softsign", "exponential",
]  # fmt: skip

Initializer = Literal[
    "glorot_uniform", "glorot_normal", "he_uniform", "he_normal", "lecun_uniform", "lecun_normal",
    "random_uniform", "random_normal", "truncated_normal", "orthogonal", "zeros", "ones",
]  # fmt: skip

Padding = Literal["valid", "same"]


def _pair(value: Any) -> Any:
    return (value, value) if isinstance(value, int) and not isinstance(value, bool) else tuple(value)


Pair = Annotated[tuple[Annotated[int, Field(gt=0)], Annotated[int, Field(gt=0)]], BeforeValidator(_pair)]


class LayerBase(Spec):
    """What every layer may say: `of` names what it reads; without it, the layer or input above."""

    of: Names | None = None


class Dense(LayerBase):
    """Dot product over the last axis, plus bias, then an activation."""

    type: Literal["dense"] = "dense"
    units: int = Field(gt=0)
    activation: Activation = "linear"
    use_bias: bool = True
    kernel_initializer: Initializer | None = None
    bias_initializer: Initializer | None = None


class Conv2D(LayerBase):
    """Two-dimensional convolution over (channels, height, width)."""

    type: Literal["conv2d"] = "conv2d"
    filters: int = Field(gt=0)
    kernel_size: Pair
    strides: Pair = (1, 1)
    padding: Padding = "valid"
    dilation_rate: Pair = (1, 1)
    groups: int = Field(default=1, gt=0)
    activation: Activation = "linear"
    use_bias: bool = True
    kernel_initializer: Initializer | None = None
    bias_initializer: Initializer | None = None


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


class Flatten(LayerBase):
    """All axes of an example in one."""

    type: Literal["flatten"] = "flatten"


class Reshape(LayerBase):
    """The same numbers in another shape (per example)."""

    type: Literal["reshape"] = "reshape"
    target_shape: PositiveInts


class Dropout(LayerBase):
    """Zeroes a fraction `rate` of the entries in training and scales the rest by 1/(1-rate)."""

    type: Literal["dropout"] = "dropout"
    rate: float = Field(ge=0.0, lt=1.0)


class ActivationLayer(LayerBase):
    """An activation on its own."""

    type: Literal["activation"] = "activation"
    activation: Activation


class LeakyReLU(LayerBase):
    """Identity above zero, `negative_slope` times the input below (0.3 as a layer, as in Keras)."""

    type: Literal["leaky_relu"] = "leaky_relu"
    negative_slope: float = Field(default=0.3, ge=0.0)


class BatchNormalization(LayerBase):
    """Normalizes each channel (axis 1 of images, the last axis otherwise) over the batch."""

    type: Literal["batch_normalization"] = "batch_normalization"
    momentum: float = Field(default=0.99, ge=0.0, lt=1.0)
    epsilon: float = Field(default=1e-3, gt=0.0)
    center: bool = True
    scale: bool = True


class LayerNormalization(LayerBase):
    """Normalizes the last axis of each example (the channels of an image, at each pixel)."""

    type: Literal["layer_normalization"] = "layer_normalization"
    epsilon: float = Field(default=1e-3, gt=0.0)
    center: bool = True
    scale: bool = True


class MergeBase(LayerBase):
    """A layer that reads two or more others."""

    of: Annotated[Names, Field(min_length=2)]


class Concatenate(MergeBase):
    """Joins its inputs along the last axis (the channels of images)."""

    type: Literal["concatenate"] = "concatenate"


class Add(MergeBase):
    """Sum of its inputs."""

    type: Literal["add"] = "add"


class Multiply(MergeBase):
    """Entry-wise product of its inputs."""

    type: Literal["multiply"] = "multiply"


class Shared(LayerBase):
    """The layer `shares` once more, with the same weights, on another input."""

    shares: str
    of: Names


def layer_tag(value: Any) -> str | None:
    """Which model a layer's mapping (or spec) is for: its `type`, or `shared` when it only says `shares`."""
    if isinstance(value, dict):
        if "shares" in value and "type" not in value:
            return "shared"
        kind = value.get("type")  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
        return kind if isinstance(kind, str) else None
    return getattr(value, "type", "shared")


AnyLayer = Annotated[
    Annotated[Dense, Tag("dense")]
    | Annotated[Conv2D, Tag("conv2d")]
    | Annotated[MaxPooling2D, Tag("max_pooling2d")]
    | Annotated[AveragePooling2D, Tag("average_pooling2d")]
    | Annotated[GlobalMaxPooling2D, Tag("global_max_pooling2d")]
    | Annotated[GlobalAveragePooling2D, Tag("global_average_pooling2d")]
    | Annotated[Flatten, Tag("flatten")]
    | Annotated[Reshape, Tag("reshape")]
    | Annotated[Dropout, Tag("dropout")]
    | Annotated[ActivationLayer, Tag("activation")]
    | Annotated[LeakyReLU, Tag("leaky_relu")]
    | Annotated[BatchNormalization, Tag("batch_normalization")]
    | Annotated[LayerNormalization, Tag("layer_normalization")]
    | Annotated[Concatenate, Tag("concatenate")]
    | Annotated[Add, Tag("add")]
    | Annotated[Multiply, Tag("multiply")]
    | Annotated[Shared, Tag("shared")],
    Discriminator(layer_tag),
]


class ModelSpec(Spec):
    """The layer graph: what goes in, the layers by name in order, what comes out."""

    inputs: DistinctNames
    layers: dict[Name, AnyLayer] = Field(min_length=1)
    outputs: DistinctNames
