"""The embedding: a vector for every index, for one network or K members at once."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
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
            if torch.compiler.is_exporting():
                return F.embedding(indices, self.embeddings)
            return cast("Tensor", _Embed.apply(indices, self.embeddings))
        return embed_members(indices, self.embeddings, has_members=self.has_members(indices))


def embed_members(indices: Tensor, embeddings: Tensor, *, has_members: bool) -> Tensor:
    """Every member's own rows: embeddings (K, V, D), indices (B, ...) or (K, B, ...), to (K, B, ..., D)."""
    members = len(embeddings)
    own = indices if has_members else indices.expand(members, *indices.shape)
    rows = cast("Tensor", _Embed.apply(own.reshape(members, -1), embeddings))
    return rows.view(*own.shape, -1)


_rows_alone = ContextVar("rows_alone", default=False)


@contextmanager
def gradients_by_row() -> Generator[None]:
    """Inside, the gradient of a table on the CPU is a sparse tensor of the rows that were read, one entry for
    every reading: for who adds them where they belong, and spares a second table made in every step.

    Elsewhere it is a tensor like any other, so that the network trains like any module.
    """
    token = _rows_alone.set(True)
    try:
        yield
    finally:
        _rows_alone.reset(token)


class _Context(Protocol):
    saved_tensors: tuple[object, ...]
    table: torch.Size

    def save_for_backward(self, *tensors: Tensor) -> None: ...


class _Embed(torch.autograd.Function):
    """Rows of a table (V, D), or of K that need not lie next to each other: they are not copied."""

    @staticmethod
    def forward(ctx: _Context, indices: Tensor, embeddings: Tensor) -> Tensor:
        ctx.save_for_backward(indices)
        ctx.table = embeddings.shape
        if embeddings.dim() == 2:
            return F.embedding(indices, embeddings)
        return torch.stack([table[rows] for table, rows in zip(embeddings, indices, strict=True)])

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: _Context, gradient: Tensor
    ) -> tuple[None, Tensor]:
        (indices,) = cast("tuple[Tensor]", ctx.saved_tensors)
        *members, size, dim = ctx.table
        if not members and indices.dim() == 2 and gradient.transpose(0, 1).is_contiguous():
            # As it comes from a recurrence, which has time in front: no copy in the other order.
            indices, gradient = indices.t(), gradient.transpose(0, 1)
        if not members and gradient.device.type == "cpu" and _rows_alone.get():
            return None, torch.sparse_coo_tensor(
                indices.reshape(1, -1), gradient.reshape(-1, dim), ctx.table, check_invariants=False
            )
        if members:
            # One table of K * V rows.
            first = torch.arange(members[0], device=indices.device, dtype=indices.dtype) * size
            indices = indices + first.unsqueeze(1)
        count = ctx.table.numel() // dim
        rows, parts = indices.reshape(-1), gradient.reshape(-1, dim)
        # Both add repeated rows in a fixed order; on the CPU the first takes a fraction of the other's time.
        if gradient.device.type == "cpu":
            table = gradient.new_zeros((count, dim)).index_add_(0, rows, parts)
        else:
            table = torch.ops.aten.embedding_dense_backward(parts, rows, count, -1, False)
        return None, table.view(ctx.table)
