"""What a layer is built from beside its spec: name, inputs, weights' source, noise; and its errors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ..specs.errors import ConfigError
from ..specs.layers import BinarySoftmaxHeads, Conv1D, Conv2D, Dense
from .initializers import ParameterSource
from .layer import Shape, shape_error, written
from .noise import NoiseClock

# How many times as many positions padding may make of those that are read, and how many it may make of any.
_MOST_PADDING = 4
_LEAST_PADDING = 1_000_000


@dataclass(frozen=True)
class InputSpec:
    """One example of an input: its shape; where it holds indices, how many there are (0: not known)."""

    shape: Shape
    indices: int | None = None


@dataclass(frozen=True)
class LayerContext:
    """A layer's name, what it reads, and where its weights and its noise come from."""

    name: str
    reads: tuple[InputSpec, ...]
    source: ParameterSource
    clock: NoiseClock

    @property
    def shapes(self) -> tuple[Shape, ...]:
        """The shapes of all inputs."""
        return tuple(each.shape for each in self.reads)

    @property
    def shape(self) -> Shape:
        """The shape of the only input."""
        if len(self.reads) != 1:
            raise self.error(
                f"reads one input, not {len(self.reads)}; join them with concatenate first", "of"
            )
        return self.reads[0].shape

    def error(self, message: str, *keys: str) -> ConfigError:
        """A located error about this layer."""
        return shape_error(self.name, message, *keys)

    def last_axis(self) -> Shape:
        """The shape of the only input, which must have an axis of numbers."""
        if not self.shape:
            raise self.error("needs an axis of numbers to act on, but its input is one number", "of")
        return self.shape

    def image(self) -> Shape:
        """The shape of the only input, which must be (channels, height, width)."""
        if len(self.shape) != 3:
            message = f"needs images (channels, height, width), but reads {written(self.shape)}"
            raise self.error(message, "of")
        return self.shape

    def sequence(self) -> Shape:
        """The shape of the only input, which must be (time, channels)."""
        if len(self.shape) != 2:
            message = f"needs sequences (time, channels), but reads {written(self.shape)}"
            raise self.error(message, "of")
        return self.shape

    def check_groups(self, groups: int, *, channels: int, filters: int) -> None:
        """Groups must divide the channels of the input and of the output."""
        for key, size in (("groups", channels), ("filters", filters)):
            if size % groups:
                what = "channels of the input" if key == "groups" else "filters"
                raise self.error(f"{groups} groups do not divide the {size} {what}", key)

    def check_window(self, extent: Sequence[int], size: Sequence[int], *, padding: str, key: str) -> None:
        """Without padding a window must fit; with it, not all that is read may be padding."""
        window, room = "x".join(map(str, extent)), "x".join(map(str, size))
        if padding == "valid":
            if any(one > other for one, other in zip(extent, size, strict=True)):
                raise self.error(f"a window of {window} does not fit into {room}; use padding: same", key)
            return
        padded = math.prod(one + other for one, other in zip(extent, size, strict=True))
        if padded > _MOST_PADDING * math.prod(size) + _LEAST_PADDING:
            raise self.error(f"a window of {window} is far too large for {room}", key)


def initializers(
    layer: Dense | BinarySoftmaxHeads | Conv1D | Conv2D, source: ParameterSource
) -> dict[str, str]:
    """The initializers of a kernel and its bias, by argument."""
    is_keras = source.numerics == "keras"
    default = ("glorot_uniform", "zeros") if is_keras else ("torch_uniform", "torch_uniform")
    return {
        "kernel_initializer": layer.kernel_initializer or default[0],
        "bias_initializer": layer.bias_initializer or default[1],
    }
