"""All weights of a network in one flat tensor, and all gradients in another.

Legend: P parameters of one member, K members of a stack.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..models.embedding import gradients_by_row


class FlatParameters:
    """`values` and `gradients`, [P] or [K, P]; the network's trained parameters become views of `values`.

    One optimizer call then updates every weight, and a member of a stack is one row. `segments` are the
    gradients of one parameter each, (n) or (K, n), by the parameter's name.
    """

    def __init__(self, network: nn.Module, members: int | None) -> None:
        named = {name: each for name, each in network.named_parameters() if each.requires_grad}
        self._parameters = list(named.values())
        self._leading = () if members is None else (members,)
        sizes = [each.numel() // (members or 1) for each in self._parameters]
        first = self._parameters[0]
        self.values = torch.empty((*self._leading, sum(sizes)), dtype=first.dtype, device=first.device)
        self.gradients = torch.zeros_like(self.values)
        self.segments: dict[str, Tensor] = {}
        self._targets: list[Tensor] = []
        self._spans: list[tuple[int, int]] = []
        self._by_row: dict[tuple[int, int], Tensor] = {}
        start = 0
        with torch.no_grad():
            for (name, each), size in zip(named.items(), sizes, strict=True):
                view = _like(self.values[..., start : start + size], each)
                view.copy_(each)
                each.data = view
                self.segments[name] = self.gradients[..., start : start + size]
                self._targets.append(_like(self.segments[name], view))
                self._spans.append((start, start + size))
                start += size

    def backward(self, total: Tensor) -> None:
        """Put d(total)/d(values) into `gradients`; 0 where the total does not depend on a weight.

        Not `total.backward()`: that adds to what is there, so it would have to be cleared first, and it
        expects gradients of dense layout, which the rows of a stack are not.
        """
        with gradients_by_row():
            gradients = self._gradients(total, retain=False)
        self._by_row.clear()
        for span, target, gradient in zip(self._spans, self._targets, gradients, strict=True):
            if gradient.is_sparse:
                rows, parts = gradient._indices()[0], gradient._values()  # pyright: ignore[reportPrivateUsage]
                target.zero_().index_add_(0, rows, parts)
                self._by_row[span] = parts
            else:
                target.copy_(gradient)

    def probe(self) -> Tensor:
        """The sum of the gradients that `backward` has just found, [] or [K]: not finite where one of them is
        not. Asked once, and before others change the gradients: of a table only what was read is looked at.
        """
        if not self._by_row:
            return self.gradients.sum(-1)
        # The rows of a table that were not read are zero.
        parts, end = list[Tensor](), 0
        for (start, stop), rows in self._by_row.items():
            parts += [self.gradients[end:start].sum(), rows.sum()]
            end = stop
        self._by_row.clear()
        return torch.stack([*parts, self.gradients[end:].sum()]).sum()

    def gradient(self, total: Tensor, *, retain: bool = False) -> Tensor:
        """d(total)/d(values) by itself, [P] or [K, P]; `retain` keeps the graph for another."""
        rows = [
            (each.mT if _is_transposed(parameter) else each).reshape(*self._leading, -1)
            for each, parameter in zip(self._gradients(total, retain=retain), self._parameters, strict=True)
        ]
        return torch.cat(rows, dim=-1)

    def _gradients(self, total: Tensor, *, retain: bool) -> tuple[Tensor, ...]:
        return torch.autograd.grad(total, self._parameters, retain_graph=retain, materialize_grads=True)


def _like(segment: Tensor, parameter: Tensor) -> Tensor:
    """A segment (n) or (K, n) as a view with the parameter's shape and order in memory."""
    return segment.view(parameter.mT.shape).mT if _is_transposed(parameter) else segment.view(parameter.shape)


def _is_transposed(parameter: Tensor) -> bool:
    """Whether a matrix lies in memory by columns, as dense kernels do; the rows of a stack may be apart."""
    return (
        parameter.dim() >= 2
        and parameter.stride(-2) == 1
        and parameter.shape[-1] > 1
        and parameter.shape[-2] > 1
    )
