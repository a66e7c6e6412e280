"""Targets that lie where the loss or the output cannot follow: known from the config alone."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from ..data import Field
from ..specs.errors import Problem
from ..specs.sources import AnySource, ImageBase
from ..training.blueprint import Blueprint
from .pairings import Pairing, list_pairings

_DISTANCES = frozenset(
    {
        "mean_squared_error",
        "mean_absolute_error",
        "mean_absolute_percentage_error",
        "mean_squared_logarithmic_error",
        "huber",
        "log_cosh",
    }
)
"""Losses that are 0 only where the output is the target."""


def values_outside_0_1(blueprint: Blueprint) -> Iterator[Problem]:
    """MLX105."""
    for pairing in list_pairings(blueprint):
        given = _target_range(blueprint.experiment.data, pairing.field)
        if pairing.term.loss.target_kind not in ("binary", "distribution") or given is None:
            continue
        if given.low < 0.0 or given.high > 1.0:
            fix = "use data.scale: unit" if pairing.field.kind == "image" else "use another target"
            yield Problem(
                f"{pairing.kind} needs targets from 0 to 1, but {pairing.term.target!r} {given.words}; {fix}",
                pairing.path("target"),
            )


def output_cannot_reach_target(blueprint: Blueprint) -> Iterator[Problem]:
    """MLX112."""
    for pairing in list_pairings(blueprint):
        given = _target_range(blueprint.experiment.data, pairing.field)
        if pairing.kind not in _DISTANCES or given is None:
            continue
        limit = _limit(pairing, given)
        if limit is not None:
            yield Problem(
                f"{pairing.term.output!r} {limit}, but {pairing.term.target!r} {given.words}; "
                f"use {_better_activation(given)}",
                pairing.path("output"),
            )


@dataclass(frozen=True)
class _Range:
    """Where a target's values lie, and that in words."""

    low: float
    high: float
    words: str


def _target_range(source: AnySource, field: Field) -> _Range | None:
    """Where a target's values lie; None where only the data tell."""
    if field.kind == "image":
        scale = source.scale if isinstance(source, ImageBase) else "none"
        if scale == "standardize":
            return _Range(-math.inf, math.inf, "lies around 0 under data.scale: standardize")
        return _Range(0.0, 1.0, "lies between 0 and 1") if scale == "unit" else _PIXELS
    if field.kind == "binary":
        return _Range(0.0, 1.0, "lies between 0 and 1")
    if field.size is None:
        return None
    what = "class numbers" if field.kind == "classes" else "indices"
    return _Range(0.0, field.size - 1.0, f"holds {what} from 0 to {field.size - 1}")


_PIXELS = _Range(0.0, 255.0, "lies between 0 and 255 under data.scale: none")


def _limit(pairing: Pairing, given: _Range) -> str | None:
    """What keeps the output from its target, if anything does."""
    values = pairing.values
    if values.activation == "softmax" and values.size > 1:
        # Labels are for the rule of multi-hot targets, and one-hot ones can be reached.
        return f"shares a sum of 1 among {values.size} units" if pairing.field.kind == "image" else None
    if values.low is None or values.high is None:
        return None
    if values.low <= given.low and given.high <= values.high:
        return None
    return f"gives {values.written()} ({values.activation})"


def _better_activation(given: _Range) -> str:
    return "activation: sigmoid" if (given.low, given.high) == (0.0, 1.0) else "activation: linear"
