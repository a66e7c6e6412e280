"""Metrics that cannot tell what they are asked, or are watched while their meaning moves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..specs.errors import Path, Problem
from ..specs.metrics import BINARY_METRICS, CLASS_METRICS, VALUE_METRICS
from ..specs.weighting import (
    AnyFactor,
    AnyWeighting,
    ConstantFactor,
    DynamicWeightAverage,
    GradNorm,
    Scheduled,
)
from ..training.blueprint import Blueprint
from ..training.metric_plan import OutputMetrics
from .pairings import BINARY, Pairing, field_of, is_multi_hot, is_one_hot, list_pairings

_ENTRY_SHARES = frozenset({"binary_accuracy", "hamming_loss"})
"""Shares of right or wrong entries, the many zeros of a one-hot row included."""

_BY_RANK = tuple(name for name in BINARY_METRICS if name.startswith(("auroc", "average_precision")))
_BY_ORDER_OR_SIDE = frozenset((*BINARY_METRICS, *CLASS_METRICS))
_BY_THRESHOLD = frozenset(BINARY_METRICS) - frozenset(_BY_RANK)


def wrong_kind_of_accuracy(blueprint: Blueprint) -> Iterator[Problem]:
    """MLX106: of metrics that the config names."""
    for plan in blueprint.metrics:
        named = blueprint.experiment.metrics.get(plan.output, ())
        field = field_of(blueprint, plan.target)
        if is_multi_hot(field):
            for index, name in enumerate(named):
                if name in CLASS_METRICS:
                    yield Problem(
                        f"{name} takes one class per row, but several labels of {plan.target!r} may be true "
                        "at once: all but the first are not looked at; use subset_accuracy or f1_macro",
                        ("metrics", plan.output, index),
                    )
        elif is_one_hot(field) and named and set(named) <= _ENTRY_SHARES:
            yield _free_accuracy(plan, named, len(field.labels))


def _free_accuracy(plan: OutputMetrics, named: Sequence[str], classes: int) -> Problem:
    free = 1.0 / classes if named[0] == "hamming_loss" else 1.0 - 1.0 / classes
    return Problem(
        f"{named[0]} of one-hot rows is {free:.2g} for an output that never says yes, as one of {classes} "
        f"entries is 1; add categorical_accuracy",
        ("metrics", plan.output, 0),
    )


def label_smoothing_not_in_metric(blueprint: Blueprint) -> Iterator[Problem]:
    """MLX111: of labels and one-hot classes."""
    plans = {plan.output: plan for plan in blueprint.metrics}
    for pairing in list_pairings(blueprint):
        plan, smoothing = plans[pairing.term.output], pairing.term.loss.label_smoothing
        if smoothing == 0.0 or pairing.field.kind != "binary" or set(plan.names) - _BY_ORDER_OR_SIDE:
            continue
        yield Problem(
            f"label_smoothing draws probabilities together, but the metrics of {pairing.term.output!r} look "
            "only at their order or at their side of 0.5 and do not show it; add mse, the Brier score",
            pairing.path("label_smoothing"),
        )


def threshold_on_logits(blueprint: Blueprint) -> Iterator[Problem]:
    """MLX114."""
    logits = {
        pairing.term.output: pairing
        for pairing in list_pairings(blueprint)
        if pairing.term.loss.from_logits
        and not pairing.term.on_logits
        and pairing.values.activation == "linear"
    }
    for plan in blueprint.metrics:
        misled = [name for name in plan.names if name in _BY_THRESHOLD or name in VALUE_METRICS]
        if plan.output in logits and misled:
            yield Problem(
                f"{plan.output!r} gives logits, but {misled[0]} takes them for probabilities: 0.5 as a logit "
                f"is a probability of 0.622; use activation: {_own_activation(logits[plan.output])} with "
                "from_logits: auto",
                _metric_path(blueprint, plan.output, misled[0]) or logits[plan.output].path("from_logits"),
            )


def _metric_path(blueprint: Blueprint, output: str, name: str) -> Path | None:
    named = blueprint.experiment.metrics.get(output)
    return ("metrics", output, named.index(name)) if named and name in named else None


def _own_activation(pairing: Pairing) -> str:
    return "sigmoid" if pairing.kind in BINARY else "softmax"


def monitor_under_moving_weights(blueprint: Blueprint) -> Iterator[Problem]:
    """MLX115: the total decides on epochs although its weights are not the same in them."""
    experiment, monitor = blueprint.experiment, blueprint.monitor
    if experiment.training.epochs == 1 or not _moves(experiment.weighting):
        return
    place = ("training", "early_stopping", "monitor")
    watched = [(monitor.best, place)] if monitor.restore_best or monitor.patience is not None else []
    watched += [(monitor.plateau[1], ("optimizer", "schedule", "monitor"))] if monitor.plateau else []
    for monitored, path in watched:
        totals = [key for key in monitored.keys if key.count("/") == 1]
        if totals:
            given = experiment.training.early_stopping if path == place else True
            how = "" if given else " by training.early_stopping.monitor"
            yield Problem(
                f"{totals[0]} decides which epoch is best, but {experiment.weighting.type} gives it other "
                f"weights in every epoch; watch {totals[0].partition('/')[0]}/"
                f"{blueprint.objective.names[0]}/loss or a metric{how}",
                path if given else ("weighting", "type"),
            )


def _moves(weighting: AnyWeighting) -> bool:
    """Whether totals of different epochs are sums under different weights.

    That of `uncertainty` holds what its weights cost, and is one function throughout; the reports of
    `random` and of the aggregations of gradients are under constant weights.
    """
    if isinstance(weighting, Scheduled):
        return any(not _is_constant(factor) for factor in weighting.terms.values())
    return isinstance(weighting, DynamicWeightAverage | GradNorm)


def _is_constant(factor: AnyFactor) -> bool:
    return isinstance(factor, ConstantFactor)
