"""The layer graph by names alone: who reads whom, in which order, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter

from ..specs.errors import ConfigError, Problem, unknown_name
from ..specs.layers import LayerBase, ModelSpec, Shared

LAYERS = ("model", "layers")


@dataclass(frozen=True)
class Node:
    """One computation: `owner` names the layer whose weights it uses (itself, unless it shares)."""

    name: str
    owner: str
    of: tuple[str, ...]


@dataclass(frozen=True)
class Graph:
    """All nodes in an order in which each comes after what it reads."""

    inputs: tuple[str, ...]
    nodes: tuple[Node, ...]
    outputs: tuple[str, ...]

    def ancestors(self, name: str) -> frozenset[str]:
        """The names of all nodes and inputs that `name` is computed from, itself included."""
        readers = {node.name: node.of for node in self.nodes}
        found: set[str] = set()
        waiting = [name]
        while waiting:
            current = waiting.pop()
            if current not in found:
                found.add(current)
                waiting.extend(readers.get(current, ()))
        return frozenset(found)


def plan_graph(model: ModelSpec) -> Graph:
    """The graph of a config.

    Raises:
        ConfigError: all unknown names, missing `of`, cycles, layers and inputs that feed no output.
    """
    problems = _clashes(model)
    reads = _resolve_reads(model, problems)
    owners = _resolve_owners(model, problems)
    problems += _unknown_outputs(model)
    if problems:
        raise ConfigError(problems)
    order = _order(model, reads)
    nodes = tuple(Node(name, owners[name], reads[name]) for name in order)
    graph = Graph(inputs=model.inputs, nodes=nodes, outputs=model.outputs)
    problems = _unused(model, graph)
    if problems:
        raise ConfigError(problems)
    return graph


def _clashes(model: ModelSpec) -> list[Problem]:
    both = [name for name in model.layers if name in model.inputs]
    return [Problem(f"{name!r} is the name of an input already", (*LAYERS, name)) for name in both]


def _resolve_reads(model: ModelSpec, problems: list[Problem]) -> dict[str, tuple[str, ...]]:
    names = [*model.inputs, *model.layers]
    reads: dict[str, tuple[str, ...]] = {}
    above: str | None = model.inputs[0] if len(model.inputs) == 1 else None
    for name, layer in model.layers.items():
        if layer.of is not None:
            problems += [
                Problem(
                    unknown_name("layer or input", given, names, plural="names"), _place(name, layer, index)
                )
                for index, given in enumerate(layer.of)
                if given not in names
            ]
            reads[name] = layer.of
        elif above is not None:
            reads[name] = (above,)
        else:
            inputs = ", ".join(model.inputs)
            problems.append(
                Problem(f"the first layer must say `of` which input it reads: {inputs}", (*LAYERS, name))
            )
        above = name
    return reads


def _place(name: str, layer: LayerBase, index: int) -> tuple[str | int, ...]:
    single = layer.of is not None and len(layer.of) == 1
    return (*LAYERS, name, "of") if single else (*LAYERS, name, "of", index)


def _resolve_owners(model: ModelSpec, problems: list[Problem]) -> dict[str, str]:
    owners: dict[str, str] = {}
    for name, layer in model.layers.items():
        owners[name] = layer.shares if isinstance(layer, Shared) else name
        if not isinstance(layer, Shared):
            continue
        place = (*LAYERS, name, "shares")
        target = model.layers.get(layer.shares)
        if target is None:
            problems.append(Problem(unknown_name("layer", layer.shares, model.layers), place))
        elif isinstance(target, Shared):
            problems.append(
                Problem(f"{layer.shares!r} shares a layer itself; say `shares: {target.shares}`", place)
            )
    return owners


def _unknown_outputs(model: ModelSpec) -> list[Problem]:
    return [
        Problem(unknown_name("layer", name, model.layers), ("model", "outputs", index))
        for index, name in enumerate(model.outputs)
        if name not in model.layers
    ]


def _order(model: ModelSpec, reads: Mapping[str, tuple[str, ...]]) -> list[str]:
    sorter = TopologicalSorter(reads)
    try:
        order = list(sorter.static_order())
    except CycleError as error:
        cycle = list(reversed(error.args[1]))
        path = (*LAYERS, cycle[0], "of")
        raise ConfigError(Problem(f"the layers form a cycle: {' reads '.join(cycle)}", path)) from None
    return [name for name in order if name in model.layers]


def _unused(model: ModelSpec, graph: Graph) -> list[Problem]:
    used = frozenset[str]().union(*(graph.ancestors(name) for name in model.outputs))
    problems = [
        Problem(
            f"layer {name!r} feeds no output; read it, list it in model.outputs, or remove it",
            (*LAYERS, name),
        )
        for name in model.layers
        if name not in used
    ]
    problems += [
        Problem(
            f"input {name!r} feeds no output; read it in some layer's `of`, or remove it",
            ("model", "inputs", index),
        )
        for index, name in enumerate(model.inputs)
        if name not in used
    ]
    return problems
