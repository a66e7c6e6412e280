"""The dense layer, for one network or K members at once."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from .initializers import Fans, ParameterSource
from .layer import Layer, Shape


class Dense(Layer):
    """`inputs @ kernel + bias` over the last axis.

    kernel (inputs, units), bias (units), as in Keras; both with a leading K in a stack.
    Shapes: (B, ..., inputs) to (B, ..., units).
    """

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
        fans = Fans(size, units)
        self.kernel = source.parameter("kernel", (size, units), kernel_initializer, fans)
        self.bias = source.parameter("bias", (units,), bias_initializer, fans) if use_bias else None

    def forward(self, values: Tensor) -> Tensor:
        if self.kernel.dim() == 3:
            return self._forward_members(values)
        flat = values.flatten(0, -2) if values.dim() > 2 else values
        product = flat @ self.kernel if self.bias is None else torch.addmm(self.bias, flat, self.kernel)
        return product if values.dim() == 2 else product.reshape(*values.shape[:-1], -1)

    def _forward_members(self, values: Tensor) -> Tensor:
        members = self.kernel.shape[0]
        if not self.has_members(values):
            values = values.expand(members, *values.shape)
        flat = values.flatten(1, -2)
        if self.bias is None:
            product = torch.bmm(flat, self.kernel)
        else:
            product = torch.baddbmm(self.bias.unsqueeze(1), flat, self.kernel)
        return product if values.dim() == 3 else product.reshape(*values.shape[:-1], -1)
