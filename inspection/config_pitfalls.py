"""Losses that train nothing, layers and outputs that nothing trains, and sums that shift a balance."""

from __future__ import annotations

import math
from collections.abc import Iterator

from ..losses import LossTerm
from ..specs.errors import Path, Problem
from ..specs.experiment import Experiment
from ..specs.optimizers import SGD
from ..specs.weighting import AnyFactor, ConstantFactor, Scheduled, StepsFactor
from ..training.blueprint import Blueprint
from ..training.reach import term_reach, trained_parameters

LARGEST_RATE = 1.0
"""The learning rate for a mean beyond which plain SGD is taken to be set for something else."""


def weight_of_zero(blueprint: Blueprint) -> Iterator[Problem]:
    """MLX107."""
    for name in blueprint.objective.names:
        path = _zero_path(blueprint.experiment, name)
        if path is not None:
            yield Problem(
                f"a weight of 0: {name!r} is reported but trains nothing; give it a weight, or take it out",
                path,
            )


def _zero_path(experiment: Experiment, name: str) -> Path | None:
    """Where the config says that a loss never counts; None where it does."""
    if experiment.losses[name].weight == 0.0:
        return ("losses", name, "weight")
    weighting = experiment.weighting
    if isinstance(weighting, Scheduled) and name in weighting.terms and _is_zero(weighting.terms[name]):
        return ("weighting", "terms", name)
    return None


def _is_zero(factor: AnyFactor) -> bool:
    """Whether a factor is 0 in every epoch."""
    if isinstance(factor, ConstantFactor):
        return factor.value == 0.0
    return not any(factor.values) if isinstance(factor, StepsFactor) else factor.start == factor.end == 0.0


def layer_no_loss_reaches(blueprint: Blueprint) -> Iterator[Problem]:
    """MLX108: but for layers below nothing but outputs without a loss, which another rule tells of."""
    experiment, network = blueprint.experiment, blueprint.network
    reach = term_reach(network, blueprint.objective)
    idle_terms = [name for name in reach if _zero_path(experiment, name) is not None]
    reached = frozenset[str]().union(*(names for term, names in reach.items() if term not in idle_terms))
    penalized = {penalty.name.partition("/")[0] for penalty in network.penalties}
    below_scored = _layers_below_scored(blueprint)
    for layer, parameters in trained_parameters(network).items():
        if layer in below_scored and reached.isdisjoint(parameters):
            idle = [repr(name) for name in idle_terms if not reach[name].isdisjoint(parameters)]
            why = (
                f"only {', '.join(idle)}, of weight 0, would" if idle else "a gradient is stopped on the way"
            )
            moved = ", and its regularization alone moves it" if layer in penalized else ""
            fix = "raise the weight" if idle else "take out the stop_gradient"
            yield Problem(
                f"no loss trains {layer!r}: {why}{moved}; {fix}, or set trainable: false",
                ("model", "layers", layer),
            )


def _layers_below_scored(blueprint: Blueprint) -> frozenset[str]:
    """The layers that some output with a loss is computed from."""
    graph = blueprint.network.graph
    below = frozenset[str]().union(*(graph.ancestors(term.output) for term in blueprint.objective.terms))
    return frozenset(node.owner for node in graph.nodes if node.name in below)


def output_without_loss(blueprint: Blueprint) -> Iterator[Problem]:
    """MLX109."""
    scored = {term.output for term in blueprint.objective.terms}
    for index, output in enumerate(blueprint.network.graph.outputs):
        if output not in scored:
            yield Problem(
                f"no loss scores {output!r}, so it has no metric and nothing asks anything of it; "
                "add a loss for it, or take it out of model.outputs",
                ("model", "outputs", index),
            )


def sum_reduction(blueprint: Blueprint) -> Iterator[Problem]:
    """MLX110: where a sum over the batch is out of proportion to what stands beside it."""
    experiment = blueprint.experiment
    terms = [term for term in blueprint.objective.terms if _zero_path(experiment, term.name) is None]
    for term in terms:
        if term.loss.reduction == "sum" and not term.loss.whole_batch:
            rows = experiment.training.batch_size * _rows_per_example(blueprint, term)
            why = _disproportion(blueprint, terms, term, rows)
            if why is not None:
                message = f"reduction: sum makes {term.name!r} {rows} times its mean, {why}"
                yield Problem(f"{message}; use reduction: mean", ("losses", term.name, "reduction"))


def _rows_per_example(blueprint: Blueprint, term: LossTerm) -> int:
    """How many values one example adds to the sum: its entries, but for the axis that is a mean or a row."""
    shape = blueprint.network.shapes[term.output]
    axis = -1 if term.loss.axis is None else term.loss.axis
    return math.prod(shape) // (shape[axis if axis < 0 else axis - 1] if shape else 1)


def _disproportion(blueprint: Blueprint, terms: list[LossTerm], term: LossTerm, rows: int) -> str | None:
    """What a sum over so many rows is out of proportion to, if anything."""
    experiment, optimizer = blueprint.experiment, blueprint.experiment.optimizer
    means = [repr(other.name) for other in terms if other.loss.reduction != "sum" or other.loss.whole_batch]
    if means:
        return f"while {', '.join(means)} {'is a mean' if len(means) == 1 else 'are means'}"
    penalties = [penalty.name for penalty in blueprint.network.penalties if penalty.factor > 0.0]
    if penalties:
        return f"while {penalties[0]} stays as it is: regularization counts for {rows} times less"
    for clipping in ("clipnorm", "global_clipnorm", "clipvalue"):
        if getattr(optimizer, clipping) is not None:
            return f"so optimizer.{clipping} cuts {rows} times earlier"
    rate = optimizer.learning_rate * experiment.losses[term.name].weight * rows
    if isinstance(optimizer, SGD) and rate > LARGEST_RATE:
        return f"so sgd steps as with a learning rate of {rate:.3g} for a mean"
    return None
