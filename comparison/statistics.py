"""Means and deviations over seeds, paired t intervals, and Holm's correction, in plain Python."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

CONFIDENCE = 0.95

_SMALLEST = 1e-300
_PRECISION = 5e-16
_MOST_ITERATIONS = 10_000


@dataclass(frozen=True)
class Estimate:
    """Of a sample of `n` values: the mean and, from two on, the sample standard deviation (n - 1)."""

    mean: float
    std: float | None
    n: int


@dataclass(frozen=True)
class Difference:
    """The mean of `n` paired differences; from two on with its t interval and its two-sided p-value."""

    mean: float
    low: float | None
    high: float | None
    p: float | None
    n: int

    @property
    def excludes_zero(self) -> bool:
        """Whether zero lies outside the interval."""
        return self.low is not None and self.high is not None and (self.low > 0.0 or self.high < 0.0)


def estimate(values: Sequence[float]) -> Estimate:
    """The estimate of a sample; NaN where it is empty or holds what is not finite."""
    n = len(values)
    if not n or not all(map(math.isfinite, values)):
        return Estimate(math.nan, None if n < 2 else math.nan, n)
    # Exact sums: equal values have a deviation of exactly zero.
    return Estimate(float(statistics.mean(values)), statistics.stdev(values) if n > 1 else None, n)


def paired_difference(
    values: Sequence[float], baseline: Sequence[float], *, confidence: float = CONFIDENCE
) -> Difference:
    """`values` minus `baseline`, pair by pair, with the interval mean +- t s / sqrt(n) (Student 1908).

    Where all differences are equal the interval is that point, and p is 1 if it is zero, else 0.
    """
    pairs = zip(values, baseline, strict=True)
    found = estimate([value - reference for value, reference in pairs])
    if found.std is None:
        return Difference(found.mean, None, None, None, found.n)
    if found.std == 0.0:
        return Difference(found.mean, found.mean, found.mean, float(found.mean == 0.0), found.n)
    error = found.std / math.sqrt(found.n)
    half = t_quantile(0.5 + confidence / 2, found.n - 1) * error
    p = two_sided_p(found.mean / error, found.n - 1)
    return Difference(found.mean, found.mean - half, found.mean + half, p, found.n)


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Holm's step-down adjustment (Holm 1979) of one family; None and NaN take no part and stay None."""
    given = [(p, index) for index, p in enumerate(p_values) if p is not None and not math.isnan(p)]
    adjusted: list[float | None] = [None] * len(p_values)
    highest = 0.0
    for rank, (p, index) in enumerate(sorted(given)):
        highest = max(highest, min(1.0, (len(given) - rank) * p))
        adjusted[index] = highest
    return adjusted


@lru_cache(maxsize=1024)
def t_quantile(probability: float, degrees: int) -> float:
    """The value that Student's t with `degrees` of freedom stays below with `probability` (0 < it < 1)."""
    if probability < 0.5:
        return -t_quantile(1.0 - probability, degrees)
    tails = 2.0 * (1.0 - probability)
    low, high = 0.0, 1.0
    while two_sided_p(high, degrees) > tails:
        low, high = high, 2.0 * high
    while True:
        middle = 0.5 * (low + high)
        if middle in (low, high):  # no number lies between them
            return middle
        low, high = (middle, high) if two_sided_p(middle, degrees) > tails else (low, middle)


def t_cdf(t: float, degrees: int) -> float:
    """The probability that Student's t stays below `t`."""
    tail = 0.5 * two_sided_p(t, degrees)
    return 1.0 - tail if t > 0 else tail


def two_sided_p(t: float, degrees: int) -> float:
    """The probability that Student's t lies farther from zero than `t`.

    I_x(degrees / 2, 1 / 2) at x = degrees / (degrees + t^2) (Abramowitz and Stegun, 26.7.1).
    """
    if math.isnan(t):
        return math.nan
    if math.isinf(t):
        return 0.0
    square = t * t
    total = degrees + square
    return _regularized_beta(degrees / total, square / total, a=0.5 * degrees, b=0.5)


def _regularized_beta(x: float, complement: float, *, a: float, b: float) -> float:
    """I_x(a, b); `complement` is 1 - x, given apart because near 1 the subtraction would lose it."""
    if x <= 0.0 or complement <= 0.0:
        return 0.0 if x <= 0.0 else 1.0
    logarithm = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
    factor = math.exp(logarithm + a * math.log(x) + b * math.log(complement))
    # The continued fraction converges fast on this side of the mean; the other is its mirror image.
    if x < (a + 1.0) / (a + b + 2.0):
        return factor * _continued_fraction(x, a, b) / a
    return 1.0 - factor * _continued_fraction(complement, b, a) / b


def _continued_fraction(x: float, a: float, b: float) -> float:
    """The fraction of Abramowitz and Stegun 26.5.8 by Lentz's method (Press et al. 2007, section 6.4)."""
    c, d = 1.0, 1.0 / _off_zero(1.0 - (a + b) * x / (a + 1.0))
    value = d
    for m in range(1, _MOST_ITERATIONS):
        even = m * (b - m) * x / ((a + 2 * m - 1.0) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1.0))
        step = 1.0
        for coefficient in (even, odd):
            d = 1.0 / _off_zero(1.0 + coefficient * d)
            c = _off_zero(1.0 + coefficient / c)
            step = c * d
            value *= step
        if abs(step - 1.0) <= _PRECISION:
            break
    return value


def _off_zero(value: float) -> float:
    return value if abs(value) > _SMALLEST else _SMALLEST
