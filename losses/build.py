"""From the losses of a config to an `Objective`: every name and shape matched both ways, before any data."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import torch

from ..specs.errors import ConfigError
from ..specs.losses import LossBase
from .class_weights import build_entry_weights, build_pos_weight
from .loss import Loss, build_loss
from .matching import OutputShape, ReferenceShape, fit_problems, name_problems
from .objective import Knobs, LossTerm, Objective

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
    problems = problems or fit_problems(losses, outputs, references)
    if problems:
        raise ConfigError(problems)
    terms = [_term(name, described, outputs[described.output]) for name, described in losses.items()]
    return Objective(terms, regularizers, members)


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
            target, observed = _not_ignored(*rows(term.target), term.loss)
            weights = build_entry_weights(
                class_weight,
                kind=term.loss.target_kind,
                labels=labels[term.target],
                target=target,
                observed=observed,
            )
            term = replace(term, entry_weights=weights.to(target.device))
        pos_weight = getattr(losses[term.name], "pos_weight", None)
        if pos_weight is not None:
            target, observed = rows(term.target)
            value = build_pos_weight(
                pos_weight,
                labels=labels[term.target],
                target=target,
                observed=observed,
                place=("losses", term.name, "pos_weight"),
            )
            term = replace(term, loss=replace(term.loss, own={**term.loss.own, "pos_weight": value}))
        terms.append(term)
    return replace(objective, terms=terms)


def _not_ignored(
    target: torch.Tensor, observed: torch.Tensor | None, loss: Loss
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """A target and which rows of it count: those observed, less those of an ignored class."""
    ignored = loss.own.get("ignore_class")
    if not isinstance(ignored, int):
        return target, observed
    kept = torch.ne(target, ignored)
    return target, kept if observed is None else observed.reshape(kept.shape) & kept


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
    if output.activation == "softmax":
        # The activation sums to 1 over the last axis; over another one the loss has to normalize its values.
        on_logits = on_logits and getattr(described, "axis", -1) in (-1, len(output.shape))
    if kind in OWN_ACTIVATION:
        arguments["from_logits"] = on_logits or chosen is True
    return build_loss(kind, name=name, **arguments), on_logits


def _by_term(rows: Sequence[Sequence[float]], stacked: bool) -> torch.Tensor:
    """(T), or (T, K) from K rows of T numbers."""
    table = torch.tensor(rows, dtype=torch.float64).reshape(len(rows), -1)
    return table.T.contiguous() if stacked else table[0]
