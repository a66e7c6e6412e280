"""Which metrics each output gets, against which target: decided from names and shapes before any data."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from ..data import Field, Schema, Unit
from ..losses import LossTerm, Objective
from ..specs.errors import ConfigError, Problem, unknown_name
from ..specs.metrics import ORIGINAL, ORIGINAL_METRICS, PROBABILITY_METRICS, VALUE_METRICS, TargetKind
from .metrics import METRICS, default_metrics, metric_problem

Shape = tuple[int, ...]


@dataclass(frozen=True)
class OutputMetrics:
    """One output's metrics against the target of its first loss.

    `kind` is the kind that the trivial prediction and the table of labels go by. `width` is the number of
    entries of a row; `labels` names them, or the classes; `columns` those of a target of named numbers.
    `unit` is the target's where the network is trained in another one than the table's. `gives_logits`:
    the output's values are no probabilities.
    """

    output: str
    target: str
    kind: TargetKind
    names: tuple[str, ...]
    width: int
    labels: tuple[str, ...]
    classes: int | None
    sample_weight: str | None
    columns: tuple[str, ...] = ()
    unit: Unit | None = None
    gives_logits: bool = False


def plan_metrics(
    wanted: Mapping[str, Sequence[str]], objective: Objective, shapes: Mapping[str, Shape], schema: Schema
) -> list[OutputMetrics]:
    """The metrics of every output that a loss trains, in the order of the losses.

    Raises:
        ConfigError: metrics for an output that is not there or has no loss, or that do not fit.
    """
    first = {term.output: term for term in reversed(objective.terms)}
    problems = [
        Problem(
            unknown_name("output with a loss", name, first, plural="outputs with a loss"), ("metrics", name)
        )
        for name in wanted
        if name not in first
    ]
    plans: list[OutputMetrics] = []
    for output in dict.fromkeys(term.output for term in objective.terms):
        term = first[output]
        field = schema.targets.get(term.target) or schema.inputs[term.target]
        kinds = _kinds(field, term.loss.target_kind)
        plan = _plan_output(term, field, shapes[output], kinds)
        names = tuple(wanted.get(output) or default_metrics(plan.kind, plan.width))
        for index, name in enumerate(names):
            message = _misfit(name, plan, kinds)
            if message is not None:
                problems.append(Problem(message, ("metrics", output, index)))
        plans.append(replace(plan, names=_with_originals(names) if plan.unit else names))
    if problems:
        raise ConfigError(problems)
    return plans


def _plan_output(term: LossTerm, field: Field, shape: Shape, kinds: tuple[TargetKind, ...]) -> OutputMetrics:
    """The plan of one output, its metrics not yet named."""
    width, kind = math.prod(shape), kinds[0]
    has_unit = kind == "values" and field.unit is not None and not field.unit.is_identity
    return OutputMetrics(
        output=term.output,
        target=term.target,
        kind=kind,
        names=(),
        width=width,
        labels=field.labels if kind == "classes" and field.labels else _entry_names(field.labels, width),
        classes=shape[-1] if kind == "classes" else None,
        sample_weight=term.sample_weight,
        columns=_entry_names(field.labels, width) if field.kind == "values" and field.labels else (),
        unit=field.unit if has_unit else None,
        gives_logits=term.loss.from_logits and not term.on_logits,
    )


def _entry_names(labels: tuple[str, ...], width: int) -> tuple[str, ...]:
    """A name for every entry of a row: its label, behind its place where labels name the last axis alone."""
    if len(labels) == width:
        return labels
    if not labels or width % len(labels):
        return tuple(str(index) for index in range(width))
    return tuple(f"{place}/{label}" for place in range(width // len(labels)) for label in labels)


def _with_originals(names: tuple[str, ...]) -> tuple[str, ...]:
    """The metrics, and those of numbers once more in the units of the table."""
    originals = [f"{name}{ORIGINAL}" for name in names if name in VALUE_METRICS]
    return tuple(dict.fromkeys([*names, *originals]))


def _kinds(field: Field, target_kind: str) -> tuple[TargetKind, ...]:
    """What the targets may be read as, first what the loss reads them as.

    One-hot rows are labels and a class at once, so a softmax may be judged either way; probabilities of
    labels are numbers too, whose mse is the Brier score.
    """
    if target_kind in ("classes", "distribution"):
        return ("classes", "binary", "values") if field.kind == "binary" else ("classes",)
    if field.kind == "binary":
        return ("binary", "classes", "values") if len(field.labels) > 1 else ("binary", "values")
    return ("values",)


def _misfit(name: str, plan: OutputMetrics, kinds: tuple[TargetKind, ...]) -> str | None:
    if name in ORIGINAL_METRICS and kinds[0] == "values" and plan.unit is None:
        return (
            f"metric {name!r} is in the units of a table, and {plan.target!r} is in no other; "
            f"use {name.removesuffix(ORIGINAL)}."
        )
    if name in PROBABILITY_METRICS and plan.gives_logits:
        return (
            f"metric {name!r} is of probabilities, and {plan.output!r} gives logits; end it in an activation "
            "(sigmoid or softmax) and leave from_logits at auto."
        )
    fitting: list[TargetKind] = [kind for kind in kinds if kind in METRICS[name].kinds]
    return metric_problem(name, fitting[0] if fitting else kinds[0], plan.width)
