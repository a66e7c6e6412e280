"""From the losses of a config to an `Objective`: every name and shape matched both ways, before any data."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import torch

from ..specs.errors import ConfigError, Problem, unknown_name
from ..specs.losses import LossBase
from .class_weights import build_entry_weights, build_pos_weight, label_problems
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

# Not for the loss function: who is scored, how much it counts, and what only the data decide.
_COMMON = frozenset(
    {"type", "output", "target", "weight", "sample_weight", "from_logits", "class_weight", "pos_weight"}
)


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
    labels: tuple[str, ...] = ()


def build_objective(
    losses: Mapping[str, LossBase],
    outputs: Mapping[str, OutputShape],
    references: Mapping[str, ReferenceShape],
    *,
    sample_weights: frozenset[str] = frozenset(),
    regularizers: tuple[str, ...] = (),
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
        reference = references[described.target]
        message = _misfit(described, outputs[described.output], reference)
        problems += [Problem(message, ("losses", name, "target"))] if message else []
        for key in ("class_weight", "pos_weight"):
            problems += label_problems(getattr(described, key, None), reference.labels, ("losses", name, key))
    if problems:
        raise ConfigError(problems)
    terms = [_term(name, described, outputs[described.output]) for name, described in losses.items()]
    return Objective(terms, regularizers, members)


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


def build_knobs(
    losses: Sequence[Mapping[str, LossBase]],
    *,
    learning_rates: Sequence[float],
    penalty_factors: Sequence[Sequence[float]],
    stacked: bool,
) -> Knobs:
    """The knobs of one run, or of K members: `losses`, rates and factors are given per member."""
    weights = _by_term([[described.weight for described in member.values()] for member in losses], stacked)
    smoothing: dict[str, torch.Tensor] = {}
    for name in losses[0]:
        values = [getattr(member[name], "label_smoothing", 0.0) for member in losses]
        if len(set(values)) > 1:
            smoothing[name] = torch.tensor(values, dtype=torch.float64)
    return Knobs(weights, tuple(learning_rates), _by_term(penalty_factors, stacked), smoothing)


def weigh_classes(
    objective: Objective,
    losses: Mapping[str, LossBase],
    labels: Mapping[str, Sequence[str]],
    rows: Callable[[str], tuple[torch.Tensor, torch.Tensor | None]],
) -> Objective:
    """The objective with its class weights, some of which only the training rows tell.

    labels: by target. rows: a target's training rows and which of them are observed.
    """
    terms: list[LossTerm] = []
    for term in objective.terms:
        class_weight = getattr(losses[term.name], "class_weight", None)
        if class_weight is not None:
            target, observed = rows(term.target)
            weights = build_entry_weights(
                class_weight,
                kind=term.loss.target_kind,
                labels=labels[term.target],
                target=target,
                observed=observed,
            )
            term = replace(term, entry_weights=weights.to(target.device, target.dtype))
        pos_weight = getattr(losses[term.name], "pos_weight", None)
        if pos_weight is not None:
            target, observed = rows(term.target)
            value = build_pos_weight(pos_weight, labels=labels[term.target], target=target, observed=observed)
            term = replace(term, loss=replace(term.loss, own={**term.loss.own, "pos_weight": value}))
        terms.append(term)
    return replace(objective, terms=terms)


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


def _by_term(rows: Sequence[Sequence[float]], stacked: bool) -> torch.Tensor:
    """(T), or (T, K) from K rows of T numbers."""
    table = torch.tensor(rows, dtype=torch.float64).reshape(len(rows), -1)
    return table.T.contiguous() if stacked else table[0]


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
