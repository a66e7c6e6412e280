"""From the losses of a config to an `Objective`: every name and shape matched both ways, before any data."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

import torch

from ..specs.errors import ConfigError, Problem, unknown_name
from ..specs.losses import LossBase
from .loss import Loss, build_loss
from .objective import Knobs, LossTerm, Objective

Shape = tuple[int, ...]

# An activation whose logits a loss of these types may be computed from, being the loss's own link.
OWN_ACTIVATION = {
    "binary_crossentropy": "sigmoid",
    "binary_focal_crossentropy": "sigmoid",
    "categorical_crossentropy": "softmax",
    "sparse_categorical_crossentropy": "softmax",
    "categorical_focal_crossentropy": "softmax",
}

_COMMON = frozenset({"type", "output", "target", "weight", "sample_weight", "from_logits"})


@dataclass(frozen=True)
class OutputShape:
    """An output as the losses see it: the shape of one example and the activation it ends in."""

    shape: Shape
    activation: str


@dataclass(frozen=True)
class ReferenceShape:
    """What an output can be compared with: the shape of one example, the field's kind and size."""

    shape: Shape
    kind: str
    size: int | None = None


def build_objective(
    losses: Mapping[str, LossBase],
    outputs: Mapping[str, OutputShape],
    references: Mapping[str, ReferenceShape],
    *,
    sample_weights: frozenset[str] = frozenset(),
    members: int | None = None,
) -> Objective:
    """The objective of a config.

    Raises:
        ConfigError: every loss whose output, target or sample weight does not exist or does not fit.
    """
    problems = name_problems(losses, outputs, references, sample_weights=sample_weights)
    if problems:
        raise ConfigError(problems)
    for name, described in losses.items():
        message = _misfit(described, outputs[described.output], references[described.target])
        problems += [Problem(message, ("losses", name, "target"))] if message else []
    if problems:
        raise ConfigError(problems)
    terms = [_term(name, described, outputs[described.output]) for name, described in losses.items()]
    return Objective(terms, members)


def name_problems(
    losses: Mapping[str, LossBase],
    outputs: Collection[str],
    references: Collection[str],
    *,
    sample_weights: Collection[str] = (),
) -> list[Problem]:
    """Every name in the losses that names nothing, before any shape is known."""
    problems: list[Problem] = []
    for name, described in losses.items():
        place = ("losses", name)
        if described.output not in outputs:
            problems.append(_unknown(place, "output", "output", described.output, outputs))
        if described.target not in references:
            problems.append(_unknown(place, "target", "target", described.target, references))
        if described.sample_weight is not None and described.sample_weight not in sample_weights:
            kind = "sample weight"
            problems.append(_unknown(place, "sample_weight", kind, described.sample_weight, sample_weights))
    return problems


def build_knobs(losses: Mapping[str, LossBase], *, learning_rate: float) -> Knobs:
    """The knobs of a single run: weights (R), no per-member smoothing."""
    weights = torch.tensor([described.weight for described in losses.values()], dtype=torch.float64)
    return Knobs(weights, (learning_rate,), {})


def _term(name: str, described: LossBase, output: OutputShape) -> LossTerm:
    loss, on_logits = _loss(name, described, output)
    return LossTerm(name, described.output, described.target, loss, on_logits, described.sample_weight)


def _loss(name: str, described: LossBase, output: OutputShape) -> tuple[Loss, bool]:
    """The loss, and whether it reads the logits behind the activation instead of the output's value.

    `from_logits: true` takes the output's value as logits, whatever it is, as Keras does.
    """
    arguments = described.model_dump(exclude=set(_COMMON))
    kind: str = getattr(described, "type")  # noqa: B009
    chosen = getattr(described, "from_logits", False)
    on_logits = chosen == "auto" and OWN_ACTIVATION.get(kind) == output.activation
    if kind in OWN_ACTIVATION:
        arguments["from_logits"] = on_logits or chosen is True
    return build_loss(kind, name=name, **arguments), on_logits


def _unknown(place: tuple[str, str], key: str, kind: str, given: str, allowed: Iterable[str]) -> Problem:
    return Problem(unknown_name(kind, given, allowed), (*place, key))


def _misfit(described: LossBase, output: OutputShape, reference: ReferenceShape) -> str | None:
    """Why an output and a target cannot be compared, if they cannot."""
    kind: str = getattr(described, "type")  # noqa: B009
    expected = output.shape[:-1] if kind == "sparse_categorical_crossentropy" else output.shape
    if _without_unit(reference.shape) == _without_unit(expected):
        return None
    given = f"{described.target!r} has {_written(reference.shape)}"
    wanted = f"{described.output!r} gives {_written(output.shape)}"
    if kind == "sparse_categorical_crossentropy":
        wanted += f", so {kind} compares it with class numbers of {_written(expected)}"
    return f"target {given} per example, but output {wanted}"


def _without_unit(shape: Shape) -> Shape:
    """Shapes that differ by a last dimension of 1 are reconciled, never broadcast."""
    return shape[:-1] if shape and shape[-1] == 1 else shape


def _written(shape: Shape) -> str:
    return f"({', '.join(str(size) for size in shape)})"
