"""From the model part of a config to a `Network`: sizes inferred, every weight from its own stream."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import torch

from ..specs import layers as spec
from ..specs.errors import ConfigError, Problem, unknown_name
from .catalogue import BUILDERS
from .context import InputSpec, LayerContext
from .example_shapes import RunBudget, listed_shapes, shape_through
from .graph import Graph, Node, plan_graph
from .index_checks import check_indices
from .initializers import OversizedError, ParameterSource, Stream
from .layer import Layer, Shape, shape_error
from .network import Network
from .noise import NoiseClock
from .penalties import layer_penalties
from .replicate import Replicate


def build_network(
    model: spec.ModelSpec,
    inputs: Mapping[str, InputSpec],
    *,
    seed: int | Sequence[int],
    numerics: Literal["keras", "torch"] = "keras",
    dtype: torch.dtype = torch.float32,
    device: torch.device | str = "cpu",
) -> Network:
    """The network of a config with its initial weights.

    A sequence of seeds builds a stack, one member per seed; a single seed a plain network. On the
    `meta` device nothing is drawn or allocated.

    Raises:
        ConfigError: unknown names, cycles, or sizes that do not fit.
    """
    problems = [
        Problem(unknown_name("input", name, inputs), ("model", "inputs", index))
        for index, name in enumerate(model.inputs)
        if name not in inputs
    ]
    if problems:
        raise ConfigError(problems)
    seeds = (seed,) if isinstance(seed, int) else tuple(seed)
    builder = _Builder(
        roots=tuple(Stream(each, "") for each in seeds),
        stacked=not isinstance(seed, int),
        numerics=numerics,
        clock=NoiseClock(),
        dtype=dtype,
        device=torch.device(device),
    )
    return builder.network(model, {name: inputs[name] for name in model.inputs}).to(device)


@dataclass(frozen=True)
class _Builder:
    """Builds a graph for every root at once: a seed, and what stands before its layers' names."""

    roots: tuple[Stream, ...]
    stacked: bool
    numerics: Literal["keras", "torch"]
    clock: NoiseClock
    dtype: torch.dtype
    device: torch.device
    drawn: bool = True
    budget: RunBudget = field(default_factory=RunBudget)

    def network(self, model: spec.ModelSpec, inputs: Mapping[str, InputSpec]) -> Network:
        graph = plan_graph(model)
        shapes = self._infer_shapes(graph, model, inputs)
        reads = {name: InputSpec(shape) for name, shape in shapes.items()} | dict(inputs)
        layers = {
            node.name: self.layer(model, node, [reads[name] for name in node.of])
            for node in graph.nodes
            if node.owner == node.name
        }
        network = Network(
            graph,
            layers,
            activations={name: _activation(model.layers[name], layer) for name, layer in layers.items()},
            shapes=shapes,
            clock=self.clock,
            members=len(self.roots) if self.stacked else None,
        )
        _check_masks(network)
        return network

    def layer(self, model: spec.ModelSpec, node: Node, reads: Sequence[InputSpec]) -> Layer:
        described = model.layers[node.owner]
        streams = tuple(Stream(root.seed, root.layer + node.owner) for root in self.roots)
        source = ParameterSource(streams, self.stacked, self.numerics, self.dtype, self.device, self.drawn)
        context = LayerContext(node.owner, tuple(reads), source, self.clock)
        if isinstance(described, spec.Replicate):
            return self._replicate(described, node, context)
        try:
            layer = BUILDERS[type(described)](described, context).to(device=self.device, dtype=self.dtype)
        except OversizedError as error:
            raise context.error(str(error)) from None
        layer.penalties = layer_penalties(described, (name for name, _ in layer.named_parameters()))
        if isinstance(described, spec.WeightedLayer) and not described.trainable:
            _freeze(layer, described, context)
        return layer

    def _replicate(self, described: spec.Replicate, node: Node, context: LayerContext) -> Layer:
        inner = spec.ModelSpec(
            inputs=tuple(dict.fromkeys(node.of)),
            layers=described.layers,
            outputs=(list(described.layers)[-1],),
        )
        copies = replace(
            self,
            roots=tuple(
                Stream(root.seed, f"{root.layer}{node.owner}/{copy}/")
                for root in self.roots
                for copy in range(described.n)
            ),
            stacked=True,
        )
        try:
            network = copies.network(inner, dict(zip(node.of, context.reads, strict=True)))
        except ConfigError as error:
            raise ConfigError([_inside(each, node.owner) for each in error.problems]) from None
        if any(penalty.parameter is None for penalty in network.penalties):
            raise context.error("activity_regularizer is not for the layers of a replicate", "layers")
        if network.masked.intersection(network.graph.outputs):
            raise context.error(
                "masks do not leave the copies; end them with a layer that gives no sequence", "layers"
            )
        return Replicate(
            context.shapes,
            network,
            copies=described.n,
            members=len(self.roots) if self.stacked else None,
        )

    def _infer_shapes(
        self, graph: Graph, model: spec.ModelSpec, inputs: Mapping[str, InputSpec]
    ) -> dict[str, Shape]:
        """The example shape of every node, by running each layer on one example of zeros."""
        single = replace(
            self,
            roots=self.roots[:1],
            stacked=False,
            clock=NoiseClock(),
            dtype=torch.float32,
            device=torch.device("meta"),
        )
        known = dict(inputs)
        built: dict[str, tuple[Layer, list[InputSpec]]] = {}
        for node in graph.nodes:
            given = [known[name] for name in node.of]
            check_indices(model.layers[node.owner], node.name, given)
            if node.owner not in built:
                built[node.owner] = _inference_layer(single, model, node, given), given
            layer, expected = built[node.owner]
            _check_sharing(node, layer, given, expected)
            described = model.layers[node.owner]
            shape = shape_through(node, described, layer, given, budget=self.budget)
            known[node.name] = InputSpec(shape)
        return {name: each.shape for name, each in known.items()}


def _activation(described: spec.LayerBase, layer: Layer) -> str:
    return layer.activation if isinstance(layer, Replicate) else getattr(described, "activation", "linear")


def _check_masks(network: Network) -> None:
    for node in network.graph.nodes:
        masked = [name for name in node.of if name in network.masked]
        if masked and isinstance(network.layer(node.owner), Replicate):
            message = f"masks do not enter the copies, but {masked[0]!r} has one; put its embedding inside"
            raise shape_error(node.name, message, "of")


def _freeze(layer: Layer, described: spec.WeightedLayer, context: LayerContext) -> None:
    if any(penalty.parameter is not None for penalty in layer.penalties):
        fields = [name for name in type(described).model_fields if name.endswith("_regularizer")]
        given = next(name for name in fields if getattr(described, name) and name != "activity_regularizer")
        raise context.error("has no effect on frozen weights (trainable: false)", given)
    layer.requires_grad_(False)


def _inside(problem: Problem, name: str) -> Problem:
    """A problem of a replicate's sub-graph, as the config sees it."""
    layer = ("model", "layers", name)
    if problem.path[:2] == ("model", "layers"):
        return replace(problem, path=(*layer, "layers", *problem.path[2:]))
    return replace(problem, path=(*layer, "of"))


def _check_sharing(
    node: Node, layer: Layer, given: Sequence[InputSpec], expected: Sequence[InputSpec]
) -> None:
    """A shared layer reads what its owner reads: in size, and in kind."""
    skip = 1 if layer.any_length else 0
    for one, other in zip(given, expected, strict=False):
        same_rank = len(one.shape) == len(other.shape)
        if len(given) != len(expected) or not same_rank or one.shape[skip:] != other.shape[skip:]:
            message = (
                f"reads {listed_shapes(given)}, but the layer it shares weights with reads "
                f"{listed_shapes(expected)}"
            )
            raise shape_error(node.name, message, "of")


def _inference_layer(
    single: _Builder, model: spec.ModelSpec, node: Node, given: Sequence[InputSpec]
) -> Layer:
    """A layer to learn shapes by: on the CPU with weights that are never written, unless it is too large."""
    layer = single.layer(model, node, given)
    if isinstance(layer, Replicate) or not single.budget.affords(model.layers[node.owner], layer, given):
        return layer.to("meta")
    on_cpu = replace(single, clock=NoiseClock(), device=torch.device("cpu"), drawn=False)
    return on_cpu.layer(model, node, given)
