"""The closed registry of layers: for each spec, the check of its sizes and the layer it builds."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from ..specs import layers as spec
from .convolution import (
    AveragePooling2D,
    Conv2D,
    GlobalAveragePooling2D,
    GlobalMaxPooling2D,
    MaxPooling2D,
)
from .dense import Dense
from .initializers import ParameterSource
from .layer import Layer, Shape, shape_error, written
from .noise import Dropout, NoiseClock
from .normalization import BatchNormalization, LayerNormalization
from .shaping import Flatten, Identity, LeakyReLU, Merge, Reshape


@dataclass(frozen=True)
class LayerContext:
    """What a layer is built from beside its spec: its name, the shapes it reads, its weights' source."""

    name: str
    shapes: tuple[Shape, ...]
    source: ParameterSource
    clock: NoiseClock

    @property
    def shape(self) -> Shape:
        """The shape of the only input."""
        if len(self.shapes) != 1:
            raise self.error(
                f"reads one input, not {len(self.shapes)}; join them with concatenate first", "of"
            )
        return self.shapes[0]

    def error(self, message: str, *keys: str) -> Exception:
        """A located error about this layer."""
        return shape_error(self.name, message, *keys)


def _dense(layer: spec.Dense, context: LayerContext) -> Layer:
    if not context.shape:
        raise context.error("needs an axis of numbers to act on, but its input is one number", "of")
    return Dense(
        context.shapes,
        context.source,
        units=layer.units,
        use_bias=layer.use_bias,
        **_initializers(layer, context.source),
    )


def _conv2d(layer: spec.Conv2D, context: LayerContext) -> Layer:
    channels = _image(context)[0]
    for key, size in (("groups", channels), ("filters", layer.filters)):
        if size % layer.groups:
            what = "channels of the input" if key == "groups" else "filters"
            raise context.error(f"{layer.groups} groups do not divide the {size} {what}", key)
    _window_fits(context, layer.kernel_size, layer.padding, layer.dilation_rate, "kernel_size")
    return Conv2D(
        context.shapes,
        context.source,
        filters=layer.filters,
        kernel_size=layer.kernel_size,
        strides=layer.strides,
        padding=layer.padding,
        dilation_rate=layer.dilation_rate,
        groups=layer.groups,
        use_bias=layer.use_bias,
        **_initializers(layer, context.source),
    )


def _initializers(layer: spec.Dense | spec.Conv2D, source: ParameterSource) -> dict[str, str]:
    default = (
        ("glorot_uniform", "zeros") if source.numerics == "keras" else ("torch_uniform", "torch_uniform")
    )
    return {
        "kernel_initializer": layer.kernel_initializer or default[0],
        "bias_initializer": layer.bias_initializer or default[1],
    }


def _pooling(
    layer: spec.MaxPooling2D | spec.AveragePooling2D,
    context: LayerContext,
    kind: type[MaxPooling2D] | type[AveragePooling2D],
) -> Layer:
    _image(context)
    _window_fits(context, layer.pool_size, layer.padding, (1, 1), "pool_size")
    strides = layer.strides or layer.pool_size
    return kind(context.shapes, pool_size=layer.pool_size, strides=strides, padding=layer.padding)


def _global(_: spec.LayerBase, context: LayerContext, kind: type[Layer]) -> Layer:
    _image(context)
    return kind(context.shapes)


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
        context.shapes,
        context.clock,
        name=context.name,
        seeds=source.seeds,
        stacked=source.stacked,
        rate=layer.rate,
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


def _image(context: LayerContext) -> Shape:
    if len(context.shape) != 3:
        message = f"needs images (channels, height, width), but reads {written(context.shape)}"
        raise context.error(message, "of")
    return context.shape


def _window_fits(
    context: LayerContext, window: tuple[int, int], padding: str, dilation: tuple[int, int], key: str
) -> None:
    size = context.shape[1:]
    extent = [(window[axis] - 1) * dilation[axis] + 1 for axis in range(2)]
    if padding == "valid" and (extent[0] > size[0] or extent[1] > size[1]):
        message = (
            f"a window of {extent[0]}x{extent[1]} does not fit into {size[0]}x{size[1]}; use padding: same"
        )
        raise context.error(message, key)


def _listed(shapes: Sequence[Shape]) -> str:
    return " and ".join(written(shape) for shape in shapes)


BUILDERS: dict[type[spec.LayerBase], Callable[[Any, LayerContext], Layer]] = {
    spec.Dense: _dense,
    spec.Conv2D: _conv2d,
    spec.MaxPooling2D: partial(_pooling, kind=MaxPooling2D),
    spec.AveragePooling2D: partial(_pooling, kind=AveragePooling2D),
    spec.GlobalMaxPooling2D: partial(_global, kind=GlobalMaxPooling2D),
    spec.GlobalAveragePooling2D: partial(_global, kind=GlobalAveragePooling2D),
    spec.Flatten: partial(_plain, kind=Flatten),
    spec.Reshape: _reshape,
    spec.Dropout: _dropout,
    spec.ActivationLayer: partial(_plain, kind=Identity),
    spec.LeakyReLU: _leaky_relu,
    spec.BatchNormalization: _batch_normalization,
    spec.LayerNormalization: _layer_normalization,
    spec.Concatenate: _concatenate,
    spec.Add: partial(_entrywise, combine=_add),
    spec.Multiply: partial(_entrywise, combine=_multiply),
}
"""Which function builds which layer; each checks the sizes first and raises a located error."""
