"""A config checked as a whole without reading data: sources, graph, losses and metrics fitted together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from ..data import Schema, describe_source
from ..losses import Objective, OutputShape, ReferenceShape, build_objective, name_problems
from ..models import InputSpec, Network, build_network
from ..specs.errors import ConfigError, Problem, unknown_name
from ..specs.experiment import Experiment
from .metric_plan import OutputMetrics, plan_metrics
from .monitor import Monitor, build_monitor
from .weighting_checks import check_reach, weighting_problems

Built = TypeVar("Built")


@dataclass(frozen=True, eq=False)
class Blueprint:
    """What a config comes to. `network` lies on the meta device: shapes and counts without weights."""

    experiment: Experiment
    schema: Schema
    inputs: dict[str, InputSpec]
    network: Network
    objective: Objective
    metrics: list[OutputMetrics]
    monitor: Monitor


def draw_blueprint(experiment: Experiment) -> Blueprint:
    """The blueprint of a config.

    Raises:
        ConfigError: everything that does not fit, at once.
    """
    schema = describe_source(experiment.data)
    inputs = {
        name: InputSpec(field.shape, field.size if field.kind == "tokens" else None)
        for name, field in schema.inputs.items()
    }
    references = {
        name: ReferenceShape(field.shape, field.kind, field.size, field.labels)
        for name, field in {**schema.inputs, **schema.targets}.items()
    }
    problems = name_problems(experiment.losses, experiment.model.outputs, references)
    problems += _untrained_outputs(experiment) + weighting_problems(experiment)
    network = _collect(problems, lambda: _meta_network(experiment, inputs))
    if problems or network is None:
        raise ConfigError(problems)
    objective = build_objective(
        experiment.losses,
        output_shapes(network),
        references,
        regularizers=tuple(penalty.name for penalty in network.penalties),
    )
    check_reach(experiment.weighting, network, objective)
    shapes = {name: network.shapes[name] for name in network.graph.outputs}
    metrics = plan_metrics(experiment.metrics, objective, shapes, schema)
    monitor = build_monitor(experiment, objective, metrics)
    return Blueprint(experiment, schema, inputs, network, objective, metrics, monitor)


def output_shapes(network: Network) -> dict[str, OutputShape]:
    """The outputs of a network as the losses see them."""
    return {
        name: OutputShape(network.shapes[name], network.activations[name]) for name in network.graph.outputs
    }


def _meta_network(experiment: Experiment, inputs: dict[str, InputSpec]) -> Network:
    return build_network(experiment.model, inputs, seed=0, numerics=experiment.numerics, device="meta")


def _collect(problems: list[Problem], build: Callable[[], Built]) -> Built | None:
    """What `build` gives, or None with its problems added to the others."""
    try:
        return build()
    except ConfigError as error:
        problems.extend(error.problems)
        return None


def _untrained_outputs(experiment: Experiment) -> list[Problem]:
    """Metrics of outputs that do not exist; the rest is checked when the objective stands."""
    outputs = experiment.model.outputs
    return [
        Problem(unknown_name("output", name, outputs), ("metrics", name))
        for name in experiment.metrics
        if name not in outputs
    ]
