"""The dense layer, for one network or K members at once."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from .initializers import Fans, ParameterSource
from .layer import Layer, Shape
from .products import affine_product


class Dense(Layer):
    """`inputs @ kernel + bias` over the last axis.

    kernel (inputs, units), bias (units), as in Keras; both with a leading K in a stack.
    Shapes: (B, ..., inputs) to (B, ..., units).
    """

    passes_mask = True

    def __init__(
        self,
        shapes: Sequence[Shape],
        source: ParameterSource,
        *,
        units: int,
        use_bias: bool = True,
        kernel_initializer: str = "glorot_uniform",
        bias_initializer: str = "zeros",
    ) -> None:
        super().__init__(shapes)
        # Over a sequence the same weights act at every step.
        self.any_length = self.rank > 1
        size = shapes[0][-1]
        fans = Fans(size, units)
        self.kernel = source.kernel("kernel", (size, units), kernel_initializer, fans)
        self.bias = source.parameter("bias", (units,), bias_initializer, fans) if use_bias else None

    def forward(self, values: Tensor) -> Tensor:
        return affine(values, self.kernel, self.bias, has_members=self.has_members(values))


class BinarySoftmaxHeads(Layer):
    """The logits z1 - z0 of one two-way softmax per label, whose second entry is sigmoid(z1 - z0).

    kernel (inputs, units, 2), bias (units, 2); the last axis is (negative, positive). Every label's head
    starts as a dense layer of 2 units of its own would. Shapes: (B, ..., inputs) to (B, ..., units).
    """

    passes_mask = True

    def __init__(
        self,
        shapes: Sequence[Shape],
        source: ParameterSource,
        *,
        units: int,
        use_bias: bool = True,
        kernel_initializer: str = "glorot_uniform",
        bias_initializer: str = "zeros",
    ) -> None:
        super().__init__(shapes)
        size = shapes[0][-1]
        fans = Fans(size, 2)
        self.kernel = source.parameter("kernel", (size, units, 2), kernel_initializer, fans)
        self.bias = source.parameter("bias", (units, 2), bias_initializer, fans) if use_bias else None

    def forward(self, values: Tensor) -> Tensor:
        # The difference of the weights first: half the product, and the same logits.
        kernel = self.kernel[..., 1] - self.kernel[..., 0]
        bias = None if self.bias is None else self.bias[..., 1] - self.bias[..., 0]
        return affine(values, kernel, bias, has_members=self.has_members(values))


def affine(values: Tensor, kernel: Tensor, bias: Tensor | None, *, has_members: bool) -> Tensor:
    """`values @ kernel + bias` as one product.

    values: (B, ..., inputs), or (K, B, ..., inputs) where `has_members`; kernel (inputs, units), bias
    (units), or both with a leading K, which the result has then.
    """
    if kernel.dim() == 3:
        return _affine_members(values, kernel, bias) if has_members else _affine_shared(values, kernel, bias)
    flat = values.flatten(0, -2) if values.dim() > 2 else values
    product = affine_product(flat, kernel, bias)
    return product if values.dim() == 2 else product.reshape(*values.shape[:-1], -1)


def _affine_members(values: Tensor, kernel: Tensor, bias: Tensor | None) -> Tensor:
    product = affine_product(values.flatten(1, -2), kernel, bias)
    return product if values.dim() == 3 else product.reshape(*values.shape[:-1], -1)


def _affine_shared(values: Tensor, kernel: Tensor, bias: Tensor | None) -> Tensor:
    """All members read the same rows: one product with their units side by side, not K small ones."""
    members, inputs, units = kernel.shape
    columns = kernel.mT.reshape(members * units, inputs).t()
    flat = values.flatten(0, -2) if values.dim() > 2 else values
    product = affine_product(flat, columns, None if bias is None else bias.reshape(-1))
    return product.view(*values.shape[:-1], members, units).movedim(-2, 0)
