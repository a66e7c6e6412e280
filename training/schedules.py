"""Learning-rate schedules: a factor per step, and one that watches a metric per epoch."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from ..specs import optimizers as spec

Schedule = Callable[[int], float]
"""The factor on the learning rate at a step, counted from 0."""


def build_schedule(described: spec.AnySchedule, *, steps_per_epoch: int, epochs: int) -> Schedule:
    """The schedule of a config, for a run of this length."""
    total = steps_per_epoch * epochs
    match described:
        case spec.StepSchedule():
            every = described.every * steps_per_epoch
            return lambda step: described.factor ** (step // every)
        case spec.ExponentialSchedule():
            length = described.every * steps_per_epoch
            if described.staircase:
                return lambda step: described.rate ** math.floor(step / length)
            return lambda step: described.rate ** (step / length)
        case spec.CosineSchedule():
            warmup = described.warmup_epochs * steps_per_epoch
            return lambda step: _cosine_with_warmup(step, warmup=warmup, total=total, final=described.final)
        case spec.OneCycleSchedule():
            return lambda step: _one_cycle(step, described=described, total=total)
        case spec.ConstantSchedule() | spec.PlateauSchedule():
            return lambda step: 1.0


@dataclass(eq=False)
class Plateau:
    """Reduces a member's factor when its metric stalls, as Keras's ReduceLROnPlateau counts."""

    described: spec.PlateauSchedule
    lower_is_better: bool
    learning_rate: float
    factor: float = 1.0
    best: float = math.nan
    waited: int = 0
    cooling: int = 0

    def update(self, value: float) -> float:
        """Take in an epoch's value; returns the factor from now on."""
        if self.cooling > 0:
            self.cooling -= 1
            self.waited = 0
        gain = self.best - value if self.lower_is_better else value - self.best
        if math.isnan(self.best) or gain > self.described.min_delta:
            self.best, self.waited = value, 0
        elif self.cooling == 0:
            self.waited += 1
            if self.waited >= max(self.described.patience, 1):
                lowest = self.described.min_learning_rate / self.learning_rate
                self.factor = max(self.factor * self.described.factor, min(lowest, self.factor))
                self.cooling, self.waited = self.described.cooldown, 0
        return self.factor


def _cosine_with_warmup(step: int, *, warmup: float, total: int, final: float) -> float:
    """Warm-up reaches the rate at its end; Loshchilov and Hutter 2017 without restarts after it."""
    if step < warmup:
        return (step + 1) / (warmup + 1)
    progress = min((step - warmup) / max(total - warmup, 1), 1.0)
    return final + (1.0 - final) * 0.5 * (1.0 + math.cos(math.pi * progress))


def _one_cycle(step: int, *, described: spec.OneCycleSchedule, total: int) -> float:
    """PyTorch's OneCycleLR with cosine annealing: the peak at `peak * total - 1`, then down to the end."""
    up = described.peak * total - 1.0
    if step <= up:
        return _half_cosine(described.start, 1.0, step / up if up > 0 else 1.0)
    return _half_cosine(1.0, described.final, min((step - up) / max(total - 1 - up, 1e-9), 1.0))


def _half_cosine(start: float, end: float, progress: float) -> float:
    return end + (start - end) * 0.5 * (1.0 + math.cos(math.pi * progress))
