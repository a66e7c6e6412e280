"""From the model part of a config to a `Network`: sizes inferred, every weight from its own stream."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch

from ..specs import layers as spec
from ..specs.errors import ConfigError, Problem, unknown_name
from .catalogue import BUILDERS, LayerContext
from .graph import Graph, Node, plan_graph
from .initializers import ParameterSource
from .layer import Layer, Shape, shape_error, written
from .network import Network
from .noise import NoiseClock


@dataclass(frozen=True)
class InputSpec:
    """One example of an input: its shape, and the number of indices where it holds indices."""

    shape: Shape
    indices: int | None = None


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
    graph = plan_graph(model)
    seeds = (seed,) if isinstance(seed, int) else tuple(seed)
    stacked = not isinstance(seed, int)
    clock = NoiseClock()
    builder = _Builder(model, seeds, stacked, numerics, clock)
    shapes = _infer_shapes(graph, model, inputs, builder)
    layers = {
        node.name: builder.layer(node, [shapes[name] for name in node.of], dtype, torch.device(device))
        for node in graph.nodes
        if node.owner == node.name
    }
    return Network(
        graph,
        layers,
        activations={name: getattr(layer, "activation", "linear") for name, layer in model.layers.items()},
        shapes=shapes,
        clock=clock,
        members=len(seeds) if stacked else None,
    ).to(device)


@dataclass(frozen=True)
class _Builder:
    model: spec.ModelSpec
    seeds: tuple[int, ...]
    stacked: bool
    numerics: Literal["keras", "torch"]
    clock: NoiseClock

    def layer(self, node: Node, shapes: Sequence[Shape], dtype: torch.dtype, device: torch.device) -> Layer:
        described = self.model.layers[node.owner]
        source = ParameterSource(node.owner, self.seeds, self.stacked, self.numerics, dtype, device)
        context = LayerContext(node.owner, tuple(shapes), source, self.clock)
        return BUILDERS[type(described)](described, context).to(device=device, dtype=dtype)


def _infer_shapes(
    graph: Graph, model: spec.ModelSpec, inputs: Mapping[str, InputSpec], builder: _Builder
) -> dict[str, Shape]:
    """The example shape of every node, by running each layer on the meta device."""
    single = _Builder(model, (0,), False, builder.numerics, NoiseClock())
    shapes = {name: inputs[name].shape for name in graph.inputs}
    built: dict[str, tuple[Layer, list[Shape]]] = {}
    for node in graph.nodes:
        given = [shapes[name] for name in node.of]
        if node.owner not in built:
            built[node.owner] = single.layer(node, given, torch.float32, torch.device("meta")), given
        layer, expected = built[node.owner]
        if given != expected:
            message = (
                f"reads {_listed(given)}, but the layer it shares weights with reads {_listed(expected)}"
            )
            raise shape_error(node.name, message, "of")
        shapes[node.name] = _shape_through(node, layer, given)
    return shapes


def _shape_through(node: Node, layer: Layer, given: Sequence[Shape]) -> Shape:
    values = [torch.empty((2, *shape), device="meta") for shape in given]
    try:
        with torch.no_grad():
            return tuple(layer.eval()(*values).shape[1:])
    except RuntimeError as error:
        reason = str(error).splitlines()[0]
        raise shape_error(node.name, f"does not fit its input {_listed(given)}: {reason}") from None


def _listed(shapes: Sequence[Shape]) -> str:
    return " and ".join(written(shape) for shape in shapes)
