"""Which metrics each output gets, against which target: decided from names and shapes before any data."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..data import Field, Schema
from ..losses import Objective
from ..specs.errors import ConfigError, Problem, unknown_name
from ..specs.metrics import TargetKind
from .metrics import METRICS, default_metrics, metric_problem

Shape = tuple[int, ...]


@dataclass(frozen=True)
class OutputMetrics:
    """One output's metrics against the target of its first loss.

    `kind` is the kind that the trivial prediction and the table of labels go by.
    """

    output: str
    target: str
    kind: TargetKind
    names: tuple[str, ...]
    labels: tuple[str, ...]
    classes: int | None
    sample_weight: str | None


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
        width = math.prod(shapes[output])
        kinds = _kinds(field, term.loss.target_kind)
        names = tuple(wanted.get(output) or default_metrics(kinds[0], width))
        for index, name in enumerate(names):
            message = _misfit(name, kinds, width)
            if message is not None:
                problems.append(Problem(message, ("metrics", output, index)))
        labels = field.labels or tuple(str(index) for index in range(width))
        classes = shapes[output][-1] if kinds[0] == "classes" else None
        plans.append(OutputMetrics(output, term.target, kinds[0], names, labels, classes, term.sample_weight))
    if problems:
        raise ConfigError(problems)
    return plans


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


def _misfit(name: str, kinds: tuple[TargetKind, ...], width: int) -> str | None:
    fitting = METRICS[name].kind if METRICS[name].kind in kinds else kinds[0]
    return metric_problem(name, fitting, width)
