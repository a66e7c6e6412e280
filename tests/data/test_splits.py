"""The rule of splits, exact for the decimals that users write."""

from __future__ import annotations

from decimal import ROUND_FLOOR, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlx_runner.data.splits import SplitSizes, floor_of, split_sizes
from mlx_runner.specs.errors import ConfigError


@pytest.mark.parametrize(
    ("num_rows", "validation", "test", "expected"),
    [
        (60_000, 0.1, 0.0, SplitSizes(54_000, 6_000, 0)),
        (20_000, 0.1, 0.1, SplitSizes(16_000, 2_000, 2_000)),
        (100, 0.29, 0.57, SplitSizes(14, 29, 57)),
        (7, 0.5, 0.3, SplitSizes(2, 3, 2)),
        (9, 0.1, 0.0, SplitSizes(9, 0, 0)),
        (10_000_000, 1e-7, 0.0, SplitSizes(9_999_999, 1, 0)),
    ],
)
def test_known_sizes(num_rows: int, validation: float, test: float, expected: SplitSizes) -> None:
    assert split_sizes(num_rows, validation_split=validation, test_split=test) == expected


@given(st.integers(1, 10**7), st.integers(0, 9_999))
def test_floor_is_that_of_decimal_arithmetic(num_rows: int, ten_thousandths: int) -> None:
    written = f"0.{ten_thousandths:04d}"
    expected = (Decimal(num_rows) * Decimal(written)).to_integral_value(rounding=ROUND_FLOOR)
    assert floor_of(num_rows, float(written)) == expected


@given(st.integers(1, 10**7), st.floats(0.0, 1.0, exclude_max=True))
def test_one_fraction_below_one_always_leaves_a_row_to_train_on(num_rows: int, fraction: float) -> None:
    sizes = split_sizes(num_rows, validation_split=fraction)
    assert sizes.train >= 1
    assert sizes.train + sizes.validation == num_rows


def test_nothing_left_to_train_on_is_an_error() -> None:
    with pytest.raises(ConfigError) as caught:
        split_sizes(10, validation_split=0.5, test_split=0.5)
    assert str(caught.value) == (
        "data.validation_split: 5 of 10 rows are for validation and 5 for testing: none is left to train on; "
        "lower validation_split or test_split."
    )
