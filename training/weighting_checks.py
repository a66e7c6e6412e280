"""What can be wrong with a `weighting:` section, found before any data is read."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping

from ..losses import Objective
from ..models import Network
from ..specs import weighting as spec
from ..specs.errors import ConfigError, Problem, unknown_name
from ..specs.experiment import Experiment
from .reach import reached_layers, term_reach

_PLACE = ("weighting", "type")

_PACKAGES = {"upgrad": ("qpsolvers", "quadprog"), "cagrad": ("cvxpy", "clarabel")}
"""What TorchJD needs beside itself, by type."""

_BELOW_ZERO = frozenset({"cosine_similarity", "poisson"})
"""Losses whose values may be negative: they have no ratio and no logarithm."""


def weighting_problems(experiment: Experiment) -> list[Problem]:
    """Terms that do not exist, too few of them, some that cannot be weighed so, packages that are missing."""
    weighting, losses = experiment.weighting, experiment.losses
    if isinstance(weighting, spec.Fixed):
        return []
    if isinstance(weighting, spec.Scheduled):
        return [
            Problem(unknown_name("loss", name, losses, plural="losses"), ("weighting", "terms", name))
            for name in weighting.terms
            if name not in losses
        ]
    if len(losses) == 1:
        (name,) = losses
        message = f"{weighting.type} has no effect on the one loss {name!r}; leave the section out"
        return [Problem(message, _PLACE)]
    if isinstance(weighting, spec.GradientAggregation):
        return _missing_packages(weighting.type)
    if isinstance(weighting, spec.RandomWeights):
        return []
    return _negative_losses(experiment, weighting.type)


def check_reach(weighting: spec.AnyWeighting, network: Network, objective: Objective) -> None:
    """Whether the losses share what the weighting acts on; `network` may lie on the meta device.

    Raises:
        ConfigError: no parameter that two losses reach, or no layer that all of them reach.
    """
    if isinstance(weighting, spec.GradNorm):
        balanced_layer(weighting, network, term_reach(network, objective))
    elif isinstance(weighting, spec.GradientAggregation):
        reach = list(term_reach(network, objective).values())
        if not any(first & second for index, first in enumerate(reach) for second in reach[:index]):
            message = f"{weighting.type} has no effect: no two losses reach the same weights"
            raise ConfigError(Problem(message, _PLACE))


def balanced_layer(weighting: spec.GradNorm, network: Network, reach: Mapping[str, frozenset[str]]) -> str:
    """The layer at which GradNorm measures: the one named, or the last that all terms reach.

    Raises:
        ConfigError: it does not exist, has no weights to train, or some term does not reach it.
    """
    everywhere = frozenset[str]().union(*reach.values()).intersection(*reach.values())
    shared = reached_layers(network, everywhere)
    if weighting.layer is None:
        if shared:
            return shared[-1]
        raise ConfigError(Problem("gradnorm needs a layer with weights that all losses reach", _PLACE))
    if weighting.layer in shared:
        return weighting.layer
    names = [node.name for node in network.graph.nodes]
    if weighting.layer not in names:
        message = unknown_name("layer", weighting.layer, shared)
    else:
        short = [
            name for name, found in reach.items() if weighting.layer not in reached_layers(network, found)
        ]
        message = (
            f"layer {weighting.layer!r} has no weights that every loss trains; "
            f"not reached by: {', '.join(short)}. Layers: {', '.join(shared) or 'none'}."
        )
    raise ConfigError(Problem(message, ("weighting", "layer")))


def _missing_packages(kind: str) -> list[Problem]:
    wanted = ("torchjd", *_PACKAGES.get(kind, ()))
    missing = [name for name in wanted if importlib.util.find_spec(name) is None]
    if not missing:
        return []
    message = (
        f"{kind} needs the packages {', '.join(missing)}; install them with: pip install 'mlx-runner[mtl]'"
    )
    return [Problem(message, _PLACE)]


def _negative_losses(experiment: Experiment, kind: str) -> list[Problem]:
    return [
        Problem(
            f"{kind} needs losses that are never negative, which {loss.type} may be; "
            "use fixed, schedule, random or an aggregation of gradients",
            ("losses", name, "type"),
        )
        for name, loss in experiment.losses.items()
        if loss.type in _BELOW_ZERO
    ]
