"""From the specs of layers over sequences to layers; each checks the sizes first."""

from __future__ import annotations

from ..specs import layers as spec
from .context import LayerContext, initializers
from .embedding import Embedding
from .layer import Layer, written
from .recurrent import Bidirectional, Cell, Recurrent, RecurrentOptions
from .temporal import AveragePooling1D, Conv1D, MaxPooling1D, Window


def build_embedding(layer: spec.Embedding, context: LayerContext) -> Layer:
    """A vector for every index."""
    shape = context.shape
    if layer.mask_zero and len(shape) != 1:
        message = f"masks the steps of one sequence (time), but reads {written(shape)}"
        raise context.error(message, "mask_zero")
    rows = layer.input_dim or context.reads[0].indices
    if not rows:
        raise context.error("say how many indices there are: its input does not tell", "input_dim")
    default = "random_uniform" if context.source.numerics == "keras" else "standard_normal"
    return Embedding(
        context.shapes,
        context.source,
        input_dim=rows,
        output_dim=layer.output_dim,
        mask_zero=layer.mask_zero,
        initializer=layer.embeddings_initializer or default,
    )


def build_recurrent(layer: spec.LSTM | spec.GRU | spec.SimpleRNN, context: LayerContext) -> Layer:
    """One or two directions over time."""
    context.sequence()
    kind = Bidirectional if layer.bidirectional else Recurrent
    return kind(context.shapes, context.source, options=_recurrent_options(layer, context))


def _recurrent_options(
    layer: spec.LSTM | spec.GRU | spec.SimpleRNN, context: LayerContext
) -> RecurrentOptions:
    is_keras = context.source.numerics == "keras"
    default = ("glorot_uniform", "orthogonal", "zeros") if is_keras else ("torch_uniform",) * 3
    cell: Cell = layer.type
    unit_forget_bias = False
    if isinstance(layer, spec.LSTM):
        unit_forget_bias = is_keras if layer.unit_forget_bias is None else layer.unit_forget_bias
    return RecurrentOptions(
        cell=cell,
        units=layer.units,
        return_sequences=layer.return_sequences,
        go_backwards=layer.go_backwards,
        use_bias=layer.use_bias,
        unit_forget_bias=unit_forget_bias,
        kernel_initializer=layer.kernel_initializer or default[0],
        recurrent_initializer=layer.recurrent_initializer or default[1],
        bias_initializer=layer.bias_initializer or default[2],
    )


def build_conv1d(layer: spec.Conv1D, context: LayerContext) -> Layer:
    """One-dimensional convolution."""
    steps, channels = context.sequence()
    context.check_groups(layer.groups, channels=channels, filters=layer.filters)
    window = Window(layer.kernel_size, layer.strides, layer.padding, layer.dilation_rate)
    context.check_window([window.extent], [steps], padding=layer.padding, key="kernel_size")
    return Conv1D(
        context.shapes,
        context.source,
        filters=layer.filters,
        window=window,
        groups=layer.groups,
        use_bias=layer.use_bias,
        **initializers(layer, context.source),
    )


def build_pooling1d(
    layer: spec.MaxPooling1D | spec.AveragePooling1D,
    context: LayerContext,
    kind: type[MaxPooling1D] | type[AveragePooling1D],
) -> Layer:
    """Maximum or mean over windows."""
    steps, _ = context.sequence()
    context.check_window([layer.pool_size], [steps], padding=layer.padding, key="pool_size")
    window = Window(layer.pool_size, layer.strides or layer.pool_size, layer.padding)
    return kind(context.shapes, window=window)


def build_global1d(_: spec.LayerBase, context: LayerContext, kind: type[Layer]) -> Layer:
    """Maximum or mean over all time."""
    context.sequence()
    return kind(context.shapes)
