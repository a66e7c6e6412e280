"""Targets of regression: scales, masks, and the exact way back."""

from __future__ import annotations

import json

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mlx_runner.data.fit import load_target
from mlx_runner.data.frame import Frame
from mlx_runner.data.regression_columns import RegressionEncoder, fit_regression
from mlx_runner.data.table import Field, Unit
from mlx_runner.specs.columns import Regression
from mlx_runner.specs.errors import DataError
from sklearn.preprocessing import MinMaxScaler, StandardScaler


def frame(**columns: object) -> Frame:
    return Frame.of_file(pl.DataFrame(columns), "people.csv")


def fit(rows: Frame, **options: object) -> RegressionEncoder:
    spec = Regression(columns="*", **options)
    return fit_regression(spec, rows, name="y", columns=rows.data.columns)


@pytest.mark.parametrize(
    ("scale", "reference"), [("standardize", StandardScaler()), ("minmax", MinMaxScaler())]
)
@pytest.mark.parametrize("log1p", [False, True])
def test_scales_and_back_as_scikit_learn_does(scale: str, reference, log1p: bool) -> None:
    table = np.random.default_rng(0).lognormal(3.0, 2.0, size=(300, 2))
    rows = frame(a=table[:, 0], b=table[:, 1])
    encoder = fit(rows, scale=scale, log1p=log1p)
    plain = np.log1p(table) if log1p else table
    expected = reference.fit_transform(plain)
    found = encoder.encode(rows).values
    assert found.dtype == torch.float32
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-6, atol=1e-7)
    predictions = np.random.default_rng(1).normal(size=(50, 2))
    back = reference.inverse_transform(predictions)
    decoded = encoder.decode(torch.from_numpy(predictions))
    assert list(decoded) == ["a", "b"]
    for index, column in enumerate("ab"):
        assert decoded[column].dtype == torch.float64
        np.testing.assert_allclose(
            decoded[column].numpy(), np.expm1(back[:, index]) if log1p else back[:, index], rtol=1e-12
        )


def test_empty_cells_are_masked_for_their_column_alone() -> None:
    rows = frame(a=[1.0, None, 3.0], b=["4", "5", " "])
    encoder = fit(rows, scale="none")
    found = encoder.encode(rows)
    assert found.values.tolist() == [[1, 4], [0, 5], [3, 0]]
    assert found.observed is not None
    assert found.observed.tolist() == [[True, True], [False, True], [True, False]]
    assert encoder.notes == ("a: 1 of 3 cells is empty; masked", "b: 1 of 3 cells is empty; masked")
    assert encoder.field == Field(shape=(2,), kind="values", labels=("a", "b"))
    assert fit(frame(a=[1, 3])).field.unit == Unit(log1p=False, offset=(2.0,), divisor=(1.0,))
    assert encoder.columns == ("a", "b")
    assert encoder.encode(frame(a=[1], b=[2])).observed is None


def test_the_way_back_works_on_a_stack_and_stays_finite() -> None:
    encoder = fit(frame(a=[0.0, 1e6]), log1p=True)
    values = torch.tensor([[[0.0], [1e30]], [[float("inf")], [float("nan")]]])
    back = encoder.decode(values)["a"]
    largest = torch.finfo(torch.float64).max
    assert back.shape == (2, 2)
    assert back[0, 1] == back[1, 0] == largest
    assert bool(back[1, 1].isnan()), "what is no number is not made one"
    assert encoder.decode(torch.tensor([[-1e30]]))["a"].item() == -1.0
    linear = fit(frame(a=[0.0, 1e300]))
    assert linear.decode(torch.tensor([[-1e38]]))["a"].item() == -largest


def _is_no_constant(cells: list[float | None]) -> bool:
    """Whether there is one number, or two that differ, also in what log1p keeps of them."""
    numbers = [float(cell) for cell in cells if cell is not None]
    return len(numbers) == 1 or len({float(np.log1p(number)) for number in numbers}) > 1


@settings(deadline=None, max_examples=80)
@given(
    st.lists(st.one_of(st.none(), st.floats(0, 1e9), st.integers(0, 10**9)), min_size=1, max_size=10).filter(
        _is_no_constant
    ),
    st.sampled_from(["standardize", "minmax", "none"]),
    st.booleans(),
)
def test_decoding_gives_back_what_was_encoded(cells: list[float | None], scale: str, log1p: bool) -> None:
    numbers = [None if cell is None else float(cell) for cell in cells]
    rows = Frame.of_file(pl.DataFrame({"a": numbers}, schema={"a": pl.Float64}), "f")
    texts = [None if number is None else repr(number) for number in numbers]
    written = Frame.of_file(pl.DataFrame({"a": texts}, schema={"a": pl.String}), "f")
    encoder = fit(rows, scale=scale, log1p=log1p)
    kept = load_target(json.loads(json.dumps(encoder.document(), allow_nan=False)))
    found = kept.encode(written)
    assert torch.equal(found.values, encoder.encode(rows).values)
    observed = np.array([number is not None for number in numbers])
    assert observed.tolist() == (
        [True] * len(numbers) if found.observed is None else found.observed[:, 0].tolist()
    )
    back = kept.decode(found.values)["a"].numpy()[observed]
    given_numbers = np.array([number for number in numbers if number is not None])
    # float32 keeps 24 bits of the scaled number; expm1 turns its absolute error into a relative one.
    spread = np.log1p(given_numbers).max() if log1p else given_numbers.max()
    error = 2.0**-22 * max(spread, 1.0)
    np.testing.assert_allclose(back, given_numbers, rtol=2 * error if log1p else 1e-6, atol=error)


def test_a_constant_column_is_an_error_and_a_single_number_comes_back_exactly() -> None:
    with pytest.raises(DataError) as caught:
        fit(frame(a=[0.1, None, 0.1]))
    assert str(caught.value) == (
        "data.targets.y: every cell of column 'a' is 0.1 in the training rows: there is nothing to predict; "
        "choose another target."
    )
    encoder = fit(frame(a=[0.1, None, None]))
    assert encoder.decode(torch.zeros(1, 1))["a"].item() == 0.1


def test_a_column_without_any_number_is_an_error() -> None:
    with pytest.raises(DataError) as caught:
        fit(frame(a=[1, 2], b=[None, None], c=["", " "], d=["x", "1"]))
    assert str(caught.value).splitlines() == [
        "data.targets.y: every cell of column 'b' is empty in the training rows.",
        "data.targets.y: every cell of column 'c' is empty in the training rows.",
        "data.targets.y: column 'd', people.csv, row 1: 'x' is not a number; "
        "correct it, or set null_values: ['x'] if it marks a missing value.",
    ]
    assert fit(frame(a=[1, 2])).encode(frame(a=[None])).values.tolist() == [[0.0]]


def test_columns_of_different_units_are_refused() -> None:
    document = json.loads(json.dumps(fit(frame(a=[1, 2], b=[1, 2]), log1p=True).document()))
    document["fitted"][1]["scale"]["log1p"] = False
    with pytest.raises(DataError, match="some columns are log1p, others are not"):
        load_target(document)


def test_log1p_needs_numbers_above_minus_1() -> None:
    with pytest.raises(DataError, match="row 2: '-7' has no log1p, which needs numbers above -1"):
        fit(frame(a=[1, -7]), log1p=True)
    with pytest.raises(DataError, match="row 1: '-1' has no log1p, which needs numbers above -1"):
        fit(frame(a=[1, 2]), log1p=True).encode(frame(a=["-1"]))
