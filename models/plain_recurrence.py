"""The recurrences in plain operations without buffers: what `torch.export` can write down.

The same functions as in recurrence.py, whose buffers and hand-written gradients a graph cannot hold.
"""

from __future__ import annotations

import torch
from torch import Tensor


def trace_lstm(projected: Tensor, kernel: Tensor, mask: Tensor | None = None) -> Tensor:
    """As `run_lstm`: (T, B, 4u) and (u, 4u) to the states (T, B, u)."""
    state = cell = _start(projected, kernel)
    states: list[Tensor] = []
    for t, given in enumerate(projected.unbind(0)):
        inputs, forget, candidate, opens = (given + state @ kernel).chunk(4, dim=-1)
        fresh = torch.sigmoid(forget) * cell + torch.sigmoid(inputs) * torch.tanh(candidate)
        cell = _where(mask, t, fresh, cell)
        state = _where(mask, t, torch.sigmoid(opens) * torch.tanh(fresh), state)
        states.append(state)
    return torch.stack(states)


def trace_gru(projected: Tensor, kernel: Tensor, bias: Tensor | None, mask: Tensor | None = None) -> Tensor:
    """As `run_gru`: (T, B, 3u), (u, 3u) and (3u) to the states (T, B, u)."""
    state = _start(projected, kernel)
    states: list[Tensor] = []
    for t, given in enumerate(projected.unbind(0)):
        own = state @ kernel if bias is None else state @ kernel + bias.unsqueeze(-2)
        updates, resets, candidates = given.chunk(3, dim=-1)
        own_update, own_reset, own_candidate = own.chunk(3, dim=-1)
        update = torch.sigmoid(updates + own_update)
        candidate = torch.tanh(candidates + torch.sigmoid(resets + own_reset) * own_candidate)
        state = _where(mask, t, update * state + (1.0 - update) * candidate, state)
        states.append(state)
    return torch.stack(states)


def trace_simple_rnn(projected: Tensor, kernel: Tensor, mask: Tensor | None = None) -> Tensor:
    """As `run_simple_rnn`: (T, B, u) and (u, u) to the states (T, B, u)."""
    state = _start(projected, kernel)
    states: list[Tensor] = []
    for t, given in enumerate(projected.unbind(0)):
        state = _where(mask, t, torch.tanh(given + state @ kernel), state)
        states.append(state)
    return torch.stack(states)


def _start(projected: Tensor, kernel: Tensor) -> Tensor:
    return torch.zeros_like(projected[0][..., : kernel.shape[-2]])


def _where(mask: Tensor | None, t: int, fresh: Tensor, carried: Tensor) -> Tensor:
    return fresh if mask is None else torch.where(mask[t], fresh, carried)
