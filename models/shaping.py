"""Layers without weights that only rearrange or pass on: flatten, reshape, activation."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import Tensor
from torch.nn import functional as F

from .layer import Layer, Shape


class Flatten(Layer):
    """All axes of an example in one. Shapes: (B, ...) to (B, product)."""

    def forward(self, values: Tensor) -> Tensor:
        if self.rank == 0:
            return values.unsqueeze(-1)
        return values.flatten(-self.rank)


class Reshape(Layer):
    """The same numbers in `target_shape`."""

    def __init__(self, shapes: Sequence[Shape], *, target_shape: Shape) -> None:
        super().__init__(shapes)
        self.target_shape = target_shape

    def forward(self, values: Tensor) -> Tensor:
        batch = values.shape[: values.dim() - self.rank]
        return values.reshape(*batch, *self.target_shape)


class Identity(Layer):
    """Passes its input on; the graph applies the activation."""

    passes_mask = True

    def forward(self, values: Tensor) -> Tensor:
        return values


class LeakyReLU(Layer):
    """Identity above zero, `negative_slope` times the input below."""

    passes_mask = True

    def __init__(self, shapes: Sequence[Shape], *, negative_slope: float) -> None:
        super().__init__(shapes)
        self.negative_slope = negative_slope

    def forward(self, values: Tensor) -> Tensor:
        return F.leaky_relu(values, self.negative_slope)


class Merge(Layer):
    """Combines several tensors of one shape (concatenate: equal but for the joined axis)."""

    passes_mask = True

    def __init__(self, shapes: Sequence[Shape], *, combine: Callable[[Sequence[Tensor]], Tensor]) -> None:
        super().__init__(shapes)
        self.combine = combine

    def forward(self, *values: Tensor) -> Tensor:
        members = next((each.shape[0] for each in values if self.has_members(each)), None)
        if members is not None:
            values = tuple(
                each if self.has_members(each) else each.expand(members, *each.shape) for each in values
            )
        return self.combine(values)
