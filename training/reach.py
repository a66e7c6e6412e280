"""Which parameters each loss reaches: those of the layers between it and the inputs or a stopped gradient."""

from __future__ import annotations

from ..losses import Objective
from ..models import Network
from ..models.gradients import StopGradient


def term_reach(network: Network, objective: Objective) -> dict[str, frozenset[str]]:
    """By term, the names of the trained parameters that its output depends on.

    A gradient that is stopped on the way does not reach; one that happens to be 0 does.
    """
    identities = {id(each): name for name, each in network.named_parameters() if each.requires_grad}
    owned = {node.owner: _trained(network, node.owner, identities) for node in network.graph.nodes}
    return {
        term.name: frozenset[str]().union(*(owned[owner] for owner in _owners(network, term.output)))
        for term in objective.terms
    }


def reached_layers(network: Network, names: frozenset[str]) -> list[str]:
    """The layers with trained parameters that are all in `names`, in the order of the graph."""
    identities = {id(each): name for name, each in network.named_parameters() if each.requires_grad}
    owned = {
        node.name: _trained(network, node.owner, identities)
        for node in network.graph.nodes
        if node.owner == node.name
    }
    return [name for name, trained in owned.items() if trained and trained <= names]


def _trained(network: Network, layer: str, identities: dict[int, str]) -> frozenset[str]:
    return frozenset(
        identities[id(each)] for each in network.layer(layer).parameters() if id(each) in identities
    )


def _owners(network: Network, output: str) -> set[str]:
    """The layers whose weights a gradient from `output` comes to."""
    nodes = {node.name: node for node in network.graph.nodes}
    found: set[str] = set()
    waiting = [output]
    while waiting:
        node = nodes.get(waiting.pop())
        if node is not None and node.name not in found:
            found.add(node.name)
            stopped = isinstance(network.layer(node.owner), StopGradient)
            waiting.extend(() if stopped else node.of)
    return {nodes[name].owner for name in found}
