"""What a config describes: layers with shapes and parameters, losses, and what they are computed from."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from ..models import Network
from ..specs.experiment import Experiment
from ..training.blueprint import Blueprint


@dataclass(frozen=True)
class LayerSummary:
    """One node of the graph; `shares` names the layer whose weights it uses, if not its own."""

    name: str
    type: str
    of: tuple[str, ...]
    shape: tuple[int, ...]
    parameters: int
    shares: str | None


@dataclass(frozen=True)
class TermSummary:
    """One loss: `reads` says what of the output it is computed from."""

    name: str
    type: str
    output: str
    target: str
    weight: float
    reads: str


@dataclass(frozen=True)
class Summary:
    """All of a config that can be known without its data."""

    name: str
    inputs: dict[str, tuple[int, ...]]
    layers: tuple[LayerSummary, ...]
    outputs: tuple[str, ...]
    losses: tuple[TermSummary, ...]
    metrics: dict[str, tuple[str, ...]]
    parameters: int

    def document(self) -> dict[str, object]:
        """The summary as plain JSON values."""
        return asdict(self)


def summarize(blueprint: Blueprint) -> Summary:
    """What a config that was checked as a whole describes."""
    experiment, network = blueprint.experiment, blueprint.network
    layers = _layers(experiment, network)
    losses = tuple(
        TermSummary(
            name=term.name,
            type=term.loss.type,
            output=term.output,
            target=term.target,
            weight=experiment.losses[term.name].weight,
            reads="logits" if term.on_logits else "value",
        )
        for term in blueprint.objective.terms
    )
    return Summary(
        name=experiment.name,
        inputs={name: network.shapes[name] for name in network.graph.inputs},
        layers=layers,
        outputs=network.graph.outputs,
        losses=losses,
        metrics={plan.output: plan.names for plan in blueprint.metrics},
        parameters=sum(layer.parameters for layer in layers),
    )


def _layers(experiment: Experiment, network: Network) -> tuple[LayerSummary, ...]:
    summaries: list[LayerSummary] = []
    for node in network.graph.nodes:
        own = node.owner == node.name
        count = sum(each.numel() for each in network.layer(node.owner).parameters()) if own else 0
        summaries.append(
            LayerSummary(
                name=node.name,
                type=getattr(experiment.model.layers[node.owner], "type"),  # noqa: B009
                of=node.of,
                shape=network.shapes[node.name],
                parameters=count,
                shares=None if own else node.owner,
            )
        )
    return tuple(summaries)
