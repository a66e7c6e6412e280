"""Losses that do not go with the activation of the output that they score: known from the config alone."""

from __future__ import annotations

import math
from collections.abc import Iterator

from ..specs.errors import Path, Problem
from ..specs.rules import RuleCode
from ..training.blueprint import Blueprint
from .pairings import BINARY, CATEGORICAL, Pairing, list_pairings

_POSITIVE = frozenset({"softplus", "exponential"})
"""Activations whose values, never 0, may well be divided by their sum."""


def softmax_with_binary_crossentropy(blueprint: Blueprint) -> Iterator[Problem]:
    """MLX101."""
    for pairing in _with_mismatch(blueprint, "MLX101"):
        output, one_hot = pairing.term.output, pairing.field.exclusive
        fix = "categorical_crossentropy, or activation: sigmoid" if one_hot else "activation: sigmoid"
        yield Problem(
            f"{output!r} ends in a softmax, whose {pairing.values.size} units share a sum of 1, but "
            f"{pairing.kind} asks each of them for a probability of its own; use {fix}",
            pairing.path("type"),
        )


def softmax_with_multi_hot_targets(blueprint: Blueprint) -> Iterator[Problem]:
    """MLX102."""
    for pairing in _with_mismatch(blueprint, "MLX102"):
        softmax = pairing.values.activation == "softmax"
        rival = (
            f"the softmax of {pairing.term.output!r} shares a sum of 1 among them, so two cannot pass 0.5"
            if softmax
            else f"{pairing.kind} asks for one class of {pairing.units}"
        )
        yield Problem(
            f"several labels of {pairing.term.target!r} may be true at once, but {rival}; "
            "use activation: sigmoid with binary_crossentropy",
            pairing.path("target"),
        )


def sigmoid_with_categorical_crossentropy(blueprint: Blueprint) -> Iterator[Problem]:
    """MLX103."""
    for pairing in _with_mismatch(blueprint, "MLX103"):
        fix = "use binary_crossentropy" if pairing.multi_hot else "use activation: softmax"
        yield Problem(
            f"{pairing.term.output!r} ends in sigmoids, which {pairing.kind} divides by their sum: only "
            f"their ratios are learned, not the probabilities that they give; {fix}",
            pairing.path("type"),
        )


def softmax_over_one_unit(blueprint: Blueprint) -> Iterator[Problem]:
    """MLX113."""
    for pairing in _with_mismatch(blueprint, "MLX113"):
        output = pairing.term.output
        if pairing.values.activation == "softmax":
            does, path = "ends in a softmax over one unit", _activation_path(pairing)
        else:
            does, path = f"has one unit, which {pairing.kind} divides by itself", pairing.path("type")
        fix = "use activation: sigmoid with binary_crossentropy"
        yield Problem(f"{output!r} {does}: always 1, so that nothing is learned; {fix}", path)


def _activation_path(pairing: Pairing) -> Path:
    return ("model", "layers", pairing.values.layer, "activation")


def _with_mismatch(blueprint: Blueprint, code: RuleCode) -> list[Pairing]:
    return [pairing for pairing in list_pairings(blueprint) if _mismatch(pairing) == code]


def _mismatch(pairing: Pairing) -> RuleCode | None:
    """The first of four rules that a pairing breaks: one mistake is told once."""
    softmax = pairing.values.activation == "softmax"
    categorical = pairing.kind in CATEGORICAL
    if (softmax and pairing.values.size == 1) or (categorical and pairing.units == 1):
        return "MLX113"
    if softmax and pairing.kind in BINARY:
        return "MLX101"
    if categorical and pairing.values.activation in ("sigmoid", "hard_sigmoid"):
        return "MLX103"
    one_of_several = softmax or pairing.term.loss.target_kind == "distribution"
    return "MLX102" if pairing.multi_hot and one_of_several else None


def activation_against_from_logits(blueprint: Blueprint) -> Iterator[Problem]:
    """MLX104."""
    for pairing in list_pairings(blueprint):
        if pairing.kind not in BINARY | CATEGORICAL:
            continue
        squashed = pairing.term.loss.from_logits and not pairing.term.on_logits
        message = _squashed_twice(pairing) if squashed else _no_probabilities(pairing)
        if message is not None:
            yield Problem(message, pairing.path("from_logits"))


def _squashed_twice(pairing: Pairing) -> str | None:
    """What is wrong where the output's values are taken for logits, if anything."""
    values, activation = pairing.values, pairing.values.activation
    if values.low is None or values.high is None or activation == "linear":
        return None
    if pairing.kind in BINARY:
        low, high = _sigmoid(values.low), _sigmoid(values.high)
        limit = None if (low, high) == (0.0, 1.0) else f"no probability can leave {low:.3g} to {high:.3g}"
    else:
        most = 1.0 / (1.0 + (pairing.units - 1) * _exponential(values.low - values.high))
        limit = None if most == 1.0 else f"no probability of {pairing.units} classes can pass {most:.3g}"
    if limit is None:
        return None
    fix = "use from_logits: auto" if activation in ("sigmoid", "softmax") else "use activation: linear"
    return f"from_logits: true takes the {activation} of {pairing.term.output!r} for logits: {limit}; {fix}"


def _no_probabilities(pairing: Pairing) -> str | None:
    """What is wrong where the output's values are taken for probabilities, if anything."""
    values = pairing.values
    if pairing.term.on_logits or values.within(0.0, 1.0) is not False:
        return None
    given = f"{pairing.term.output!r} gives {values.written()}, no probabilities"
    if pairing.kind in BINARY:
        does = "clips them to [1e-7, 1 - 1e-7], beyond which nothing is learned"
        return f"{given}: {pairing.kind} {does}; use activation: sigmoid, or from_logits: true"
    if values.activation in _POSITIVE:
        return None
    does = "divides them by their sum, which may be 0 or less"
    return f"{given}: {pairing.kind} {does}; use activation: softmax, or from_logits: true"


def _exponential(value: float) -> float:
    return 0.0 if value < -700.0 else math.exp(value)


def _sigmoid(value: float) -> float:
    return 1.0 / (1.0 + math.exp(-value)) if value > -700.0 else 0.0
