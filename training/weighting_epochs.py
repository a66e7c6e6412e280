"""Weightings that know nothing of gradients: schedules, dynamic weight average and random weights.

Legend: T terms, K members of a stack.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ..losses import Ledger
from ..specs import weighting as spec
from ..specs.seeds import derive_seed
from .weighting import Weighting, weigh

if TYPE_CHECKING:
    from .step import Trainee

# What a loss that rose from exactly 0 counts as: its weight takes all, and no infinity arises.
_LARGEST_RATE = 1e30


class ScheduledWeighting(Weighting):
    """Own weights times a factor per epoch."""

    def __init__(self, trainee: Trainee, described: spec.Scheduled, *, epochs: int) -> None:
        self._own = trainee.knobs.weights
        self._factors = [described.terms.get(name) for name in trainee.objective.names]
        self._epochs = epochs

    def open_epoch(self, trainee: Trainee, epoch: int) -> None:
        numbers = [
            1.0 if each is None else scheduled_factor(each, epoch, epochs=self._epochs)
            for each in self._factors
        ]
        factors = torch.tensor(numbers, dtype=self._own.dtype, device=self._own.device)
        trainee.knobs = weigh(trainee.knobs, _by_term(factors, self._own), self._own)


def scheduled_factor(described: spec.AnyFactor, epoch: int, *, epochs: int) -> float:
    """The factor of an epoch, from 1, in a run of `epochs`."""
    match described:
        case spec.ConstantFactor():
            return described.value
        case spec.StepsFactor():
            return described.values[bisect_left(described.boundaries, epoch)]
        case spec.LinearFactor():
            return described.start + (described.end - described.start) * _progress(described, epoch, epochs)
        case spec.CosineFactor():
            progress = 0.5 * (1.0 - math.cos(math.pi * _progress(described, epoch, epochs)))
            return described.start + (described.end - described.start) * progress


class DynamicWeightAverage(Weighting):
    """w_i(t) = T exp(r_i / temperature) / sum_j exp(r_j / temperature), r_i = L_i(t-1) / L_i(t-2).

    Liu, Johns and Davison 2019, equation 7; L(t) are the raw training means of epoch t, and all r are 1
    in the first two epochs. A term whose own weight is 0 takes no part: T counts the others.
    """

    def __init__(self, trainee: Trainee, *, temperature: float) -> None:
        self._own = trainee.knobs.weights
        self._temperature = temperature
        # The last epoch's means, then those of the one before; NaN where there was none.
        self._losses = [torch.full_like(self._own, math.nan) for _ in range(2)]

    def open_epoch(self, trainee: Trainee, epoch: int) -> None:
        last, before = self._losses
        rates = (last / before).nan_to_num(nan=1.0, posinf=_LARGEST_RATE)
        active = self._own > 0
        factors = active.sum(0) * softmax_of_active(rates / self._temperature, active)
        trainee.knobs = weigh(trainee.knobs, factors, self._own)

    def close_epoch(self, trainee: Trainee, means: Ledger) -> None:
        raw = means.raw[: len(means.terms)].detach().clone()
        # An epoch whose steps were all left out has no means.
        self._losses = [torch.where(raw.isnan(), self._losses[0], raw), self._losses[0]]

    def state(self) -> dict[str, Tensor]:
        return {
            name: each.movedim(0, -1) for name, each in zip(("last", "before"), self._losses, strict=True)
        }

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        self._losses = [
            state[name].movedim(0, -1).to(self._own.device, self._own.dtype) for name in ("last", "before")
        ]


class RandomWeighting(Weighting):
    """w = softmax(z) with z ~ N(0, 1) per term, drawn anew at every step (Lin et al. 2022, RLW).

    z is a pure function of the member's seed and the step. An epoch is reported under the expectation,
    1 / T for all. A term whose own weight is 0 takes no part: T counts the others.
    """

    def __init__(self, trainee: Trainee, *, seeds: Sequence[int]) -> None:
        self._own = trainee.knobs.weights
        self._seeds = seeds

    def open_epoch(self, trainee: Trainee, epoch: int) -> None:
        self._expect(trainee)

    def open_step(self, trainee: Trainee) -> None:
        draws = [normal_draws(seed, trainee.optimizer.steps, len(self._own)) for seed in self._seeds]
        normal = torch.stack(draws, -1) if self._own.dim() == 2 else draws[0]
        factors = softmax_of_active(normal.to(self._own.device, self._own.dtype), self._own > 0)
        trainee.knobs = weigh(trainee.knobs, factors, self._own)

    def close_epoch(self, trainee: Trainee, means: Ledger) -> None:
        self._expect(trainee)

    def _expect(self, trainee: Trainee) -> None:
        factors = softmax_of_active(torch.zeros_like(self._own), self._own > 0)
        trainee.knobs = weigh(trainee.knobs, factors, self._own)


def normal_draws(seed: int, step: int, count: int) -> Tensor:
    """`count` standard normal numbers in float64 on the CPU, for a step counted from 0."""
    generator = torch.Generator().manual_seed(derive_seed(seed, "weighting", step))
    return torch.randn(count, generator=generator, dtype=torch.float64)


def softmax_of_active(values: Tensor, active: Tensor) -> Tensor:
    """The softmax over the terms where `active`, and 0 elsewhere; (T) or (T, K)."""
    shares = torch.softmax(values.masked_fill(~active, -math.inf), 0)
    return torch.where(active, shares, torch.zeros_like(shares))


def _progress(described: spec.LinearFactor | spec.CosineFactor, epoch: int, epochs: int) -> float:
    last = epochs if described.last_epoch is None else described.last_epoch
    if epoch <= described.first_epoch or last <= described.first_epoch:
        return 0.0
    return min((epoch - described.first_epoch) / (last - described.first_epoch), 1.0)


def _by_term(factors: Tensor, own: Tensor) -> Tensor:
    return factors.reshape(-1, *(1,) * (own.dim() - 1))
