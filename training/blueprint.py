"""A config checked as a whole without reading data: sources, graph, losses and metrics fitted together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from ..data import Schema, Source, open_source
from ..losses import Objective, OutputShape, ReferenceShape, build_objective, name_problems
from ..models import InputSpec, Network, build_network
from ..specs.errors import ConfigError, Problem, unknown_name
from ..specs.experiment import Experiment
from ..specs.optimizers import Adam, AdamW
from ..specs.weighting import Fixed
from .decision_checks import check_decisions
from .metric_plan import OutputMetrics, plan_metrics
from .monitor import Monitor, build_monitor
from .weighting_checks import check_reach, weighting_problems

Built = TypeVar("Built")


@dataclass(frozen=True, eq=False)
class Blueprint:
    """What a config comes to. `network` lies on the meta device: shapes and counts without weights."""

    experiment: Experiment
    source: Source
    inputs: dict[str, InputSpec]
    network: Network
    objective: Objective
    metrics: list[OutputMetrics]
    monitor: Monitor

    @property
    def schema(self) -> Schema:
        """The fields of the data."""
        return self.source.schema


def draw_blueprint(experiment: Experiment, source: Source | None = None) -> Blueprint:
    """The blueprint of a config; `source` is that of its data, where it is open already.

    Raises:
        ConfigError: everything that does not fit, at once. DataError, MachineError: a user's files.
    """
    source = source or open_source(experiment.data)
    schema = source.schema
    inputs = {
        name: InputSpec(field.shape, field.size if field.kind == "tokens" else None)
        for name, field in schema.inputs.items()
    }
    references = {
        name: ReferenceShape(field.shape, field.kind, field.size, field.labels)
        for name, field in {**schema.inputs, **schema.targets}.items()
    }
    problems = name_problems(
        experiment.losses, experiment.model.outputs, references, sample_weights=schema.weights
    )
    problems += (
        _untrained_outputs(experiment) + weighting_problems(experiment) + _capture_problems(experiment)
    )
    network = _collect(problems, lambda: _meta_network(experiment, inputs))
    if network is not None and not any(each.requires_grad for each in network.parameters()):
        message = "no layer has weights to train: give one some units, or leave trainable: false out"
        problems.append(Problem(message, ("model", "layers")))
    if problems or network is None:
        raise ConfigError(problems)
    objective = build_objective(
        experiment.losses,
        output_shapes(network),
        references,
        sample_weights=schema.weights,
        regularizers=tuple(penalty.name for penalty in network.penalties),
    )
    check_reach(experiment.weighting, network, objective)
    shapes = {name: network.shapes[name] for name in network.graph.outputs}
    metrics = plan_metrics(experiment.metrics, objective, shapes, schema)
    check_decisions(experiment, metrics, activations=network.activations, schema=schema)
    monitor = build_monitor(experiment, objective, metrics)
    return Blueprint(experiment, source, inputs, network, objective, metrics, monitor)


def output_shapes(network: Network) -> dict[str, OutputShape]:
    """The outputs of a network as the losses see them."""
    return {
        name: OutputShape(network.shapes[name], network.activations[name]) for name in network.graph.outputs
    }


def _capture_problems(experiment: Experiment) -> list[Problem]:
    """What keeps every step from being captured, on whatever device."""
    training, found = experiment.training, list[str]()
    if not training.capture_step:
        return []
    if not isinstance(experiment.optimizer, Adam | AdamW):
        found.append(f"optimizer.type {experiment.optimizer.type} (allowed: adam, adamw)")
    if not isinstance(experiment.weighting, Fixed):
        found.append(f"weighting.type {experiment.weighting.type} (allowed: fixed)")
    if training.precision == "float64":
        found.append("training.precision float64 (allowed: float32, tf32, bf16)")
    path = ("training", "capture_step")
    return [Problem(f"a step cannot be captured under {each}", path) for each in found]


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
    """What is said of outputs that do not exist; the rest is checked when the objective stands."""
    outputs = experiment.model.outputs
    return [
        Problem(unknown_name("output", name, outputs), (section, name))
        for section in ("metrics", "thresholds", "calibration")
        for name in getattr(experiment, section)
        if name not in outputs
    ]
