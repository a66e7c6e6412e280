"""Random noise as a pure function of seed, layer, step and position in the global batch.

A counter-based hash instead of a generator: stacks, resumed runs, devices and several ranks draw the
same noise by construction, and a captured CUDA graph needs no generator state.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ..specs.seeds import derive_seed
from .initializers import Stream
from .layer import Layer, Shape

# The 32-bit finalizer of C. Wellons' hash prospector ("lowbias32"), bias 0.17; constants as signed int32.
_MULTIPLIER_1 = 0x7FEB352D
_MULTIPLIER_2 = 0x846CA68B - (1 << 32)
# The 64-bit golden ratio of splitmix64 (Steele, Lea, Flood 2014), as signed int64.
_GOLDEN = 0x9E3779B97F4A7C15 - (1 << 64)


class NoiseClock(nn.Module):
    """Which step it is, and the row of the global batch at which this process's rows begin."""

    step: Tensor
    first_row: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("step", torch.zeros((), dtype=torch.int64), persistent=False)
        self.register_buffer("first_row", torch.zeros((), dtype=torch.int64), persistent=False)

    def advance(self) -> None:
        """On to the next step, without touching the host."""
        # In place: an assignment would have the module look for the buffer's name again in every step.
        self.step.add_(1)


class Dropout(Layer):
    """Zeroes entries with probability `rate` in training and scales the rest by 1 / (1 - rate)."""

    key: Tensor
    passes_mask = True

    def __init__(
        self,
        shapes: Sequence[Shape],
        clock: NoiseClock,
        *,
        streams: Sequence[Stream],
        stacked: bool,
        rate: float,
    ) -> None:
        super().__init__(shapes)
        self.clock = clock
        self.rate = rate
        self.stacked = stacked
        keys = torch.tensor(
            [derive_seed(each.seed, each.layer, "noise") for each in streams], dtype=torch.int64
        )
        self.register_buffer("key", keys if stacked else keys[0], persistent=False)

    def forward(self, values: Tensor) -> Tensor:
        if not self.training or self.rate == 0.0:
            return values
        if self.stacked and not self.has_members(values):
            values = values.expand(self.key.shape[0], *values.shape)
        example = values.shape[-self.rank :] if self.rank else torch.Size()
        bits = noise_bits(
            self.key,
            self.clock.step,
            self.clock.first_row * example.numel(),
            values.shape[-self.rank - 1] * example.numel(),
        )
        # Signed 32-bit integers are uniform over [-2^31, 2^31): the lowest `rate` of them drop.
        threshold = int(self.rate * 2.0**32) - 2**31
        kept = (bits >= threshold).to(values.dtype) / (1.0 - self.rate)
        return values * kept.view(values.shape)


def noise_bits(key: Tensor, step: Tensor, first: Tensor, count: int) -> Tensor:
    """32 random bits for each of `count` positions from `first` on.

    key: [] or [K] int64; step, first: [] int64. Returns int32 (count) or (K, count).
    """
    mixed = _mix64(key + (step + 1) * _GOLDEN)
    low = mixed.to(torch.int32).unsqueeze(-1)
    high = (mixed >> 32).to(torch.int32).unsqueeze(-1)
    positions = (torch.arange(count, device=key.device) + first).to(torch.int32)
    bits = positions ^ low
    bits = bits ^ ((bits >> 16) & 0xFFFF)
    bits = bits * _MULTIPLIER_1 + high
    bits = bits ^ ((bits >> 15) & 0x1FFFF)
    bits = bits * _MULTIPLIER_2
    return bits ^ ((bits >> 16) & 0xFFFF)


def _mix64(values: Tensor) -> Tensor:
    """splitmix64's finalizer, with the arithmetic shifts of int64 masked into logical ones."""
    values = (values ^ ((values >> 30) & ((1 << 34) - 1))) * (0xBF58476D1CE4E5B9 - (1 << 64))
    values = (values ^ ((values >> 27) & ((1 << 37) - 1))) * (0x94D049BB133111EB - (1 << 64))
    return values ^ ((values >> 31) & ((1 << 33) - 1))
