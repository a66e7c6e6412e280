"""Which parameters each loss reaches: those of the layers between it and the inputs or a stopped gradient."""

from __future__ import annotations

from ..losses import Objective
from ..models import Network
from ..models.gradients import stops_gradient


def term_reach(network: Network, objective: Objective) -> dict[str, frozenset[str]]:
    """By term, the names of the trained parameters that its output depends on.

    A gradient that is stopped on the way does not reach; one that happens to be 0 does.
    """
    owned = trained_parameters(network)
    return {
        term.name: frozenset(
            name for owner in output_owners(network, term.output) for name in owned.get(owner, ())
        )
        for term in objective.terms
    }


def reached_layers(network: Network, names: frozenset[str]) -> list[str]:
    """The layers with trained parameters that are all in `names`, in the order of the graph."""
    return [layer for layer, trained in trained_parameters(network).items() if set(trained) <= names]


def trained_parameters(network: Network) -> dict[str, tuple[str, ...]]:
    """The names of the trained parameters of each layer that has any, in the order of the graph.

    A node that shares another's weights has none of its own.
    """
    identities = {id(each): name for name, each in network.named_parameters() if each.requires_grad}
    found: dict[str, tuple[str, ...]] = {}
    for node in network.graph.nodes:
        if node.owner == node.name:
            parameters = network.layer(node.owner).parameters()
            names = tuple(identities[id(each)] for each in parameters if id(each) in identities)
            found |= {node.name: names} if names else {}
    return found


def frozen_layers(network: Network) -> tuple[str, ...]:
    """The layers that have weights, none of which is trained, in the order of the graph."""
    owners = {node.owner: network.layer(node.owner) for node in network.graph.nodes}
    trained = trained_parameters(network)
    return tuple(
        name for name, layer in owners.items() if name not in trained and len(list(layer.parameters()))
    )


def gradient_path(network: Network, output: str) -> frozenset[str]:
    """The nodes through which a gradient from `output` comes, and those at which it is stopped."""
    nodes = {node.name: node for node in network.graph.nodes}
    found: set[str] = set()
    waiting = [output]
    while waiting:
        node = nodes.get(waiting.pop())
        if node is not None and node.name not in found:
            found.add(node.name)
            stopped = stops_gradient(network.layer(node.owner))
            waiting.extend(() if stopped else node.of)
    return frozenset(found)


def output_owners(network: Network, output: str) -> frozenset[str]:
    """The layers whose weights a gradient from `output` comes to."""
    path = gradient_path(network, output)
    return frozenset(node.owner for node in network.graph.nodes if node.name in path)
