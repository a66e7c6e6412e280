"""Statistics agree with scipy on random samples, and mean what they say on degenerate ones."""

from __future__ import annotations

import math
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from mlx_runner.comparison.statistics import (
    Estimate,
    estimate,
    holm,
    paired_difference,
    t_cdf,
    t_quantile,
    two_sided_p,
)
from scipy import stats

values = st.floats(-1e3, 1e3, allow_nan=False).map(lambda value: round(value, 3))
degrees = st.integers(1, 2000)


@given(st.floats(-200, 200), degrees)
def test_distribution(t: float, freedom: int) -> None:
    # Nearer to zero scipy itself loses digits: its Cauchy distribution is 0.5 at 1e-9.
    assume(t == 0.0 or abs(t) > 1e-3)
    assert t_cdf(t, freedom) == pytest.approx(stats.t.cdf(t, freedom), rel=1e-10, abs=1e-14)
    assert two_sided_p(t, freedom) == pytest.approx(2 * stats.t.sf(abs(t), freedom), rel=1e-9, abs=1e-200)


@pytest.mark.parametrize("t", [1e-12, 1e-9, 1e-6, 1e-3, -1e-9])
def test_distribution_near_zero(t: float) -> None:
    """With one degree of freedom it is Cauchy's, 1/2 + arctan(t) / pi."""
    assert t_cdf(t, 1) == pytest.approx(0.5 + math.atan(t) / math.pi, rel=1e-15)


@given(st.floats(1e-4, 1 - 1e-4), degrees)
def test_quantile(probability: float, freedom: int) -> None:
    expected = stats.t.ppf(probability, freedom)
    assert t_quantile(probability, freedom) == pytest.approx(expected, rel=1e-9, abs=1e-9)


@given(st.lists(values, min_size=2, max_size=40))
def test_estimate(sample: list[float]) -> None:
    found = estimate(sample)
    assert found.n == len(sample)
    assert found.mean == pytest.approx(np.mean(sample), rel=1e-9, abs=1e-9)
    assert found.std == pytest.approx(np.std(sample, ddof=1), rel=1e-9, abs=1e-9)


@given(st.lists(st.tuples(values, values), min_size=2, max_size=30))
def test_paired_difference(pairs: list[tuple[float, float]]) -> None:
    own, baseline = zip(*pairs, strict=True)
    differences = np.subtract(own, baseline)
    assume(np.ptp(differences) > 1e-6)
    expected = stats.ttest_rel(own, baseline)
    interval = expected.confidence_interval(0.95)
    found = paired_difference(own, baseline)
    scale = float(np.abs(differences).max())
    assert found.mean == pytest.approx(differences.mean(), rel=1e-9, abs=1e-9)
    assert found.p == pytest.approx(expected.pvalue, rel=1e-6, abs=1e-12)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high), rel=1e-7, abs=1e-9 * scale)


def test_equal_differences_are_a_point() -> None:
    found = paired_difference([3.0, 5.0, 7.0], [2.0, 4.0, 6.0])
    assert (found.mean, found.low, found.high, found.p, found.n) == (1.0, 1.0, 1.0, 0.0, 3)
    assert found.excludes_zero


def test_ties_are_no_difference() -> None:
    found = paired_difference([0.1, 0.7, 0.7], [0.1, 0.7, 0.7])
    assert (found.mean, found.low, found.high, found.p) == (0.0, 0.0, 0.0, 1.0)
    assert not found.excludes_zero


def test_one_value_has_no_deviation_and_one_pair_no_interval() -> None:
    assert estimate([0.5]) == Estimate(0.5, None, 1)
    found = paired_difference([0.5], [0.25])
    assert (found.mean, found.low, found.high, found.p, found.n) == (0.25, None, None, None, 1)
    assert not found.excludes_zero


def test_what_is_not_finite_stays_so() -> None:
    found = estimate([1.0, math.nan])
    assert found.std is not None
    assert math.isnan(found.mean) and math.isnan(found.std)
    difference = paired_difference([1.0, math.inf, 2.0], [0.0, 0.0, 0.0])
    assert math.isnan(difference.mean) and not difference.excludes_zero
    assert estimate([]).n == 0 and math.isnan(estimate([]).mean)
    assert math.isnan(two_sided_p(math.nan, 3)) and two_sided_p(math.inf, 3) == 0.0


def test_unpaired_values_are_a_fault() -> None:
    with pytest.raises(ValueError, match="shorter"):
        paired_difference([1.0, 2.0], [1.0])


def test_holm_by_hand() -> None:
    """Four tests: 4 x 0.005, 3 x 0.01, 2 x 0.03, then 0.04 lifted to the one before it."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


def test_holm_leaves_out_what_was_not_tested() -> None:
    assert holm([None, 0.01, math.nan, 0.04]) == [None, 0.02, None, 0.04]


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_holm_is_the_sequential_procedure(p_values: list[float]) -> None:
    """What it rejects at a level is what Holm's procedure does: from the smallest up to the first failure."""
    level, m = 0.1, len(p_values)
    rejected: set[int] = set()
    for rank, index in enumerate(sorted(range(m), key=lambda index: p_values[index])):
        if (m - rank) * p_values[index] > level:
            break
        rejected.add(index)
    adjusted = holm(p_values)
    assert {index for index, p in enumerate(adjusted) if p is not None and p <= level} == rejected


def test_no_scipy_and_no_torch() -> None:
    code = (
        "import sys, mlx_runner.comparison.statistics; print({'scipy', 'torch', 'numpy'} & set(sys.modules))"
    )
    finished = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert finished.stdout == "set()\n"
