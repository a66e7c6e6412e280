"""Whether the thresholds and the calibration of a config fit its outputs: told before any data is read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from ..data import Schema
from ..specs.errors import ConfigError, Path, Problem, unknown_name
from ..specs.experiment import Experiment
from .metric_plan import OutputMetrics
from .metrics import KIND_WORDS


def check_decisions(
    experiment: Experiment,
    metrics: Sequence[OutputMetrics],
    *,
    activations: Mapping[str, str],
    schema: Schema,
) -> None:
    """Check both sections; `activations` are those of the outputs.

    Raises:
        ConfigError: an output without a loss, without binary labels or without logits, an unknown label,
        or something to be found where the config leaves no rows for validation.
    """
    plans = {plan.output: plan for plan in metrics}
    messages = {
        ("thresholds", name): _threshold_problem(plans[name]) if name in plans else _without_loss(name, plans)
        for name in experiment.thresholds
    }
    messages |= {
        ("calibration", name): _calibration_problem(plans[name], activations[name], schema)
        if name in plans
        else _without_loss(name, plans)
        for name in experiment.calibration
    }
    problems = [Problem(message, path) for path, message in messages.items() if message is not None]
    problems += _label_problems(experiment, plans)
    if not experiment.data.has_validation:
        problems += missing_validation(experiment)
    if problems:
        raise ConfigError(problems)


def missing_validation(experiment: Experiment) -> Iterator[Problem]:
    """What cannot be found where there are no validation rows."""
    for name, given in experiment.thresholds.items():
        if given == "f1":
            message = (
                "thresholds for the highest F1 are found on validation rows, and there are none; "
                "keep some (data.validation_split), or give numbers."
            )
            yield Problem(message, ("thresholds", name))
    for name, method in experiment.calibration.items():
        message = (
            f"a {method} is fitted to validation rows, and there are none; keep some (data.validation_split)."
        )
        yield Problem(message, ("calibration", name))


def _without_loss(name: str, plans: Mapping[str, OutputMetrics]) -> str:
    return unknown_name("output with a loss", name, plans, plural="outputs with a loss")


def _threshold_problem(plan: OutputMetrics) -> str | None:
    if plan.kind != "binary":
        return f"thresholds are for binary labels, and {plan.target!r} is {KIND_WORDS[plan.kind]}."
    if plan.gives_logits:
        return (
            f"thresholds are of probabilities, and {plan.output!r} gives logits; end it in "
            "activation: sigmoid and leave from_logits at auto."
        )
    return None


def _label_problems(experiment: Experiment, plans: Mapping[str, OutputMetrics]) -> Iterator[Problem]:
    for name, given in experiment.thresholds.items():
        plan = plans.get(name)
        if plan is None or plan.kind != "binary" or not isinstance(given, dict):
            continue
        for label in given:
            if label not in plan.labels:
                place: Path = ("thresholds", name, label)
                yield Problem(unknown_name("label", label, plan.labels), place)


def _calibration_problem(plan: OutputMetrics, activation: str, schema: Schema) -> str | None:
    if activation not in ("sigmoid", "softmax"):
        return (
            f"a temperature divides logits, and {plan.output!r}, which ends in {activation}, has none; "
            "end it in activation: sigmoid or softmax."
        )
    field = schema.targets.get(plan.target) or schema.inputs[plan.target]
    if activation == "softmax" and field.kind == "binary" and not field.exclusive:
        return (
            f"the temperature of a softmax is fitted to one class per row, and several labels of "
            f"{plan.target!r} may be true at once; use activation: sigmoid."
        )
    wanted = "binary" if activation == "sigmoid" or plan.kind == "binary" else "classes"
    if plan.kind != wanted:
        fitting, given = KIND_WORDS[wanted], KIND_WORDS[plan.kind]
        return f"the temperature of a {activation} is fitted to {fitting}, and {plan.target!r} is {given}."
    return None
