"""All weights of a network in one flat tensor, and all gradients in another.

Legend: P parameters of one member, K members of a stack.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class FlatParameters:
    """`values` and `gradients`, [P] or [K, P]; the network's parameters become views of them.

    `gradient_segments` are the gradients of one parameter each, (n) or (K, n).

    One optimizer call then updates every weight, one fill clears every gradient, and a member of a
    stack is one row.
    """

    def __init__(self, network: nn.Module, members: int | None) -> None:
        named = [(name, each) for name, each in network.named_parameters() if each.requires_grad]
        self.names = tuple(name for name, _ in named)
        leading = () if members is None else (members,)
        sizes = [each.numel() // (members or 1) for _, each in named]
        first = named[0][1]
        self.values = torch.empty((*leading, sum(sizes)), dtype=first.dtype, device=first.device)
        self.gradients = torch.zeros_like(self.values)
        self.gradient_segments: list[Tensor] = []
        start = 0
        with torch.no_grad():
            for (_, each), size in zip(named, sizes, strict=True):
                view = self.values[..., start : start + size].view(each.shape)
                view.copy_(each)
                each.data = view
                segment = self.gradients[..., start : start + size]
                self.gradient_segments.append(segment)
                each.grad = segment.view(each.shape)
                start += size

    def clear_gradients(self) -> None:
        """Zero every gradient, in place: the views stay."""
        self.gradients.zero_()
