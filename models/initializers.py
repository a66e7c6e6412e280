"""Initial values of parameters: Keras's initializers, drawn from a stream per layer and parameter."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor, nn

from ..specs.seeds import derive_seed

MOST_WEIGHTS = 10_000_000_000
"""Of one tensor of a layer; 40 GB in float32."""

# Keras draws its "normal" variance-scaling initializers from a normal truncated at two standard
# deviations; this is that distribution's standard deviation, divided out so that the variance holds.
TRUNCATED_NORMAL_STDDEV = 0.87962566103423978


class OversizedError(ValueError):
    """A layer would have more weights than can be trained."""


@dataclass(frozen=True)
class Fans:
    """Numbers of inputs and outputs of one unit of a kernel, as the variance-scaling formulas count them."""

    inputs: int
    outputs: int


@dataclass(frozen=True)
class Stream:
    """Where a layer's random numbers come from: a seed, and the layer's name (with that of its copy)."""

    seed: int
    layer: str


@dataclass(frozen=True)
class ParameterSource:
    """Makes one layer's parameters from one stream, or K members at once with a leading axis K.

    Every value comes from (seed, layer name, parameter name) alone, drawn on the CPU in float32, so
    that adding a layer moves no other, and stacks, devices and precisions start from the same numbers.
    """

    streams: tuple[Stream, ...]
    stacked: bool
    numerics: Literal["keras", "torch"]
    dtype: torch.dtype
    device: torch.device
    drawn: bool = True
    """Without it the parameters are allocated and hold anything: enough to learn shapes by."""

    @property
    def members(self) -> int | None:
        """K in a stack, None for a single network."""
        return len(self.streams) if self.stacked else None

    def within(self, part: str) -> ParameterSource:
        """The source of one part of the layer, which has a name of its own."""
        streams = tuple(Stream(each.seed, f"{each.layer}/{part}") for each in self.streams)
        return replace(self, streams=streams)

    def parameter(self, name: str, shape: tuple[int, ...], initializer: str, fans: Fans) -> nn.Parameter:
        """A trainable parameter of `shape`, or (K, *shape) in a stack."""
        return nn.Parameter(self.tensor(name, shape, initializer, fans))

    def kernel(self, name: str, shape: tuple[int, int], initializer: str, fans: Fans) -> nn.Parameter:
        """A trainable matrix (inputs, units) that lies in memory as (units, inputs).

        Products with few units take half the time so; nothing else notices.
        """
        values = self.tensor(name, shape, initializer, fans)
        return nn.Parameter(values.mT.contiguous().mT)

    def tensor(self, name: str, shape: tuple[int, ...], initializer: str, fans: Fans) -> Tensor:
        """The same numbers without being trainable (moving averages). Raises OversizedError."""
        if math.prod(shape) > MOST_WEIGHTS:
            sizes = " x ".join(str(size) for size in shape)
            raise OversizedError(f"would have {sizes} weights; at most {MOST_WEIGHTS:,} can be trained")
        if self.device.type == "meta" or not self.drawn:
            full = (len(self.streams), *shape) if self.stacked else shape
            return torch.empty(full, dtype=self.dtype, device=self.device)
        members = [self._draw(stream, name, shape, initializer, fans) for stream in self.streams]
        values = torch.stack(members) if self.stacked else members[0]
        return values.to(device=self.device, dtype=self.dtype)

    def _draw(
        self, stream: Stream, name: str, shape: tuple[int, ...], initializer: str, fans: Fans
    ) -> Tensor:
        generator = torch.Generator().manual_seed(derive_seed(stream.seed, stream.layer, name))
        values = torch.empty(shape)
        INITIALIZERS[initializer](values, fans, generator)
        return values


Draw = Callable[[Tensor, Fans, torch.Generator], object]


def _uniform(variance_of: Callable[[Fans], float]) -> Draw:
    def draw(values: Tensor, fans: Fans, generator: torch.Generator) -> None:
        limit = math.sqrt(3.0 * variance_of(fans))
        values.uniform_(-limit, limit, generator=generator)

    return draw


def _normal(variance_of: Callable[[Fans], float]) -> Draw:
    def draw(values: Tensor, fans: Fans, generator: torch.Generator) -> None:
        _truncated(values, math.sqrt(variance_of(fans)) / TRUNCATED_NORMAL_STDDEV, generator)

    return draw


def _truncated(values: Tensor, stddev: float, generator: torch.Generator) -> None:
    nn.init.trunc_normal_(values, std=stddev, a=-2.0 * stddev, b=2.0 * stddev, generator=generator)


def _glorot(fans: Fans) -> float:
    return 2.0 / (fans.inputs + fans.outputs)


def _he(fans: Fans) -> float:
    return 2.0 / fans.inputs


def _lecun(fans: Fans) -> float:
    return 1.0 / fans.inputs


INITIALIZERS: dict[str, Draw] = {
    "glorot_uniform": _uniform(_glorot),
    "glorot_normal": _normal(_glorot),
    "he_uniform": _uniform(_he),
    "he_normal": _normal(_he),
    "lecun_uniform": _uniform(_lecun),
    "lecun_normal": _normal(_lecun),
    # PyTorch's Linear and Conv start both kernel and bias from U(-1/sqrt(fan_in), 1/sqrt(fan_in)).
    "torch_uniform": _uniform(lambda fans: 1.0 / (3.0 * fans.inputs)),
    "random_uniform": lambda values, _, generator: values.uniform_(-0.05, 0.05, generator=generator),
    "random_normal": lambda values, _, generator: values.normal_(0.0, 0.05, generator=generator),
    "standard_normal": lambda values, _, generator: values.normal_(0.0, 1.0, generator=generator),
    "truncated_normal": lambda values, _, generator: _truncated(values, 0.05, generator),
    "orthogonal": lambda values, _, generator: nn.init.orthogonal_(values, generator=generator),
    "zeros": lambda values, _, __: values.zero_(),
    "ones": lambda values, _, __: values.fill_(1.0),
}
