"""The recurrences in plain operations without buffers: what `torch.export` can write down.

The same functions as in recurrence.py, whose buffers and hand-written gradients a graph cannot hold. In an
exported graph the loop over time is one operation, so that its size does not grow with the sequence.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

Carried = tuple[Tensor, ...]
"""What goes from step to step; the first is the state that the recurrence gives."""

Step = Callable[[Carried, Sequence[Tensor]], Carried]
"""From what is carried and the step's own slices to what is carried on."""


def trace_lstm(projected: Tensor, kernel: Tensor, mask: Tensor | None = None) -> Tensor:
    """As `run_lstm`: (T, B, 4u) and (u, 4u) to the states (T, B, u)."""

    def step(carried: Carried, given: Sequence[Tensor]) -> Carried:
        state, cell = carried
        inputs, forget, candidate, opens = (given[0] + state @ kernel).chunk(4, dim=-1)
        fresh = torch.sigmoid(forget) * cell + torch.sigmoid(inputs) * torch.tanh(candidate)
        return torch.sigmoid(opens) * torch.tanh(fresh), fresh

    start = _start(projected, kernel)
    return _scan(step, (start, start.clone()), projected, mask)


def trace_gru(projected: Tensor, kernel: Tensor, bias: Tensor | None, mask: Tensor | None = None) -> Tensor:
    """As `run_gru`: (T, B, 3u), (u, 3u) and (3u) to the states (T, B, u)."""

    def step(carried: Carried, given: Sequence[Tensor]) -> Carried:
        (state,) = carried
        own = state @ kernel if bias is None else state @ kernel + bias.unsqueeze(-2)
        updates, resets, candidates = given[0].chunk(3, dim=-1)
        own_update, own_reset, own_candidate = own.chunk(3, dim=-1)
        update = torch.sigmoid(updates + own_update)
        candidate = torch.tanh(candidates + torch.sigmoid(resets + own_reset) * own_candidate)
        return (update * state + (1.0 - update) * candidate,)

    return _scan(step, (_start(projected, kernel),), projected, mask)


def trace_simple_rnn(projected: Tensor, kernel: Tensor, mask: Tensor | None = None) -> Tensor:
    """As `run_simple_rnn`: (T, B, u) and (u, u) to the states (T, B, u)."""

    def step(carried: Carried, given: Sequence[Tensor]) -> Carried:
        return (torch.tanh(given[0] + carried[0] @ kernel),)

    return _scan(step, (_start(projected, kernel),), projected, mask)


def _start(projected: Tensor, kernel: Tensor) -> Tensor:
    return torch.zeros_like(projected[0][..., : kernel.shape[-2]], memory_format=torch.contiguous_format)


def _scan(step: Step, start: Carried, projected: Tensor, mask: Tensor | None) -> Tensor:
    """The states after every step, (T, B, u); where the mask is false all is carried on unchanged."""

    def masked(carried: Carried, given: Sequence[Tensor]) -> Carried:
        fresh = step(carried, given)
        if mask is None:
            return fresh
        return tuple(torch.where(given[1], new, old) for new, old in zip(fresh, carried, strict=True))

    # What goes in has to lie in memory as what comes out of a step does.
    slices = (projected.contiguous(),) if mask is None else (projected.contiguous(), mask)
    if torch.compiler.is_exporting():
        return _scan_in_one(masked, start, slices)
    carried, states = start, list[Tensor]()
    for given in zip(*slices, strict=True):
        carried = masked(carried, given)
        states.append(carried[0])
    return torch.stack(states)


def _scan_in_one(step: Step, start: Carried, slices: Sequence[Tensor]) -> Tensor:
    # Not public yet, and the only loop that both torch.export and the ONNX exporter know.
    from torch._higher_order_ops.scan import scan  # pyright: ignore[reportPrivateImportUsage]

    def step_and_state(carried: Carried, given: Sequence[Tensor]) -> tuple[Carried, Tensor]:
        carried = step(carried, given)
        # What is carried and what is given out may not be the same memory.
        return carried, carried[0].clone()

    _, states = scan(step_and_state, start, tuple(slices))
    return states
