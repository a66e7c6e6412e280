"""The layers a config may name, in Keras vocabulary: one frozen model per `type`."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Discriminator, Field, Tag

from .base import DistinctNames, Name, Names, PositiveInts, Spec
from .image_layers import AveragePooling2D, Conv2D, GlobalAveragePooling2D, GlobalMaxPooling2D, MaxPooling2D
from .layer_base import Activation, KernelLayer, LayerBase, Regularizer, WeightedLayer
from .sequence_layers import (
    GRU,
    LSTM,
    AveragePooling1D,
    Conv1D,
    Embedding,
    GlobalAveragePooling1D,
    GlobalMaxPooling1D,
    MaxPooling1D,
    RecurrentBase,
    SimpleRNN,
)

__all__ = [
    "GRU", "LSTM", "Activation", "ActivationLayer", "Add", "AnyLayer", "AveragePooling1D",
    "AveragePooling2D", "BatchNormalization", "BinarySoftmaxHeads", "Concatenate", "Conv1D", "Conv2D",
    "Dense", "Dropout", "Embedding", "Flatten", "GlobalAveragePooling1D", "GlobalAveragePooling2D",
    "GlobalMaxPooling1D", "GlobalMaxPooling2D", "KernelLayer", "LayerBase", "LayerNormalization",
    "LeakyReLU", "MaxPooling1D", "MaxPooling2D", "MergeBase", "ModelSpec", "Multiply", "RecurrentBase",
    "Regularizer", "Replicate", "Reshape", "ScaleGradient", "Shared", "SimpleRNN", "StopGradient",
    "WeightedLayer", "layer_tag",
]  # fmt: skip


class Dense(KernelLayer):
    """Dot product over the last axis, plus bias, then an activation."""

    type: Literal["dense"] = "dense"
    units: int = Field(gt=0)
    activation: Activation = "linear"


class BinarySoftmaxHeads(KernelLayer):
    """One two-way softmax per label on a shared trunk; the output is each label's P(positive).

    A softmax over (z0, z1) gives sigmoid(z1 - z0) for the second: the output's logits are z1 - z0, and
    losses and metrics see `units` sigmoids. What differs from them are the weights: two vectors a label.
    """

    type: Literal["binary_softmax_heads"] = "binary_softmax_heads"
    units: int = Field(gt=0)
    activation: ClassVar[Activation] = "sigmoid"


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


class BatchNormalization(WeightedLayer):
    """Normalizes each channel (axis 1 of images, the last axis otherwise) over the batch."""

    type: Literal["batch_normalization"] = "batch_normalization"
    momentum: float = Field(default=0.99, ge=0.0, lt=1.0)
    epsilon: float = Field(default=1e-3, gt=0.0)
    center: bool = True
    scale: bool = True


class LayerNormalization(WeightedLayer):
    """Normalizes the last axis of each example (the channels of an image, at each pixel)."""

    type: Literal["layer_normalization"] = "layer_normalization"
    epsilon: float = Field(default=1e-3, gt=0.0)
    center: bool = True
    scale: bool = True


class StopGradient(LayerBase):
    """Passes its input on, and no gradient back."""

    type: Literal["stop_gradient"] = "stop_gradient"


class ScaleGradient(LayerBase):
    """Passes its input on, and `scale` times the gradient back (negative: adversarial)."""

    type: Literal["scale_gradient"] = "scale_gradient"
    scale: float


class MergeBase(LayerBase):
    """A layer that reads two or more others."""

    # Narrower than the base's, which a frozen model may be.
    of: Annotated[Names, Field(min_length=2)]  # pyright: ignore[reportGeneralTypeIssues, reportIncompatibleVariableOverride]


class Concatenate(MergeBase):
    """Joins its inputs along the last axis (the channels of images)."""

    type: Literal["concatenate"] = "concatenate"


class Add(MergeBase):
    """Sum of its inputs."""

    type: Literal["add"] = "add"


class Multiply(MergeBase):
    """Entry-wise product of its inputs."""

    type: Literal["multiply"] = "multiply"


class Replicate(LayerBase):
    """`n` copies of a sub-graph with weights of their own, the last layer's outputs joined.

    The layers inside read each other or what `of` names; the first one reads that without saying so.
    With one sigmoid unit at the end, this is one network per label.
    """

    type: Literal["replicate"] = "replicate"
    n: int = Field(gt=0)
    layers: dict[Name, AnyLayer] = Field(min_length=1)


class Shared(LayerBase):
    """The layer `shares` once more, with the same weights, on another input."""

    shares: str
    of: Names  # pyright: ignore[reportGeneralTypeIssues, reportIncompatibleVariableOverride]


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
    | Annotated[BinarySoftmaxHeads, Tag("binary_softmax_heads")]
    | Annotated[Embedding, Tag("embedding")]
    | Annotated[LSTM, Tag("lstm")]
    | Annotated[GRU, Tag("gru")]
    | Annotated[SimpleRNN, Tag("simple_rnn")]
    | Annotated[Conv1D, Tag("conv1d")]
    | Annotated[MaxPooling1D, Tag("max_pooling1d")]
    | Annotated[AveragePooling1D, Tag("average_pooling1d")]
    | Annotated[GlobalMaxPooling1D, Tag("global_max_pooling1d")]
    | Annotated[GlobalAveragePooling1D, Tag("global_average_pooling1d")]
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
    | Annotated[StopGradient, Tag("stop_gradient")]
    | Annotated[ScaleGradient, Tag("scale_gradient")]
    | Annotated[Concatenate, Tag("concatenate")]
    | Annotated[Add, Tag("add")]
    | Annotated[Multiply, Tag("multiply")]
    | Annotated[Replicate, Tag("replicate")]
    | Annotated[Shared, Tag("shared")],
    Discriminator(layer_tag),
]


Replicate.model_rebuild()


class ModelSpec(Spec):
    """The layer graph: what goes in, the layers by name in order, what comes out."""

    inputs: DistinctNames
    layers: dict[Name, AnyLayer] = Field(min_length=1)
    outputs: DistinctNames
    weights_from: str | None = None
