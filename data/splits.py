"""Owns the rule of splits: test is the last floor(N t) rows, validation the floor(N v) rows before it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

from ..specs.errors import ConfigError, Problem


@dataclass(frozen=True)
class SplitSizes:
    """How many rows each split has, in the order in which they lie in the table."""

    train: int
    validation: int
    test: int


def split_sizes(num_rows: int, *, validation_split: float, test_split: float = 0.0) -> SplitSizes:
    """The sizes of the splits of `num_rows` rows.

    Raises ConfigError where the fractions leave no row to train on. A source that brings its own test
    set passes no `test_split`.
    """
    validation, test = floor_of(num_rows, validation_split), floor_of(num_rows, test_split)
    if validation + test >= num_rows:
        given = f"{validation} of {num_rows} rows are for validation and {test} for testing"
        fix = "lower validation_split or test_split" if test else "lower validation_split"
        raise ConfigError(Problem(f"{given}: none is left to train on; {fix}.", ("data", "validation_split")))
    return SplitSizes(train=num_rows - validation - test, validation=validation, test=test)


def floor_of(num_rows: int, fraction: float) -> int:
    """floor(num_rows * fraction), the fraction being the decimal that was written.

    In floating point 100 * 0.29 is 28.999999999999996; the shortest decimal of 0.29 is 29/100.
    """
    return math.floor(num_rows * Fraction(repr(fraction)))
