"""Owns what the numbers of a column tell of themselves: a heavy tail, numbers of rows, absurd ranges.

Legend: N rows, M numbers, none of them missing.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]

# Squares of what is scaled must fit 32-bit numbers, whose largest is 3e38.
_WIDEST = 1e18

# A normal distribution has a skewness of 0, an exponential one of 2.
_SKEWED = 3.0
_FEWEST = 20


def is_heavy_tailed(numbers: Numbers) -> bool:
    """Whether a few of the numbers (M), none negative, are so large that log1p gives a fairer scale."""
    if len(numbers) < _FEWEST or numbers.min() < 0.0 or numbers.max() < 10.0:
        return False
    skewness = _skewness(numbers)
    return skewness > _SKEWED and abs(_skewness(np.log1p(numbers))) < skewness / 2.0


def is_too_wide(numbers: Numbers) -> bool:
    """Whether numbers (M), two different ones at least, are too large or too far apart to be scaled.

    Most rows being for training, the scale there is about the distance of most of them from the median.
    """
    if float(np.abs(numbers).max()) > _WIDEST:
        return True
    distances = np.sort(np.abs(numbers - np.sort(numbers)[len(numbers) // 2]))
    usual = distances[len(distances) * 3 // 5] or distances[distances > 0.0].min()
    with np.errstate(over="ignore"):
        return bool(distances[-1] / usual > _WIDEST)


def looks_like_rows(numbers: Numbers) -> bool:
    """Whether whole numbers (N, NaN where empty) count the rows: without a gap, and in order."""
    seen = numbers[~np.isnan(numbers)]
    return len(seen) > 2 and bool((np.diff(seen) == 1.0).all())


def rank_correlation(one: Numbers, other: Numbers) -> float:
    """Spearman's correlation of two columns (N, NaN where empty) over the rows that have both; 0 of few."""
    both = ~(np.isnan(one) | np.isnan(other))
    if both.sum() < _FEWEST:
        return 0.0
    first, second = _ranks(one[both]), _ranks(other[both])
    spread = float(first.std() * second.std())
    return float(((first - first.mean()) * (second - second.mean())).mean()) / spread if spread else 0.0


def _ranks(numbers: Numbers) -> Numbers:
    """The rank of each (M), the mean rank where several are equal."""
    _, inverse, counts = np.unique(numbers, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    ranks: Numbers = last - (counts - 1) / 2.0
    return ranks[inverse.reshape(-1)]


def _skewness(numbers: Numbers) -> float:
    """The mean of the cubes of what is standardized; 0 where all are the same."""
    centered = numbers - numbers.mean()
    deviation = float(np.sqrt(np.square(centered).mean()))
    return float(((centered / deviation) ** 3).mean()) if deviation > 0.0 else 0.0
