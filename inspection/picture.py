"""A network's graph for its picture: what each box says, and which losses flow back along which edge."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ..losses import Objective
from ..models import Network
from ..models.gradients import stops_gradient
from ..records.graph_picture import PictureEdge, PictureNode, draw_graph
from ..specs.experiment import Experiment
from ..training.reach import gradient_path, trained_parameters


@dataclass(frozen=True)
class GraphPicture:
    """The graph of one experiment, ready to be drawn."""

    title: str
    nodes: tuple[PictureNode, ...]
    edges: tuple[PictureEdge, ...]
    terms: tuple[str, ...]

    def draw(self) -> str:
        """The SVG document."""
        return draw_graph(self.nodes, self.edges, terms=self.terms, title=self.title)


def picture_graph(experiment: Experiment, network: Network, objective: Objective) -> GraphPicture:
    """Inputs, layers, outputs and losses; a term colors the edges that its gradient comes back through.

    It comes no further than to the last layer with trained weights: nothing flows into the data.
    """
    nodes = [*_inputs(network), *_layers(experiment, network), *_losses(experiment, objective)]
    edges = [*_edges(network, objective)]
    edges += [PictureEdge(term.output, _loss_key(term.name), (term.name,)) for term in objective.terms]
    return GraphPicture(experiment.name, tuple(nodes), tuple(edges), objective.names)


def _inputs(network: Network) -> Iterator[PictureNode]:
    for name in network.graph.inputs:
        yield PictureNode(name, "input", (name, _shape(network.shapes[name])))


def _layers(experiment: Experiment, network: Network) -> Iterator[PictureNode]:
    for node in network.graph.nodes:
        kind: str = getattr(experiment.model.layers[node.owner], "type")  # noqa: B009
        lines = [node.name, f"{kind} {_shape(network.shapes[node.name])}"]
        weights = sum(each.numel() for each in network.layer(node.owner).parameters())
        if node.owner != node.name:
            lines.append(f"weights of {node.owner}")
        elif weights:
            lines.append(f"{weights:,} weights")
        is_output = node.name in network.graph.outputs
        yield PictureNode(node.name, "output" if is_output else "layer", tuple(lines))


def _losses(experiment: Experiment, objective: Objective) -> Iterator[PictureNode]:
    for term in objective.terms:
        weight = experiment.losses[term.name].weight
        lines = (term.name, f"{weight:g} x {term.loss.type}", f"against {term.target}")
        yield PictureNode(_loss_key(term.name), "loss", lines, term.name)


def _edges(network: Network, objective: Objective) -> Iterator[PictureEdge]:
    paths = {term.name: gradient_path(network, term.output) for term in objective.terms}
    moved = _moved_below(network)
    for node in network.graph.nodes:
        stopped = stops_gradient(network.layer(node.owner))
        for source in dict.fromkeys(node.of):
            flows = not stopped and source in moved
            terms = (name for name, path in paths.items() if flows and node.name in path)
            yield PictureEdge(source, node.name, tuple(terms))


def _moved_below(network: Network) -> frozenset[str]:
    """The nodes to which a gradient has to come, since trained weights are in them or below."""
    trained = trained_parameters(network)
    moved: set[str] = set()
    for node in network.graph.nodes:
        passes = not stops_gradient(network.layer(node.owner))
        if node.owner in trained or (passes and moved.intersection(node.of)):
            moved.add(node.name)
    return frozenset(moved)


def _loss_key(name: str) -> str:
    """A loss may be named like a layer; a name has no blank."""
    return f"loss {name}"


def _shape(shape: tuple[int, ...]) -> str:
    return f"({', '.join(str(size) for size in shape)})"
