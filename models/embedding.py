"""The embedding: a vector for every index, for one network or K members at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, cast

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from .initializers import Fans, ParameterSource
from .layer import Layer, Shape


class Embedding(Layer):
    """Rows of `embeddings` (input_dim, output_dim) by index. Shapes: (B, ...) to (B, ..., output_dim).

    An index outside [0, input_dim) is an IndexError on the CPU and undefined on a device: whoever reads
    the data checks them.
    """

    any_length = True

    def __init__(
        self,
        shapes: Sequence[Shape],
        source: ParameterSource,
        *,
        input_dim: int,
        output_dim: int,
        mask_zero: bool,
        initializer: str,
    ) -> None:
        super().__init__(shapes)
        fans = Fans(input_dim, output_dim)
        self.embeddings = source.parameter("embeddings", (input_dim, output_dim), initializer, fans)
        self.makes_mask = mask_zero

    def forward(self, indices: Tensor) -> Tensor:
        if self.embeddings.dim() == 2:
            return F.embedding(indices, self.embeddings)
        return embed_members(indices, self.embeddings, has_members=self.has_members(indices))


def embed_members(indices: Tensor, embeddings: Tensor, *, has_members: bool) -> Tensor:
    """Every member's own rows: embeddings (K, V, D), indices (B, ...) or (K, B, ...), to (K, B, ..., D)."""
    members = len(embeddings)
    own = indices if has_members else indices.expand(members, *indices.shape)
    rows = cast("Tensor", _EmbedMembers.apply(own.reshape(members, -1), embeddings))
    return rows.view(*own.shape, -1)


class _Context(Protocol):
    saved_tensors: tuple[object, ...]
    size: int

    def save_for_backward(self, *tensors: Tensor) -> None: ...


class _EmbedMembers(torch.autograd.Function):
    """Gathers without copying the table, whose members need not lie next to each other."""

    @staticmethod
    def forward(ctx: _Context, indices: Tensor, embeddings: Tensor) -> Tensor:
        ctx.save_for_backward(indices)
        ctx.size = embeddings.shape[1]
        return torch.stack([table[rows] for table, rows in zip(embeddings, indices, strict=True)])

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: _Context, gradient: Tensor
    ) -> tuple[None, Tensor]:
        (indices,) = cast("tuple[Tensor]", ctx.saved_tensors)
        members, count, dim = gradient.shape
        # One table of K * V rows; torch's own kernel adds repeated rows in a fixed order on every device.
        first = torch.arange(members, device=indices.device, dtype=indices.dtype) * ctx.size
        rows = (indices + first.unsqueeze(1)).flatten()
        table = torch.ops.aten.embedding_dense_backward(
            gradient.reshape(members * count, dim), rows, members * ctx.size, -1, False
        )
        return None, table.view(members, ctx.size, dim)
