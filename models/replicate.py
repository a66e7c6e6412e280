"""Copies of a sub-graph with weights of their own, computed as one stack: one network per label.

Legend: n copies, K members of the stack around them (absent for a single network).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from torch import Tensor, nn
from torch.func import functional_call

from .layer import Layer, Shape
from .network import Network


class Replicate(Layer):
    """`network`'s output of every copy, joined along the last axis, copy by copy.

    `network` is a stack of n members, or of K n in which each of the K holds its copies side by side.
    Weights are (n, ...) or (K, n, ...). `activation` is what turns this layer's result into values: a
    sigmoid at the end is left to the reader, so that losses can have the logits.
    Shapes: (B, ..., u) per copy to (B, ..., n u).
    """

    def __init__(
        self, shapes: Sequence[Shape], network: Network, *, copies: int, members: int | None
    ) -> None:
        super().__init__(shapes)
        self.ranks = [len(shape) for shape in shapes]
        self.network = network
        self.copies = copies
        self.members = members
        (self.output,) = network.graph.outputs
        self.activation = "sigmoid" if network.activations[self.output] == "sigmoid" else "linear"
        self.penalties = tuple(
            replace(each, parameter=f"network.{each.parameter}") for each in network.penalties
        )
        if members is not None:
            _unfold_weights(network, members)

    def forward(self, *values: Tensor, folded: bool = False) -> Tensor:
        if self.members is not None and not folded:
            # The copies' layers know one member axis: theirs and the stack's in one.
            weights = {f"network.{name}": each.flatten(0, 1) for name, each in _weights(self.network)}
            return functional_call(self, weights, values, {"folded": True})
        pairs = zip(self.network.graph.inputs, values, self.ranks, strict=True)
        scored = self.network.score({name: self._per_copy(each, rank) for name, each, rank in pairs})
        output = scored[self.output]
        result = output.logits if self.activation == "sigmoid" else output.value
        assert result is not None
        if self.members is not None:
            result = result.view(self.members, self.copies, *result.shape[1:])
        return result.movedim(0 if self.members is None else 1, -2).flatten(-2)

    def _per_copy(self, values: Tensor, rank: int) -> Tensor:
        """(B, ...) for all alike, or (K, B, ...) as (K n, B, ...)."""
        if self.members is None or values.dim() == rank + 1:
            return values
        return values.repeat_interleave(self.copies, dim=0)


def _unfold_weights(network: nn.Module, members: int) -> None:
    """Weights and moving averages from (K n, ...) to (K, n, ...): the stack's axis leads everywhere."""
    for name, each in list(_weights(network)):
        path, _, attribute = name.rpartition(".")
        unfolded = each.detach().view(members, -1, *each.shape[1:])
        if isinstance(each, nn.Parameter):
            unfolded = nn.Parameter(unfolded, requires_grad=each.requires_grad)
        setattr(network.get_submodule(path), attribute, unfolded)


def _weights(network: nn.Module) -> list[tuple[str, Tensor]]:
    """All that a checkpoint holds."""
    return list(network.state_dict(keep_vars=True).items())
