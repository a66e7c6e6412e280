"""One training step: forward, ledger, backward, one update."""

from __future__ import annotations

from collections.abc import Callable, Mapping
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

Mark = Callable[[str], None]
"""Told at the end of each stage of a step, by the stage's name."""


class Batch(ScoredBatch, Protocol):
    """What is scored: the network's inputs, and what its outputs are compared with."""

    @property
    def inputs(self) -> Mapping[str, Tensor]: ...


@dataclass(eq=False)
class Trainee:
    """What a step works on: one network, or a stack of K, with everything that moves while it trains.

    `frozen` is a float [] or (K): 1 for a member whose total or gradient was not finite once; it is not
    updated any more. `frozen_for` counts the steps since, that one included, float64. Up to `skip_limit`
    such steps are left out before; `skipped` counts them, int64, and `left_out` is 1 where the present step
    is one or the member is frozen. All of these are written in place, so that a captured step finds them.
    The weights in `knobs` are those in force, which the weighting replaces.
    """

    network: Network
    parameters: FlatParameters
    objective: Objective
    knobs: Knobs
    optimizer: Optimizer
    frozen: Tensor
    frozen_for: Tensor
    left_out: Tensor
    skipped: Tensor
    weighting: Weighting = field(default_factory=FixedWeighting)
    skip_limit: int = 0

    @property
    def held(self) -> Tensor:
        """1 for the members that the present step does not update, float [] or (K)."""
        return self.left_out if self.skip_limit else self.frozen

    @property
    def frozen_at(self) -> Tensor:
        """The steps, counted from 0, at which members were frozen, float64 [] or (K); -1 for all others."""
        return torch.where(self.frozen > 0, self.optimizer.steps - self.frozen_for, -1.0)

    @property
    def stuck(self) -> bool:
        """Whether no member learns any more; on CUDA that is not asked before the epoch's end."""
        if self.frozen.device.type != "cpu":
            return False
        return bool(self.frozen.all() if self.frozen.dim() else self.frozen)


def new_trainee(
    network: Network, parameters: FlatParameters, objective: Objective, knobs: Knobs, optimizer: Optimizer
) -> Trainee:
    """A trainee before its first step."""
    shape = () if network.members is None else (network.members,)
    device = parameters.values.device
    return Trainee(
        network,
        parameters,
        objective,
        knobs,
        optimizer,
        frozen=torch.zeros(shape, device=device),
        frozen_for=torch.zeros(shape, dtype=torch.float64, device=device),
        left_out=torch.zeros(shape, device=device),
        skipped=torch.zeros(shape, dtype=torch.int64, device=device),
    )


def unmarked(stage: str) -> None:
    """How a step is made that nobody times."""


def score_batch(
    network: Network, objective: Objective, knobs: Knobs, batch: Batch, *, mark: Mark = unmarked
) -> tuple[dict[str, Output], Ledger]:
    """One batch's outputs and its ledger, regularization included."""
    walk = network.walk(batch.inputs)
    mark("forward")
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


def train_step(trainee: Trainee, batch: Table, *, mark: Mark = unmarked) -> Ledger:
    """Score one batch and update every member once; nothing here waits for the device."""
    trainee.weighting.open_step(trainee)
    averages = _moving_averages(trainee) if trainee.skip_limit else {}
    _, ledger = score_batch(trainee.network, trainee.objective, trainee.knobs, batch, mark=mark)
    mark("losses")
    trainee.weighting.backward(trainee, ledger)
    mark("backward")
    _hold_if_not_finite(trainee, ledger)
    if averages:
        _take_back(trainee, averages)
    mark("search for what is not finite")
    trainee.optimizer.step(trainee.held)
    mark("optimizer")
    trainee.weighting.close_step(trainee, ledger)
    trainee.network.noise.advance()
    return ledger


def _hold_if_not_finite(trainee: Trainee, ledger: Ledger) -> None:
    with torch.no_grad():
        # A sum is finite only if every entry is; an overflow of finite entries is a divergence too.
        probe = trainee.parameters.probe().add_(ledger.total)
        # What is finite is 0 less itself, infinity and NaN are NaN.
        bad = probe.sub_(probe).ne(0.0)
        if trainee.skip_limit:
            trainee.skipped.add_(bad & (trainee.frozen == 0))
            trainee.frozen.masked_fill_(bad & (trainee.skipped > trainee.skip_limit), 1.0)
            trainee.left_out.copy_(trainee.frozen).masked_fill_(bad, 1.0)
        else:
            trainee.frozen.masked_fill_(bad, 1.0)
        trainee.frozen_for.add_(trainee.frozen)


def _moving_averages(trainee: Trainee) -> dict[str, Tensor]:
    """A copy of what a forward pass moves: the averages of batch normalization."""
    buffers = dict(trainee.network.named_buffers())
    return {name: buffers[name].clone() for name in trainee.network.state_dict().keys() & buffers.keys()}


def _take_back(trainee: Trainee, averages: Mapping[str, Tensor]) -> None:
    """Of members whose step is left out, the averages before it: one value not finite would stay in them."""
    buffers = dict(trainee.network.named_buffers())
    for name, before in averages.items():
        now = buffers[name]
        held = trainee.held.reshape(-1, *(1,) * (now.dim() - 1)) if trainee.held.dim() else trainee.held
        now.copy_(torch.where(held > 0, before, now))
