"""One training step: forward, ledger, backward, one update."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor

from ..data import Table
from ..losses import Knobs, Ledger, Objective, regularization_terms
from ..losses.objective import ScoredBatch
from ..models import Network, Output
from .optimizers import Optimizer
from .parameters import FlatParameters
from .weighting import FixedWeighting, Weighting


class Batch(ScoredBatch, Protocol):
    """What is scored: the network's inputs, and what its outputs are compared with."""

    @property
    def inputs(self) -> Mapping[str, Tensor]: ...


@dataclass(eq=False)
class Trainee:
    """What a step works on: one network, or a stack of K, with everything that moves while it trains.

    `frozen` is a float [] or (K): 1 for a member whose total or gradient was not finite once; it is not
    updated any more. `frozen_at` is the step at which that happened, int64, -1 before. The weights in
    `knobs` are those in force, which the weighting replaces.
    """

    network: Network
    parameters: FlatParameters
    objective: Objective
    knobs: Knobs
    optimizer: Optimizer
    frozen: Tensor
    frozen_at: Tensor
    weighting: Weighting = field(default_factory=FixedWeighting)

    @property
    def stuck(self) -> bool:
        """Whether no member learns any more; on CUDA that is not asked before the epoch's end."""
        return self.frozen.device.type == "cpu" and bool(self.frozen.all())


def new_trainee(
    network: Network, parameters: FlatParameters, objective: Objective, knobs: Knobs, optimizer: Optimizer
) -> Trainee:
    """A trainee before its first step."""
    shape = () if network.members is None else (network.members,)
    device = parameters.values.device
    frozen_at = torch.full(shape, -1, dtype=torch.int64, device=device)
    return Trainee(
        network, parameters, objective, knobs, optimizer, torch.zeros(shape, device=device), frozen_at
    )


def score_batch(
    network: Network, objective: Objective, knobs: Knobs, batch: Batch
) -> tuple[dict[str, Output], Ledger]:
    """One batch's outputs and its ledger, regularization included."""
    walk = network.walk(batch.inputs)
    if not network.penalties:
        return walk.outputs, objective(walk.outputs, batch, knobs)
    penalties = regularization_terms(
        network.penalties,
        parameter=network.get_parameter,
        activities=walk.activities,
        factors=knobs.penalty_factors,
        stacked=network.members is not None,
    )
    return walk.outputs, objective(walk.outputs, batch, knobs, penalties)


def train_step(trainee: Trainee, batch: Table) -> Ledger:
    """Score one batch and update every member once; nothing here waits for the device."""
    trainee.weighting.open_step(trainee)
    _, ledger = score_batch(trainee.network, trainee.objective, trainee.knobs, batch)
    trainee.weighting.backward(trainee, ledger)
    _freeze_if_not_finite(trainee, ledger)
    trainee.optimizer.step(trainee.frozen)
    trainee.weighting.close_step(trainee, ledger)
    trainee.network.noise.advance()
    return ledger


def _freeze_if_not_finite(trainee: Trainee, ledger: Ledger) -> None:
    with torch.no_grad():
        # A sum is finite only if every entry is; an overflow of finite entries is a divergence too.
        probe = trainee.parameters.gradients.sum(-1) + ledger.total
        bad = ~torch.isfinite(probe)
        first = bad & (trainee.frozen == 0)
        trainee.frozen_at = torch.where(first, trainee.optimizer.steps, trainee.frozen_at)
        trainee.frozen = torch.maximum(trainee.frozen, bad.to(trainee.frozen.dtype))
