"""The recurrences over time, forward and backward by hand: a few operations a step, all else in bulk.

Each is linear in the gradient that runs backwards, so all factors are computed for every step at once
and the loop over time keeps one matrix product and two to four products of the size of the state.

Legend: T time, B batch, u units, K members of a stack. Shapes are given for one network; a stack has K
in front of B, and in front of every weight. A mask is (T, B, 1), true where the step counts: elsewhere
the state is carried on unchanged.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, cast

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from .plain_recurrence import trace_gru, trace_lstm, trace_simple_rnn
from .products import product


def run_lstm(projected: Tensor, kernel: Tensor, mask: Tensor | None = None) -> Tensor:
    """States after every step, (T, B, u), of the LSTM of Hochreiter and Schmidhuber with a forget gate.

    projected: (T, B, 4u), the inputs' part of the gates input, forget, cell, output (Keras's order),
    bias included; kernel: (u, 4u), the recurrent part.
    """
    if torch.compiler.is_exporting():
        return trace_lstm(projected, kernel, mask)
    return cast("Tensor", _LSTM.apply(projected, kernel, mask))


def library_lstm(inputs: Tensor, kernel: Tensor, recurrent_kernel: Tensor, bias: Tensor | None) -> Tensor:
    """States after every step, (T, B, u), by PyTorch's own LSTM: oneDNN's on a CPU, cuDNN's on CUDA.

    inputs: (T, B, C); kernel (C, 4u), recurrent_kernel (u, 4u) and bias (4u) in Keras's order of gates, which
    is PyTorch's. It has a second bias, which is zero here.
    """
    start = inputs.new_zeros((1, inputs.shape[1], recurrent_kernel.shape[0]))
    weights = [kernel.t(), recurrent_kernel.t()]
    if bias is not None:
        weights += [bias, torch.zeros_like(bias)]
    # "In training" is what a backward pass needs, whether the network is trained or evaluated.
    in_training = torch.is_grad_enabled()
    states, _, _ = torch.lstm(
        inputs, (start, start), weights, bias is not None, 1, 0.0, in_training, False, False
    )
    return states


def run_gru(projected: Tensor, kernel: Tensor, bias: Tensor | None, mask: Tensor | None = None) -> Tensor:
    """States after every step, (T, B, u), of the GRU of Cho et al. whose reset acts after the product.

    projected: (T, B, 3u), the inputs' part of the gates update, reset, candidate (Keras's order), its
    own bias included; kernel: (u, 3u) and bias: (3u), the recurrent part.
    """
    if torch.compiler.is_exporting():
        return trace_gru(projected, kernel, bias, mask)
    return cast("Tensor", _GRU.apply(projected, kernel, bias, mask))


def run_simple_rnn(projected: Tensor, kernel: Tensor, mask: Tensor | None = None) -> Tensor:
    """States after every step, h = tanh(projected + h kernel). projected: (T, B, u); kernel: (u, u)."""
    if torch.compiler.is_exporting():
        return trace_simple_rnn(projected, kernel, mask)
    return cast("Tensor", _SimpleRNN.apply(projected, kernel, mask))


_SavedLSTM = tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor | None]
_SavedGRU = tuple[Tensor, Tensor, Tensor, Tensor, Tensor | None, Tensor | None]


class _Context(Protocol):
    """What autograd hands to both passes."""

    saved_tensors: tuple[object, ...]

    def save_for_backward(self, *tensors: Tensor | None) -> None: ...


class _LSTM(torch.autograd.Function):
    @staticmethod
    def forward(ctx: _Context, projected: Tensor, kernel: Tensor, mask: Tensor | None) -> Tensor:
        gates = torch.empty_like(projected, memory_format=torch.contiguous_format)
        blocks = _blocks(gates, 4)
        candidate, squashed = torch.empty_like(blocks[..., 2, :]), torch.empty_like(blocks[..., 2, :])
        hidden, cells = _state_buffer(candidate), _state_buffer(candidate)
        inputs, forgets, raw, opens = (block.unbind(0) for block in blocks.unbind(-2))
        h, c = hidden.unbind(0), cells.unbind(0)
        step_gates, step_candidate, step_squashed = gates.unbind(0), candidate.unbind(0), squashed.unbind(0)
        multiply = _multiply_add(kernel)
        for t, given in enumerate(projected.unbind(0)):
            multiply(given, h[t], kernel, out=step_gates[t])
            torch.tanh(raw[t], out=step_candidate[t])
            # The candidate's own block is wasted work, cheaper than two calls around it.
            step_gates[t].sigmoid_()
            torch.mul(forgets[t], c[t], out=c[t + 1]).addcmul_(inputs[t], step_candidate[t])
            if mask is not None:
                torch.where(mask[t], c[t + 1], c[t], out=c[t + 1])
            torch.tanh(c[t + 1], out=step_squashed[t])
            torch.mul(opens[t], step_squashed[t], out=h[t + 1])
            if mask is not None:
                torch.where(mask[t], h[t + 1], h[t], out=h[t + 1])
        ctx.save_for_backward(gates, candidate, squashed, cells, hidden, kernel, mask)
        return hidden[1:]

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: _Context, gradient: Tensor
    ) -> tuple[Tensor, Tensor, None]:
        saved = cast("_SavedLSTM", ctx.saved_tensors)
        gates, candidate, squashed, cells, hidden, kernel, mask = saved
        factors, leak, forget = _lstm_factors(gates, candidate, squashed, cells, mask)
        deltas = torch.empty_like(gates)
        blocks = _blocks(deltas, 4)
        cell_deltas, open_deltas = blocks[..., :3, :].unbind(0), blocks[..., 3, :].unbind(0)
        cell_factors, open_factors = factors[..., :3, :].unbind(0), factors[..., 3, :].unbind(0)
        step_deltas, leaks, forgets = deltas.unbind(0), leak.unbind(0), forget.unbind(0)
        to_cell = torch.zeros_like(cells[0])
        to_state = _StateGradient(gradient, kernel, mask)
        for t in reversed(range(len(deltas))):
            here = to_state.value
            to_cell.addcmul_(here, leaks[t])
            torch.mul(to_cell.unsqueeze(-2), cell_factors[t], out=cell_deltas[t])
            torch.mul(here, open_factors[t], out=open_deltas[t])
            if t:
                to_cell.mul_(forgets[t])
                to_state.step_back(t, step_deltas[t])
        return deltas, _kernel_gradient(hidden, deltas), None


def _lstm_factors(
    gates: Tensor, candidate: Tensor, squashed: Tensor, cells: Tensor, mask: Tensor | None
) -> tuple[Tensor, Tensor, Tensor]:
    """By what the gradients are multiplied: (T, B, 4, u) from the cell (the last block: the state) to the
    gates' inputs, (T, B, u) from the state to the cell, (T, B, u) from the cell to the one before."""
    inputs, forget, _, opens = _blocks(gates, 4).unbind(-2)
    factors = _blocks(torch.addcmul(gates, gates, gates, value=-1), 4)
    factors[..., 0, :].mul_(candidate)
    factors[..., 1, :].mul_(cells[:-1])
    torch.addcmul(inputs, inputs * candidate, candidate, value=-1, out=factors[..., 2, :])
    factors[..., 3, :].mul_(squashed)
    leak = torch.addcmul(opens, opens * squashed, squashed, value=-1)
    if mask is not None:
        factors, leak = factors * mask.unsqueeze(-1), leak * mask
        forget = torch.where(mask, forget, 1.0)
    return factors, leak, forget


class _GRU(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: _Context, projected: Tensor, kernel: Tensor, bias: Tensor | None, mask: Tensor | None
    ) -> Tensor:
        gates = torch.empty_like(projected, memory_format=torch.contiguous_format)
        own = torch.empty_like(gates)
        updates, resets, candidates = (block.unbind(0) for block in _blocks(gates, 3).unbind(-2))
        hidden = _state_buffer(_blocks(gates, 3)[..., 0, :])
        h, step_own, units = hidden.unbind(0), own.unbind(0), kernel.shape[-2]
        given, own_parts = _open_and_candidate(projected, units), _open_and_candidate(own, units)
        opening, _ = _open_and_candidate(gates, units)
        multiply = _multiply_add(kernel)
        offset = kernel.new_zeros(()) if bias is None else _over_batch(bias, kernel)
        for t in range(len(projected)):
            multiply(offset, h[t], kernel, out=step_own[t])
            torch.add(given[0][t], own_parts[0][t], out=opening[t]).sigmoid_()
            torch.addcmul(given[1][t], resets[t], own_parts[1][t], out=candidates[t]).tanh_()
            torch.lerp(candidates[t], h[t], updates[t], out=h[t + 1])
            if mask is not None:
                torch.where(mask[t], h[t + 1], h[t], out=h[t + 1])
        ctx.save_for_backward(gates, own, hidden, kernel, bias, mask)
        return hidden[1:]

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: _Context, gradient: Tensor
    ) -> tuple[Tensor, Tensor, Tensor | None, None]:
        gates, own, hidden, kernel, bias, mask = cast("_SavedGRU", ctx.saved_tensors)
        factors, candidate_factor, update = _gru_factors(gates, own, hidden, mask)
        deltas = torch.empty_like(gates)
        blocks = _blocks(deltas, 3)
        to_states = torch.empty_like(candidate_factor)
        step_deltas, step_blocks = deltas.unbind(0), blocks.unbind(0)
        step_factors, updates = factors.unbind(0), update.unbind(0)
        to_state = _StateGradient(gradient, kernel, None)
        for t in reversed(range(len(deltas))):
            here = to_states[t].copy_(to_state.value)
            torch.mul(here.unsqueeze(-2), step_factors[t], out=step_blocks[t])
            if t:
                to_state.step_back(t, step_deltas[t]).addcmul_(here, updates[t])
        to_projected = deltas.clone()
        torch.mul(to_states, candidate_factor, out=_blocks(to_projected, 3)[..., 2, :])
        # Summed over time and batch, which stand around the member axis.
        to_bias = None if bias is None else deltas.sum(dim=(0, -2))
        return to_projected, _kernel_gradient(hidden, deltas), to_bias, None


def _gru_factors(
    gates: Tensor, own: Tensor, hidden: Tensor, mask: Tensor | None
) -> tuple[Tensor, Tensor, Tensor]:
    """By what the state's gradient is multiplied: (T, B, 3, u) to the recurrent part of the gates,
    (T, B, u) to the candidate's input, (T, B, u) to the state before."""
    update, reset, candidate = _blocks(gates, 3).unbind(-2)
    product = _blocks(own, 3)[..., 2, :]
    to_candidate = (1.0 - update) * torch.addcmul(torch.ones_like(update), candidate, candidate, value=-1)
    if mask is not None:
        to_candidate = to_candidate * mask
    to_update = (hidden[:-1] - candidate) * torch.addcmul(update, update, update, value=-1)
    if mask is not None:
        to_update, update = to_update * mask, torch.where(mask, update, 1.0)
    to_reset = to_candidate * product * torch.addcmul(reset, reset, reset, value=-1)
    return torch.stack((to_update, to_reset, to_candidate * reset), dim=-2), to_candidate, update


class _SimpleRNN(torch.autograd.Function):
    @staticmethod
    def forward(ctx: _Context, projected: Tensor, kernel: Tensor, mask: Tensor | None) -> Tensor:
        hidden = _state_buffer(projected)
        h = hidden.unbind(0)
        multiply = _multiply_add(kernel)
        for t, given in enumerate(projected.unbind(0)):
            multiply(given, h[t], kernel, out=h[t + 1]).tanh_()
            if mask is not None:
                torch.where(mask[t], h[t + 1], h[t], out=h[t + 1])
        ctx.save_for_backward(hidden, kernel, mask)
        return hidden[1:]

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: _Context, gradient: Tensor
    ) -> tuple[Tensor, Tensor, None]:
        hidden, kernel, mask = cast("tuple[Tensor, Tensor, Tensor | None]", ctx.saved_tensors)
        states = hidden[1:]
        factors = torch.addcmul(torch.ones_like(states), states, states, value=-1)
        if mask is not None:
            factors = factors * mask
        deltas = torch.empty_like(factors)
        to_state = _StateGradient(gradient, kernel, mask)
        for t in reversed(range(len(deltas))):
            torch.mul(to_state.value, factors[t], out=deltas[t])
            if t:
                to_state.step_back(t, deltas[t])
        return deltas, _kernel_gradient(hidden, deltas), None


class _StateGradient:
    """The gradient of the state at one step, `value`, taken back through time step by step."""

    def __init__(self, gradient: Tensor, kernel: Tensor, mask: Tensor | None) -> None:
        self._steps = gradient.unbind(0)
        self._transposed = kernel.mT.contiguous()
        self._multiply = _multiply_add(kernel)
        self._kept = None if mask is None else (~mask).to(gradient.dtype).unbind(0)
        self._buffers = [torch.empty_like(self._steps[0], memory_format=torch.contiguous_format)] * 2
        if mask is not None:
            # A masked state passes its gradient on, so that it is still read while the next is written.
            self._buffers[1] = torch.empty_like(self._buffers[0])
        self.value = self._steps[-1]

    def step_back(self, t: int, deltas: Tensor) -> Tensor:
        """From step t, whose gates have the gradient `deltas`, to step t - 1."""
        out = self._buffers[t % 2]
        self._multiply(self._steps[t - 1], deltas, self._transposed, out=out)
        if self._kept is not None:
            out.addcmul_(self.value, self._kept[t])
        self.value = out
        return out


def _state_buffer(like: Tensor) -> Tensor:
    """(T + 1, B, u) for the states, the first of which are zero."""
    buffer = like.new_empty((len(like) + 1, *like.shape[1:]))
    buffer[0].zero_()
    return buffer


def _blocks(values: Tensor, count: int) -> Tensor:
    """(..., count * u) as (..., count, u)."""
    return values.view(*values.shape[:-1], count, -1)


def _open_and_candidate(values: Tensor, units: int) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
    """The first two blocks of a GRU, which its gates share, and the third, step by step."""
    return values[..., : 2 * units].unbind(0), values[..., 2 * units :].unbind(0)


def _multiply_add(kernel: Tensor) -> Callable[..., Tensor]:
    """a + b @ kernel, for one network or K at once."""
    return torch.addmm if kernel.dim() == 2 else torch.baddbmm


def _over_batch(bias: Tensor, kernel: Tensor) -> Tensor:
    """A bias against (B, units), or (K, B, units)."""
    return bias if kernel.dim() == 2 else bias.unsqueeze(1)


def _kernel_gradient(hidden: Tensor, deltas: Tensor) -> Tensor:
    """The sum over all steps of the state before it times the gates' gradient, as one product."""
    before = hidden[:-1]
    if deltas.dim() == 3:
        return product(before.flatten(0, 1).T, deltas.flatten(0, 1))
    return product(before.movedim(0, 1).flatten(1, 2).mT, deltas.movedim(0, 1).flatten(1, 2))
