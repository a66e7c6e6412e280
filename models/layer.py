"""What all layers have in common: shapes without the batch, and the optional member axis.

Legend: B batch, K members of a stack, C channels, H height, W width, T time.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from ..specs.errors import ConfigError, Problem
from .penalties import Penalty

Shape = tuple[int, ...]


class Layer(nn.Module):
    """A node's computation. `forward` takes one tensor per name in `of`.

    Tensors are (B, *shape), or (K, B, *shape) with a member axis; parameters have the member axis in a
    stack only. `rank` is the number of axes of one example of the first input.

    `makes_mask`: its input holds indices, of which 0 is padding. `reads_mask`: `forward` takes the mask
    of its input last, (B, T) or (K, B, T), true where a step counts; left out where there is none.
    `passes_mask`: its output has the time axis of its inputs, so that their mask holds for it too.
    `any_length`: only the axes after the first of an example matter to it.
    `penalties` are those on its own weights and on what it gives.
    """

    makes_mask: bool = False
    reads_mask: bool = False
    passes_mask: bool = False
    any_length: bool = False
    penalties: tuple[Penalty, ...] = ()

    def __init__(self, shapes: Sequence[Shape]) -> None:
        super().__init__()
        self.rank = len(shapes[0])

    def has_members(self, values: Tensor) -> bool:
        """Whether `values` carries the member axis."""
        return values.dim() == self.rank + 2


def fold_members(values: Tensor, rank: int) -> tuple[Tensor, int | None]:
    """(K, B, *shape) as (K*B, *shape), with B to unfold by; (B, *shape) as it is, with None."""
    if values.dim() == rank + 1:
        return values, None
    return values.flatten(0, 1), values.shape[1]


def unfold_members(values: Tensor, batch: int | None) -> Tensor:
    """The inverse of `fold_members`."""
    return values if batch is None else values.reshape(-1, batch, *values.shape[1:])


def shape_error(layer: str, message: str, *keys: str) -> ConfigError:
    """A located error about the sizes a layer is given."""
    return ConfigError(Problem(message, ("model", "layers", layer, *keys)))


def written(shape: Shape) -> str:
    """A shape as users read it: `(1, 28, 28)`."""
    return f"({', '.join(str(size) for size in shape)})"
