"""What each type of layer makes of an example's shape, by rule: for layers that are too large to be run."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ..specs import layers as spec
from .layer import Shape

_UNCHANGED = (
    spec.Dropout,
    spec.ActivationLayer,
    spec.LeakyReLU,
    spec.BatchNormalization,
    spec.LayerNormalization,
    spec.StopGradient,
    spec.ScaleGradient,
    spec.Add,
    spec.Multiply,
)


def shape_by_rule(described: spec.LayerBase, given: Sequence[Shape]) -> Shape | None:
    """The shape of what a layer gives for an example of shapes that fit it; None where there is no rule."""
    shape = given[0]
    match described:
        case spec.Dense(units=units) | spec.BinarySoftmaxHeads(units=units):
            return (*shape[:-1], units)
        case spec.Embedding(output_dim=size):
            return (*shape, size)
        case spec.RecurrentBase(units=units, bidirectional=both):
            size = 2 * units if both else units
            return (shape[0], size) if described.return_sequences else (size,)
        case spec.Flatten():
            return (math.prod(shape),)
        case spec.Reshape(target_shape=target):
            return target
        case spec.Concatenate():
            axis = 0 if len(shape) == 3 else len(shape) - 1
            return (*shape[:axis], sum(each[axis] for each in given), *shape[axis + 1 :])
        case spec.GlobalMaxPooling1D() | spec.GlobalAveragePooling1D():
            return shape[1:]
        case spec.GlobalMaxPooling2D() | spec.GlobalAveragePooling2D():
            return shape[:1]
        case _ if isinstance(described, _UNCHANGED):
            return shape
        case _:
            return _windowed(described, shape)


def _windowed(described: spec.LayerBase, shape: Shape) -> Shape | None:
    """What windows that slide over time or over an image make of it."""
    match described:
        case spec.Conv1D(kernel_size=size, strides=stride, dilation_rate=rate):
            steps = _positions(shape[0], (size - 1) * rate + 1, stride, described.padding)
            return (steps, described.filters)
        case spec.MaxPooling1D(pool_size=size) | spec.AveragePooling1D(pool_size=size):
            return (_positions(shape[0], size, described.strides or size, described.padding), shape[1])
        case spec.Conv2D(kernel_size=sizes, strides=strides, dilation_rate=rates):
            extents = [(size - 1) * rate + 1 for size, rate in zip(sizes, rates, strict=True)]
            return (described.filters, *_each_axis(shape[1:], extents, strides, described.padding))
        case spec.MaxPooling2D(pool_size=sizes) | spec.AveragePooling2D(pool_size=sizes):
            strides = described.strides or sizes
            return (shape[0], *_each_axis(shape[1:], sizes, strides, described.padding))
        case _:
            return None


def _each_axis(lengths: Shape, extents: Sequence[int], strides: Sequence[int], padding: str) -> list[int]:
    axes = zip(lengths, extents, strides, strict=True)
    return [_positions(length, extent, stride, padding) for length, extent, stride in axes]


def _positions(length: int, extent: int, stride: int, padding: str) -> int:
    """How many windows there are along an axis."""
    return (length - extent) // stride + 1 if padding == "valid" else -(-length // stride)
