"""Matrix products of float32 on a CPU, by whichever of PyTorch's two libraries is faster for their size.

PyTorch multiplies float32 matrices with MKL, which takes no AVX-512 on processors that are not Intel's;
oneDNN, which PyTorch uses for its convolutions, does. On such a processor large products take half the time
with it, small ones longer, since every call prepares the product anew: docs/benchmarks.md.

Legend: B rows, I inputs, U units, K members of a stack.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

_WORTH_PREPARING = 2_000_000
"""The multiplications of a product from which oneDNN was faster than MKL, for all shapes tried."""

_has_onednn = torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")


def affine_product(values: Tensor, kernel: Tensor, bias: Tensor | None) -> Tensor:
    """`values @ kernel + bias`, differentiable once: (B, I), (I, U) and (U), or all with a leading K."""
    # Asked first: how many rows there are is not known while a network is exported.
    if not torch.compiler.is_exporting() and _is_large(values, kernel):
        return cast("Tensor", _Affine.apply(values, kernel, bias))
    if bias is None:
        return values @ kernel
    if kernel.dim() == 2:
        return torch.addmm(bias, values, kernel)
    return torch.baddbmm(bias.unsqueeze(1), values, kernel)


def product(left: Tensor, right: Tensor) -> Tensor:
    """`left @ right` of two matrices, or of K and K, without a gradient."""
    return _each(_multiply, left, right) if _is_large(left, right) else left @ right


def _is_large(left: Tensor, right: Tensor) -> bool:
    return (
        _has_onednn
        and left.shape[-2] * left.shape[-1] * right.shape[-1] >= _WORTH_PREPARING
        and left.dtype == torch.float32 == right.dtype
        and left.device.type == "cpu"
        and not torch.is_autocast_enabled("cpu")
    )


def _multiply(left: Tensor, right: Tensor, bias: Tensor | None = None) -> Tensor:
    return torch.ops.mkldnn._linear_pointwise(left, right.t(), bias, "none", [], "")


def _each(function: Callable[..., Tensor], *operands: Tensor) -> Tensor:
    """A function of matrices, or of every member's; oneDNN's product takes one pair at a time."""
    if operands[0].dim() == 2:
        return function(*operands)
    return torch.stack([function(*each) for each in zip(*operands, strict=True)])


class _Affine(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor, kernel: Tensor, bias: Tensor | None) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx.save_for_backward(values, kernel)
        return _each(_multiply, values, kernel) if bias is None else _each(_multiply, values, kernel, bias)

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, gradient: Tensor
    ) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        values, kernel = ctx.saved_tensors
        to_values, to_kernel, to_bias = ctx.needs_input_grad
        return (
            _each(_multiply, gradient, kernel.mT) if to_values else None,
            # Transposed, as the weights of a layer lie in memory: to copy it there is cheap then.
            _each(_multiply, gradient.mT, values).mT if to_kernel else None,
            gradient.sum(-2) if to_bias else None,
        )
