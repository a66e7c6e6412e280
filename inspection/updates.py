"""One real step, taken apart: the terms and the total, their gradients, and what the optimizer did.

Legend: P parameters, R rows (terms, then the regularization).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import torch

from ..data import Table
from ..losses import Ledger
from ..training.attribution import TermGradients
from ..training.step import Trainee, score_batch, train_step

AGGREGATED = frozenset({"pcgrad", "mgda", "upgrad", "cagrad", "imtl_g"})
"""Weightings that make one gradient of the terms' gradients by another rule than the weighted sum."""


@dataclass(frozen=True)
class UpdateTerm:
    """A row of the ledger: a loss term, or a regularization term of weight 1."""

    name: str
    kind: str
    raw: float
    weight: float
    weighted: float
    share: float


@dataclass(frozen=True)
class Update:
    """What one batch did.

    `deviation` is the largest difference, over all weights, between the gradient of the total and the
    weighted sum of the terms' gradients; `largest_gradient` the largest entry, to compare it with.
    `total_after` is the total of the same batch once the step is made.
    """

    batch_size: int
    outputs: tuple[str, ...]
    terms: tuple[UpdateTerm, ...]
    total: float
    total_after: float
    gradient_norm: float
    largest_gradient: float
    deviation: float
    weighting: str
    optimizer: str
    learning_rate: float
    optimizer_steps: int
    update_norm: float
    changed_weights: int
    weights: int

    def document(self) -> dict[str, object]:
        """The update as plain JSON values."""
        return asdict(self)


def take_update(
    trainee: Trainee, batch: Table, gradients: TermGradients, *, weighting: str, optimizer: str
) -> Update:
    """Make one training step on `batch`, whose terms' gradients were taken before, and say what it did."""
    parameters, clock = trainee.parameters, trainee.network.noise.step
    step = clock.clone()
    _, ledger = score_batch(trainee.network, trainee.objective, trainee.knobs, batch)
    gradient = parameters.gradient(ledger.total)
    before, steps = parameters.values.clone(), trainee.optimizer.steps
    rate = trainee.optimizer.learning_rate(0)
    ledger = train_step(trainee, batch)
    # The same noise again, so that only the weights differ.
    clock.copy_(step)
    with torch.no_grad():
        _, after = score_batch(trainee.network, trainee.objective, trainee.knobs, batch)
    change = parameters.values - before
    return Update(
        batch_size=len(batch),
        outputs=trainee.network.graph.outputs,
        terms=_terms(ledger),
        total=float(ledger.total.detach()),
        total_after=float(after.total),
        gradient_norm=float(gradient.double().square().sum().sqrt()),
        largest_gradient=float(gradient.abs().max()),
        deviation=float((gradient - gradients.total).abs().max()),
        weighting=weighting,
        optimizer=optimizer,
        learning_rate=rate,
        optimizer_steps=trainee.optimizer.steps - steps,
        update_norm=float(change.double().square().sum().sqrt()),
        changed_weights=int((change != 0).sum()),
        weights=change.numel(),
    )


def _terms(ledger: Ledger) -> tuple[UpdateTerm, ...]:
    total = float(ledger.total.detach())
    rows: list[UpdateTerm] = []
    for name, value, factor in zip(ledger.names, ledger.raw.detach(), ledger.weights, strict=True):
        raw, weight = float(value), float(factor)
        kind = "loss" if name in ledger.terms else "regularization"
        share = raw * weight / total if total else 0.0
        rows.append(UpdateTerm(name, kind, raw, weight, raw * weight, share))
    return tuple(rows)
