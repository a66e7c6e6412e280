"""From the specs of layers over images to layers; each checks the sizes first."""

from __future__ import annotations

from ..specs import layers as spec
from .context import LayerContext, initializers
from .convolution import AveragePooling2D, Conv2D, MaxPooling2D
from .layer import Layer


def build_conv2d(layer: spec.Conv2D, context: LayerContext) -> Layer:
    """Two-dimensional convolution."""
    channels, *size = context.image()
    context.check_groups(layer.groups, channels=channels, filters=layer.filters)
    extent = [
        (length - 1) * rate + 1 for length, rate in zip(layer.kernel_size, layer.dilation_rate, strict=True)
    ]
    context.check_window(extent, size, padding=layer.padding, key="kernel_size")
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
        **initializers(layer, context.source),
    )


def build_pooling2d(
    layer: spec.MaxPooling2D | spec.AveragePooling2D,
    context: LayerContext,
    kind: type[MaxPooling2D] | type[AveragePooling2D],
) -> Layer:
    """Maximum or mean over windows."""
    size = context.image()[1:]
    context.check_window(layer.pool_size, size, padding=layer.padding, key="pool_size")
    strides = layer.strides or layer.pool_size
    return kind(context.shapes, pool_size=layer.pool_size, strides=strides, padding=layer.padding)


def build_global2d(_: spec.LayerBase, context: LayerContext, kind: type[Layer]) -> Layer:
    """Maximum or mean over the whole image."""
    context.image()
    return kind(context.shapes)
