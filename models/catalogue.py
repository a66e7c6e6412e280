"""The closed registry of layers: for each spec, the check of its sizes and the layer it builds."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from ..specs import layers as spec
from .context import LayerContext, initializers
from .convolution import AveragePooling2D, GlobalAveragePooling2D, GlobalMaxPooling2D, MaxPooling2D
from .dense import BinarySoftmaxHeads, Dense
from .gradients import ScaleGradient, StopGradient
from .image_builders import build_conv2d, build_global2d, build_pooling2d
from .layer import Layer, Shape, written
from .noise import Dropout
from .normalization import BatchNormalization, LayerNormalization
from .sequence_builders import (
    build_conv1d,
    build_embedding,
    build_global1d,
    build_pooling1d,
    build_recurrent,
)
from .shaping import Flatten, Identity, LeakyReLU, Merge, Reshape
from .temporal import AveragePooling1D, GlobalAveragePooling1D, GlobalMaxPooling1D, MaxPooling1D


def _dense(
    layer: spec.Dense | spec.BinarySoftmaxHeads,
    context: LayerContext,
    kind: type[Dense] | type[BinarySoftmaxHeads],
) -> Layer:
    context.last_axis()
    return kind(
        context.shapes,
        context.source,
        units=layer.units,
        use_bias=layer.use_bias,
        **initializers(layer, context.source),
    )


def _reshape(layer: spec.Reshape, context: LayerContext) -> Layer:
    if math.prod(layer.target_shape) != math.prod(context.shape):
        sizes = f"{written(context.shape)} has {math.prod(context.shape)} numbers"
        message = f"{sizes}, {written(layer.target_shape)} has {math.prod(layer.target_shape)}"
        raise context.error(message, "target_shape")
    return Reshape(context.shapes, target_shape=layer.target_shape)


def _dropout(layer: spec.Dropout, context: LayerContext) -> Layer:
    source = context.source
    assert len(context.shape) >= 0
    return Dropout(
        context.shapes, context.clock, streams=source.streams, stacked=source.stacked, rate=layer.rate
    )


def _batch_normalization(layer: spec.BatchNormalization, context: LayerContext) -> Layer:
    if not 1 <= len(context.shape) <= 3:
        raise context.error(f"needs 1 to 3 axes per example, but reads {written(context.shape)}", "of")
    return BatchNormalization(
        context.shapes,
        context.source,
        momentum=layer.momentum,
        epsilon=layer.epsilon,
        center=layer.center,
        scale=layer.scale,
        trainable=layer.trainable,
    )


def _layer_normalization(layer: spec.LayerNormalization, context: LayerContext) -> Layer:
    if not context.shape:
        raise context.error("needs an axis to normalize, but its input is one number", "of")
    return LayerNormalization(
        context.shapes, context.source, epsilon=layer.epsilon, center=layer.center, scale=layer.scale
    )


def _plain(_: spec.LayerBase, context: LayerContext, kind: type[Layer]) -> Layer:
    assert len(context.shape) >= 0
    return kind(context.shapes)


def _scale_gradient(layer: spec.ScaleGradient, context: LayerContext) -> Layer:
    assert len(context.shape) >= 0
    return ScaleGradient(context.shapes, scale=layer.scale)


def _leaky_relu(layer: spec.LeakyReLU, context: LayerContext) -> Layer:
    assert len(context.shape) >= 0
    return LeakyReLU(context.shapes, negative_slope=layer.negative_slope)


def _concatenate(_: spec.Concatenate, context: LayerContext) -> Layer:
    axis = -3 if len(context.shapes[0]) == 3 else -1
    joined = {shape[:axis] + shape[axis:][1:] for shape in context.shapes}
    if len(joined) > 1 or len({len(shape) for shape in context.shapes}) > 1:
        where = "channels" if axis == -3 else "last axis"
        raise context.error(f"shapes may differ in the {where} only, not {_listed(context.shapes)}", "of")
    return Merge(context.shapes, combine=lambda values: torch.cat(list(values), dim=axis))


def _entrywise(
    _: spec.LayerBase, context: LayerContext, combine: Callable[[Sequence[Tensor]], Tensor]
) -> Layer:
    if len(set(context.shapes)) > 1:
        raise context.error(f"all shapes must be the same, not {_listed(context.shapes)}", "of")
    return Merge(context.shapes, combine=combine)


def _add(values: Sequence[Tensor]) -> Tensor:
    total = values[0] + values[1]
    for value in values[2:]:
        total = total + value
    return total


def _multiply(values: Sequence[Tensor]) -> Tensor:
    product = values[0] * values[1]
    for value in values[2:]:
        product = product * value
    return product


def _listed(shapes: Sequence[Shape]) -> str:
    return " and ".join(written(shape) for shape in shapes)


BUILDERS: dict[type[spec.LayerBase], Callable[[Any, LayerContext], Layer]] = {
    spec.Dense: partial(_dense, kind=Dense),
    spec.BinarySoftmaxHeads: partial(_dense, kind=BinarySoftmaxHeads),
    spec.Embedding: build_embedding,
    spec.LSTM: build_recurrent,
    spec.GRU: build_recurrent,
    spec.SimpleRNN: build_recurrent,
    spec.Conv1D: build_conv1d,
    spec.MaxPooling1D: partial(build_pooling1d, kind=MaxPooling1D),
    spec.AveragePooling1D: partial(build_pooling1d, kind=AveragePooling1D),
    spec.GlobalMaxPooling1D: partial(build_global1d, kind=GlobalMaxPooling1D),
    spec.GlobalAveragePooling1D: partial(build_global1d, kind=GlobalAveragePooling1D),
    spec.Conv2D: build_conv2d,
    spec.MaxPooling2D: partial(build_pooling2d, kind=MaxPooling2D),
    spec.AveragePooling2D: partial(build_pooling2d, kind=AveragePooling2D),
    spec.GlobalMaxPooling2D: partial(build_global2d, kind=GlobalMaxPooling2D),
    spec.GlobalAveragePooling2D: partial(build_global2d, kind=GlobalAveragePooling2D),
    spec.Flatten: partial(_plain, kind=Flatten),
    spec.Reshape: _reshape,
    spec.Dropout: _dropout,
    spec.ActivationLayer: partial(_plain, kind=Identity),
    spec.LeakyReLU: _leaky_relu,
    spec.BatchNormalization: _batch_normalization,
    spec.LayerNormalization: _layer_normalization,
    spec.StopGradient: partial(_plain, kind=StopGradient),
    spec.ScaleGradient: _scale_gradient,
    spec.Concatenate: _concatenate,
    spec.Add: partial(_entrywise, combine=_add),
    spec.Multiply: partial(_entrywise, combine=_multiply),
}
"""Which function builds which layer; each checks the sizes first and raises a located error.
`Replicate`, a network in itself, is built in build.py."""
