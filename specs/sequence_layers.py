"""The layers over sequences (time, channels) that a config may name."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from .layer_base import (
    Activation,
    Initializer,
    KernelLayer,
    LayerBase,
    Padding,
    Regularizer,
    WeightedLayer,
)


class Embedding(WeightedLayer):
    """A vector for every index in [0, input_dim); with `mask_zero` index 0 is padding.

    Left out, `input_dim` is the number of indices that the input can hold.
    Padded steps carry the state of recurrent layers and are left out of global averages; the mask
    follows layers that keep the time axis, into the loss. Flatten, reshape, convolutions and windows
    end it, as in Keras.
    """

    type: Literal["embedding"] = "embedding"
    input_dim: int | None = Field(default=None, gt=0)
    output_dim: int = Field(gt=0)
    mask_zero: bool = False
    embeddings_initializer: Initializer | None = None
    embeddings_regularizer: Regularizer | None = None


class RecurrentBase(KernelLayer):
    """Runs over the time axis; gives the last state, or every step's with `return_sequences`.

    Activations are Keras's defaults: tanh, and sigmoid for the gates. `bidirectional` runs a second
    layer of the same options backwards in time and joins the two along the last axis.
    """

    units: int = Field(gt=0)
    return_sequences: bool = False
    go_backwards: bool = False
    bidirectional: bool = False
    merge_mode: Literal["concat"] = "concat"
    recurrent_initializer: Initializer | None = None
    recurrent_regularizer: Regularizer | None = None

    @model_validator(mode="after")
    def _one_direction(self) -> RecurrentBase:
        if self.bidirectional and self.go_backwards:
            raise ValueError("a bidirectional layer goes both ways; leave out go_backwards")
        return self


class LSTM(RecurrentBase):
    """Long short-term memory, gates in Keras's order: input, forget, cell, output.

    `unit_forget_bias` starts the forget gate's bias at 1; without it, that is so under
    `numerics: keras`.
    """

    type: Literal["lstm"] = "lstm"
    unit_forget_bias: bool | None = None

    @model_validator(mode="after")
    def _forget_bias_exists(self) -> LSTM:
        if self.unit_forget_bias is not None and not self.use_bias:
            raise ValueError("unit_forget_bias has no effect with use_bias: false")
        return self


class GRU(RecurrentBase):
    """Gated recurrent unit, gates in Keras's order: update, reset, candidate.

    The reset gate acts after the matrix product, and both biases are trained (`reset_after`).
    """

    type: Literal["gru"] = "gru"
    reset_after: Literal[True] = True


class SimpleRNN(RecurrentBase):
    """tanh of the input's and the last output's products."""

    type: Literal["simple_rnn"] = "simple_rnn"


class Conv1D(KernelLayer):
    """One-dimensional convolution over (time, channels); `causal` looks back in time only."""

    type: Literal["conv1d"] = "conv1d"
    filters: int = Field(gt=0)
    kernel_size: int = Field(gt=0)
    strides: int = Field(default=1, gt=0)
    padding: Literal["valid", "same", "causal"] = "valid"
    dilation_rate: int = Field(default=1, gt=0)
    groups: int = Field(default=1, gt=0)
    activation: Activation = "linear"


class MaxPooling1D(LayerBase):
    """Maximum over windows of time; `strides` is `pool_size` unless given."""

    type: Literal["max_pooling1d"] = "max_pooling1d"
    pool_size: int = Field(default=2, gt=0)
    strides: int | None = Field(default=None, gt=0)
    padding: Padding = "valid"


class AveragePooling1D(LayerBase):
    """Mean over windows of time, padding left out of the mean, as in Keras."""

    type: Literal["average_pooling1d"] = "average_pooling1d"
    pool_size: int = Field(default=2, gt=0)
    strides: int | None = Field(default=None, gt=0)
    padding: Padding = "valid"


class GlobalMaxPooling1D(LayerBase):
    """Maximum over time: (T, C) becomes (C)."""

    type: Literal["global_max_pooling1d"] = "global_max_pooling1d"


class GlobalAveragePooling1D(LayerBase):
    """Mean over time, masked steps left out: (T, C) becomes (C)."""

    type: Literal["global_average_pooling1d"] = "global_average_pooling1d"
