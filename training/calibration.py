"""Temperature scaling: the one number that an output's logits are divided by, fitted on held-out rows.

The negative log-likelihood of logits z is convex in their sharpness b = 1 / temperature, so that its slope
in b has one zero, which Newton's method finds within a bracket.

Legend: M observed entries (of a softmax: rows), C classes.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from .metric_inputs import align_classes, align_entries
from .scores import JudgedRows

MOST_SHARPNESS = 100.0
"""The sharpness searched is 1 / 100 to 100."""

_TOLERANCE = 1e-12
_MOST_STEPS = 200


@dataclass(frozen=True)
class Temperature:
    """`reason` says why 1 was kept, where the rows determine no other."""

    value: float
    reason: str | None = None


def fit_temperature(rows: JudgedRows, activation: str) -> Temperature:
    """The temperature of the lowest negative log-likelihood of `rows`, whose prediction is logits.

    Of a sigmoid every observed entry counts as a label of its own, with a target from 0 to 1; of a softmax
    every observed row as one class. In float64; the same rows always give the same number.
    """
    likelihood = _categorical(rows) if activation == "softmax" else _bernoulli(rows)
    if likelihood.logits.numel() == 0:
        return Temperature(1.0, "no validation entry is observed")
    if not bool(likelihood.logits.isfinite().all()):
        return Temperature(1.0, "some logits are not finite")
    if likelihood.slopes(MOST_SHARPNESS)[0] <= 0.0:
        return Temperature(
            1.0, "the best is below 0.01, as where every validation entry is on its right side"
        )
    if likelihood.slopes(1.0 / MOST_SHARPNESS)[0] >= 0.0:
        return Temperature(1.0, "the best is above 100, as where the logits tell nothing of the targets")
    sharpness = _root_of_slope(likelihood.slopes)
    improves = likelihood.value(sharpness) < likelihood.value(1.0)
    return Temperature(1.0 / sharpness if improves else 1.0)


@dataclass(frozen=True, eq=False)
class _Bernoulli:
    """Independent labels: logits, targets and weights (M), float64."""

    logits: Tensor
    target: Tensor
    weight: Tensor

    def value(self, sharpness: float) -> float:
        """The weighted sum of -log likelihood."""
        scaled = sharpness * self.logits
        return float((self.weight * (F.softplus(scaled) - self.target * scaled)).sum())

    def slopes(self, sharpness: float) -> tuple[float, float]:
        """Its first and second derivative in the sharpness."""
        probability = torch.sigmoid(sharpness * self.logits)
        slope = self.logits * (probability - self.target)
        curvature = self.logits.square() * probability * (1.0 - probability)
        return float((self.weight * slope).sum()), float((self.weight * curvature).sum())


@dataclass(frozen=True, eq=False)
class _Categorical:
    """One class of several: logits (M, C) of which the highest is 0, classes and weights (M), float64."""

    logits: Tensor
    target: Tensor
    weight: Tensor

    @property
    def _own(self) -> Tensor:
        return self.logits.gather(-1, self.target.unsqueeze(-1)).squeeze(-1)

    def value(self, sharpness: float) -> float:
        """The weighted sum of -log likelihood."""
        scaled = sharpness * self.logits
        return float((self.weight * (scaled.logsumexp(-1) - sharpness * self._own)).sum())

    def slopes(self, sharpness: float) -> tuple[float, float]:
        """Its first and second derivative in the sharpness."""
        probabilities = torch.softmax(sharpness * self.logits, -1)
        mean = (probabilities * self.logits).sum(-1)
        variance = (probabilities * (self.logits - mean.unsqueeze(-1)).square()).sum(-1)
        return float((self.weight * (mean - self._own)).sum()), float((self.weight * variance).sum())


def _bernoulli(rows: JudgedRows) -> _Bernoulli:
    inputs = align_entries(
        rows.prediction,
        target=rows.target,
        mask=rows.mask,
        sample_weight=rows.sample_weight,
        stacked=False,
    )
    observed = inputs.observed
    weight = torch.ones((), dtype=torch.float64) if inputs.weight is None else inputs.weight.unsqueeze(-1)
    weight = weight.to(observed.device).expand(observed.shape)
    return _Bernoulli(
        inputs.prediction[observed].double(), inputs.target[observed].double(), weight[observed]
    )


def _categorical(rows: JudgedRows) -> _Categorical:
    inputs = align_classes(
        rows.prediction,
        target=rows.target,
        mask=rows.mask,
        sample_weight=rows.sample_weight,
        stacked=False,
    )
    observed = inputs.observed
    logits = inputs.prediction[observed].double()
    weight = torch.ones((), dtype=torch.float64) if inputs.weight is None else inputs.weight
    weight = weight.to(observed.device).expand(observed.shape)
    logits = logits - logits.amax(-1, keepdim=True) if len(logits) else logits
    return _Categorical(logits, inputs.target[observed], weight[observed])


def _root_of_slope(slopes: Callable[[float], tuple[float, float]]) -> float:
    """Where a rising slope is 0, which changes its sign within the bracket; a step of Newton's method that
    leaves the bracket, or is not half as long as the one before, gives way to the bracket's middle."""
    low, high, at, stride = 1.0 / MOST_SHARPNESS, MOST_SHARPNESS, 1.0, math.inf
    for _ in range(_MOST_STEPS):
        slope, curvature = slopes(at)
        if slope == 0.0:
            break
        low, high = (at, high) if slope < 0.0 else (low, at)
        step = at - slope / curvature if curvature > 0.0 else low
        if not low < step < high or abs(step - at) > stride / 2.0:
            step = math.sqrt(low * high)
        stride, at = abs(step - at), step
        if stride <= _TOLERANCE * at:
            break
    return at
