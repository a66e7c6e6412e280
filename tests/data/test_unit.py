"""The unit of a target of numbers, and the way back to the table's."""

from __future__ import annotations

import math

import numpy as np
import polars as pl
import pytest
import torch
from mlx_runner.data import Field, Unit
from mlx_runner.data.frame import Frame
from mlx_runner.data.regression_columns import fit_regression
from mlx_runner.specs.columns import Regression

LARGEST = torch.finfo(torch.float64).max


@pytest.mark.parametrize("log1p", [False, True])
def test_restoring_undoes_the_scale_and_then_the_logarithm(log1p: bool) -> None:
    unit = Unit(log1p=log1p, offset=(1.0, -2.0), divisor=(4.0, 0.5))
    table = np.random.default_rng(0).uniform(0.0, 9.0, size=(3, 50, 2))
    plain = np.log1p(table) if log1p else table
    scaled = (plain - np.array(unit.offset)) / np.array(unit.divisor)
    restored = unit.restore(torch.from_numpy(scaled))
    assert restored.dtype == torch.float64
    np.testing.assert_allclose(restored.numpy(), table, rtol=1e-12)
    single = unit.restore(torch.from_numpy(scaled).float())
    assert single.dtype == torch.float64
    np.testing.assert_allclose(single.numpy(), table, rtol=1e-5, atol=1e-5)


def test_what_is_too_large_becomes_the_largest_number_and_nan_stays() -> None:
    values = torch.tensor([[1e6], [math.inf], [-math.inf], [math.nan]])
    assert Unit(log1p=True, offset=(0.0,), divisor=(1.0,)).restore(values)[:3].flatten().tolist() == [
        LARGEST, LARGEST, -1.0,
    ]  # fmt: skip
    plain = Unit(log1p=False, offset=(0.0,), divisor=(1e300,)).restore(values)
    assert plain[1:3].flatten().tolist() == [LARGEST, -LARGEST]
    assert bool(plain[3].isnan())


@pytest.mark.parametrize(
    ("unit", "expected"),
    [
        (Unit(log1p=False, offset=(0.0, 0.0), divisor=(1.0, 1.0)), True),
        (Unit(log1p=True, offset=(0.0, 0.0), divisor=(1.0, 1.0)), False),
        (Unit(log1p=False, offset=(0.0, 0.1), divisor=(1.0, 1.0)), False),
        (Unit(log1p=False, offset=(0.0, 0.0), divisor=(2.0, 1.0)), False),
    ],
)
def test_the_identity_is_told_from_all_else(unit: Unit, expected: bool) -> None:
    assert unit.is_identity is expected
    assert Field(shape=(2,), kind="values", unit=unit) == Field(shape=(2,), kind="values", unit=unit)


@pytest.mark.parametrize("scale", ["standardize", "minmax", "none"])
@pytest.mark.parametrize("log1p", [False, True])
def test_a_regression_target_has_the_unit_that_its_encoder_decodes_by(scale: str, log1p: bool) -> None:
    frame = Frame.of_file(pl.DataFrame({"a": [1.0, 5.0, 30.0], "b": [0.0, -0.5, 7.0]}), "t.csv")
    spec = Regression(columns=("a", "b"), scale=scale, log1p=log1p)
    encoder = fit_regression(spec, frame, name="y", columns=["a", "b"])
    unit = encoder.field.unit
    assert (unit is None) == (scale == "none" and not log1p)
    if unit is not None:
        values = torch.tensor([[0.3, -1.0], [2.0, 900.0]])
        decoded = torch.stack(list(encoder.decode(values).values()), -1)
        assert torch.equal(unit.restore(values), decoded)
