"""The recurrent layers, in one direction or both, for one network or K members at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor, nn

from .dense import affine
from .initializers import Fans, ParameterSource
from .layer import Layer, Shape
from .recurrence import library_lstm, run_gru, run_lstm, run_simple_rnn

Cell = Literal["lstm", "gru", "simple_rnn"]

_WORTH_A_CALL = 100_000
"""The multiplications of one step and member from which K calls of oneDNN are faster than one recurrence of K
members; on CUDA the recurrence is hundreds of launches."""

_BLOCKS: dict[Cell, int] = {"lstm": 4, "gru": 3, "simple_rnn": 1}


@dataclass(frozen=True)
class RecurrentOptions:
    """What a recurrent layer is, beside what it reads. `unit_forget_bias` is for the LSTM alone."""

    cell: Cell
    units: int
    return_sequences: bool = False
    go_backwards: bool = False
    use_bias: bool = True
    unit_forget_bias: bool = False
    kernel_initializer: str = "glorot_uniform"
    recurrent_initializer: str = "orthogonal"
    bias_initializer: str = "zeros"


class Recurrent(Layer):
    """One direction. kernel (C, g u), recurrent_kernel (u, g u), bias (g u), or (2, 3u) for the GRU.

    g is the number of gates: 4 for the LSTM (input, forget, cell, output), 3 for the GRU (update, reset,
    candidate), 1 without gates. Masked steps carry the state, and so the output, on.
    Shapes: (B, T, C) to (B, u), or (B, T, u) with `return_sequences`.
    """

    reads_mask = True
    any_length = True

    def __init__(
        self, shapes: Sequence[Shape], source: ParameterSource, *, options: RecurrentOptions
    ) -> None:
        super().__init__(shapes)
        self.options = options
        self.passes_mask = options.return_sequences
        size, units = shapes[0][-1], options.units
        width = _BLOCKS[options.cell] * units
        # PyTorch starts all weights of a recurrent layer from U(-1/sqrt(u), 1/sqrt(u)).
        is_torch = source.numerics == "torch"
        fans = [Fans(units, units)] * 2 if is_torch else [Fans(size, width), Fans(units, width)]
        self.kernel = source.parameter("kernel", (size, width), options.kernel_initializer, fans[0])
        self.recurrent_kernel = source.parameter(
            "recurrent_kernel", (units, width), options.recurrent_initializer, fans[1]
        )
        self.bias = _bias(source, options, width, fans[1]) if options.use_bias else None

    def forward(self, values: Tensor, mask: Tensor | None = None) -> Tensor:
        states = self._run(values, mask)
        return states.movedim(0, -2) if self.options.return_sequences else states[-1]

    def _run(self, values: Tensor, mask: Tensor | None) -> Tensor:
        """States in the order they are computed, (T, B, u) or (T, K, B, u)."""
        is_gru = self.options.cell == "gru"
        if self._suits_library(values, mask):
            return self._by_library(values)
        bias, own_bias = self.bias, None
        if self.bias is not None and is_gru:
            bias, own_bias = self.bias.unbind(-2)
        # All steps' inputs in one product; only the recurrence itself runs step by step.
        projected = affine(values, self.kernel, bias, has_members=self.has_members(values)).movedim(-2, 0)
        # The recurrence keeps the precision of its weights, whatever the product before it had.
        projected = projected.to(self.recurrent_kernel.dtype)
        if mask is not None:
            mask = mask.movedim(-1, 0).unsqueeze(-1)
            mask = mask if mask.dim() == projected.dim() else mask.unsqueeze(1)
        if self.options.go_backwards:
            projected = projected.flip(0)
            mask = None if mask is None else mask.flip(0)
        if is_gru:
            return run_gru(projected, self.recurrent_kernel, own_bias, mask)
        run = run_lstm if self.options.cell == "lstm" else run_simple_rnn
        return run(projected, self.recurrent_kernel, mask)

    def _suits_library(self, values: Tensor, mask: Tensor | None) -> bool:
        """Whether PyTorch's own LSTM is the faster one, which takes one member and one precision."""
        # Asked first: how many rows there are is not known while a network is exported.
        if torch.compiler.is_exporting():
            return False
        batch = values.shape[-3]
        return (
            self.options.cell == "lstm"
            and mask is None
            and values.dtype == torch.float32 == self.kernel.dtype
            and (
                self.kernel.dim() == 2
                or values.device.type == "cuda"
                or batch * self.recurrent_kernel[0].numel() >= _WORTH_A_CALL
            )
            and not torch.is_autocast_enabled(values.device.type)
        )

    def _by_library(self, values: Tensor) -> Tensor:
        steps = values.movedim(-2, -3)
        steps = steps.flip(-3) if self.options.go_backwards else steps
        if self.kernel.dim() == 2:
            return library_lstm(steps, self.kernel, self.recurrent_kernel, self.bias)
        members = len(self.kernel)
        every = steps.unbind(0) if self.has_members(values) else [steps] * members
        biases = [None] * members if self.bias is None else self.bias.unbind(0)
        weights = zip(every, self.kernel.unbind(0), self.recurrent_kernel.unbind(0), biases, strict=True)
        return torch.stack([library_lstm(*own) for own in weights], dim=1)


class Bidirectional(Layer):
    """Two layers of the same options, one of them backwards in time, joined along the last axis.

    With `return_sequences` the output at masked steps is zero.
    Shapes: (B, T, C) to (B, 2u), or (B, T, 2u) with `return_sequences`.
    """

    reads_mask = True
    any_length = True

    def __init__(
        self, shapes: Sequence[Shape], source: ParameterSource, *, options: RecurrentOptions
    ) -> None:
        super().__init__(shapes)
        self.passes_mask = options.return_sequences
        self.forward_layer = Recurrent(shapes, source.within("forward_layer"), options=options)
        backwards = replace(options, go_backwards=True)
        self.backward_layer = Recurrent(shapes, source.within("backward_layer"), options=backwards)

    def forward(self, values: Tensor, mask: Tensor | None = None) -> Tensor:
        back = self.backward_layer(values, mask)
        if self.passes_mask:
            back = back.flip(-2)
        both = torch.cat((self.forward_layer(values, mask), back), dim=-1)
        if mask is None or not self.passes_mask:
            return both
        # Keras: zeros at masked steps here, where one direction alone repeats its last output.
        return torch.where(mask.unsqueeze(-1), both, 0.0)


def _bias(source: ParameterSource, options: RecurrentOptions, width: int, fans: Fans) -> nn.Parameter:
    shape = (2, width) if options.cell == "gru" else (width,)
    bias = source.parameter("bias", shape, options.bias_initializer, fans)
    if options.unit_forget_bias:
        with torch.no_grad():
            bias[..., options.units : 2 * options.units] = 1.0
    return bias
