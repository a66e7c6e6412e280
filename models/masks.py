"""Which steps of a sequence count: where masks begin, whom they follow, who reads them.

An embedding with `mask_zero` makes a mask from its indices; every mask of a network is one of these or
a union of several, so that who has which is settled when the network is built.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor

from .graph import Graph
from .layer import Layer

Sources = frozenset[str]
"""The nodes whose masks are united; empty: no mask."""


def plan_masks(graph: Graph, layers: Mapping[str, Layer]) -> dict[str, tuple[Sources, Sources]]:
    """For every node the mask it reads, and the mask of what it gives.

    Merged sequences count where any of them does (Keras); beside one without a mask, everywhere.
    """
    given: dict[str, Sources] = {name: Sources() for name in graph.inputs}
    planned: dict[str, tuple[Sources, Sources]] = {}
    for node in graph.nodes:
        layer = layers[node.owner]
        read = [given[name] for name in node.of]
        united = Sources().union(*read) if all(read) else Sources()
        given[node.name] = united if layer.passes_mask else Sources()
        if layer.makes_mask:
            given[node.name] = Sources({node.name})
        planned[node.name] = united if layer.reads_mask else Sources(), given[node.name]
    return planned


def padding_mask(indices: Tensor) -> Tensor:
    """True where an index is not 0. Shapes: (B, T) to (B, T)."""
    return indices != 0


def united_mask(masks: Mapping[str, Tensor], sources: Sequence[str]) -> Tensor | None:
    """Where any of `sources` counts, (B, T); None without sources."""
    united: Tensor | None = None
    for name in sources:
        united = masks[name] if united is None else united | masks[name]
    return united
