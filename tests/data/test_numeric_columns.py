"""Numeric inputs: scales against scikit-learn, empty cells, text against typed columns, exact messages."""

from __future__ import annotations

import json
import math

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from mlx_runner.data.cells import CellReader
from mlx_runner.data.fit import load_encoder
from mlx_runner.data.frame import Frame
from mlx_runner.data.numeric_columns import NumericEncoder, fit_numeric
from mlx_runner.specs.columns import Numeric
from mlx_runner.specs.errors import DataError
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import MinMaxScaler, StandardScaler

NUMBERS = st.one_of(st.integers(-(10**9), 10**9).map(float), st.floats(-1e12, 1e12))


def frame(**columns: object) -> Frame:
    return Frame.of_file(pl.DataFrame(columns), "people.csv")


def fit(spec: Numeric, rows: Frame) -> NumericEncoder:
    return fit_numeric(spec, rows, name="x", columns=rows.data.columns)


def encoded(spec: Numeric, rows: Frame) -> np.ndarray:
    return fit(spec, rows).encode(rows).values.numpy()


def message(spec: Numeric, rows: Frame, other: Frame | None = None) -> str:
    with pytest.raises(DataError) as caught:
        fit(spec, rows).encode(other or rows)
    return str(caught.value)


@pytest.fixture
def table() -> np.ndarray:
    stream = np.random.default_rng(0)
    return stream.normal(size=(200, 3)) * [1e-3, 1.0, 1e6] + [5.0, 0.0, 1e7]


@pytest.mark.parametrize(
    ("scale", "reference"), [("standardize", StandardScaler()), ("minmax", MinMaxScaler())]
)
@pytest.mark.parametrize("log1p", [False, True])
def test_scales_as_scikit_learn_does(table: np.ndarray, scale: str, reference, log1p: bool) -> None:
    table = np.abs(table) if log1p else table
    expected = reference.fit_transform(np.log1p(table) if log1p else table).astype(np.float32)
    rows = frame(**{f"c{index}": column for index, column in enumerate(table.T)})
    found = encoded(Numeric(columns="*", scale=scale, log1p=log1p), rows)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-7)


def test_without_a_scale_numbers_stay(table: np.ndarray) -> None:
    found = encoded(Numeric(columns="a", scale="none"), frame(a=table[:, 0]))
    np.testing.assert_array_equal(found, table[:, :1].astype(np.float32))


@pytest.mark.parametrize("missing", ["mean", "median"])
def test_empty_cells_are_filled_before_the_scale_as_scikit_learn_does(
    table: np.ndarray, missing: str
) -> None:
    table = np.abs(table)
    table[::7, 0] = np.nan
    table[3:9, 2] = np.nan
    filled = SimpleImputer(strategy=missing).fit_transform(table)
    # The scale is that of the cells that were there: scikit-learn's scaler passes over NaN too.
    scaler = StandardScaler().fit(np.log1p(table))
    expected = scaler.transform(np.log1p(filled)).astype(np.float32)
    rows = frame(**{f"c{index}": column for index, column in enumerate(table.T)})
    found = encoded(Numeric(columns="*", log1p=True, missing=missing, indicator=False), rows)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_indicators_stand_behind_the_values_for_columns_with_empty_cells() -> None:
    rows = frame(a=[1.0, None, 3.0], b=[1.0, 2.0, 3.0], c=[None, None, 5.0])
    encoder = fit(Numeric(columns="*", missing="zero", scale="none"), rows)
    assert encoder.field.shape == (5,)
    assert encoder.field.kind == "numbers"
    assert encoder.field.labels == ("a", "b", "c", "a is empty", "c is empty")
    assert encoder.columns == ("a", "b", "c")
    assert encoder.encode(rows).values.tolist() == [[1, 1, 0, 0, 1], [0, 2, 0, 1, 1], [3, 3, 5, 0, 0]]
    # At prediction a column that was full in training is filled, and gets no indicator.
    later = encoder.encode(frame(a=[2.0], b=[None], c=[4.0]))
    assert later.values.tolist() == [[2, 0, 4, 0, 0]]
    assert later.observed is None


def test_notes_say_what_was_met() -> None:
    rows = frame(a=[1.0, None, 3.0, 4.0], b=[7.0] * 4, c=[None, None, 5.0, 6.0])
    encoder = fit(Numeric(columns="*"), rows)
    assert encoder.notes == (
        "a: 1 of 4 cells is empty; filled with the mean, 2.66667",
        "b: constant in the training rows",
        "c: 2 of 4 cells are empty; filled with the mean, 5.5",
    )


@pytest.mark.parametrize("scale", ["standardize", "minmax"])
@pytest.mark.parametrize("value", [0.1, 1e300, -3.0])
def test_a_constant_column_becomes_0_and_keeps_the_unit(scale: str, value: float) -> None:
    rows = frame(a=[value] * 3)
    encoder = fit(Numeric(columns="a", scale=scale), rows)
    assert encoder.encode(rows).values.tolist() == [[0.0]] * 3
    assert encoder.encode(frame(a=[value + 2.0])).values.item() == pytest.approx(value + 2.0 - value)


def test_magnitudes_whose_squares_overflow_or_vanish_are_scaled() -> None:
    for factor in (1e200, 1e-200):
        found = encoded(Numeric(columns="a"), frame(a=[-factor, factor]))
        assert found.tolist() == [[-1.0], [1.0]]


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.one_of(st.none(), NUMBERS), min_size=1, max_size=12),
    st.sampled_from(["standardize", "minmax", "none"]),
    st.sampled_from(["mean", "median", "zero"]),
)
def test_text_and_typed_columns_give_the_same_tensors_and_documents(
    cells: list[float | None], scale: str, missing: str
) -> None:
    assume(any(cell is not None for cell in cells))
    spec = Numeric(columns="a", scale=scale, missing=missing)
    typed = Frame.of_file(pl.DataFrame({"a": cells}, schema={"a": pl.Float64}), "f")
    texts = [None if cell is None else f" {cell!r} " for cell in cells]
    written = Frame.of_file(pl.DataFrame({"a": texts}, schema={"a": pl.String}), "f")
    encoder = fit(spec, typed)
    assert encoder == fit(spec, written)
    values = encoder.encode(typed).values
    assert torch.equal(values, encoder.encode(written).values)
    assert bool(values.isfinite().all())
    kept = json.dumps(encoder.document(), allow_nan=False)
    assert torch.equal(load_encoder(json.loads(kept)).encode(written).values, values)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_number_is_read_exactly(number: float) -> None:
    reader = CellReader(frame(a=[repr(number)]), ())
    assert reader.numbers("a").item() == number
    reader.finish()


@pytest.mark.parametrize(
    ("text", "number"),
    [(" 12 ", 12), ("1e-3", 0.001), ("+5", 5), (".5", 0.5), ("5.", 5), ("-1E2", -100), ("\t7\n", 7)],
)
def test_what_a_number_is(text: str, number: float) -> None:
    encoder = fit(Numeric(columns="a", scale="none"), frame(a=["0"]))
    assert encoder.encode(frame(a=[text])).values.item() == pytest.approx(number)


@pytest.mark.parametrize(
    "text", ["nan", "inf", "-Infinity", "1_000", "0x10", "1e", "e5", ".", "1.2.3", "٣", "1 2", "--1", "true"]
)
def test_what_a_number_is_not(text: str) -> None:
    found = message(Numeric(columns="a"), frame(a=["1", "2"]), frame(a=["3", text]))
    assert f"column 'a', people.csv, row 2: {text!r} is not a number" in found


@pytest.mark.parametrize("blank", [None, "", " ", "\t", "\u00a0"])
def test_a_cell_of_white_space_is_empty(blank: str | None) -> None:
    found = encoded(Numeric(columns="a", scale="none", missing="zero"), frame(a=["1", blank]))
    assert found.tolist() == [[1.0, 0.0], [0.0, 1.0]]


def test_typed_columns_pass_through() -> None:
    rows = Frame.of_file(
        pl.DataFrame(
            {
                "flag": [True, False, None],
                "count": pl.Series([1, 2, 3], dtype=pl.UInt8),
                "price": pl.Series(["1.50", "2.25", None]).cast(pl.Decimal(10, 2)),
                "label": pl.Series(["7", "8", "7"], dtype=pl.Categorical),
                "gap": [1.0, float("nan"), 2.0],
            }
        ),
        "people.parquet",
    )
    found = encoded(Numeric(columns="*", scale="none", missing="zero", indicator=False), rows)
    assert found.tolist() == [[1, 1, 1.5, 7, 1], [0, 2, 2.25, 8, 0], [0, 3, 0, 7, 2]]


def test_bad_cells_are_reported_with_their_place() -> None:
    spec, good = Numeric(columns="age"), frame(age=["1", "2"])
    assert message(spec, good, frame(age=["3", "abc"])) == (
        "data.inputs.x: column 'age', people.csv, row 2: 'abc' is not a number; "
        "correct it, or set null_values: ['abc'] if it marks a missing value."
    )
    assert message(spec, good, frame(age=["NA"])) == (
        "data.inputs.x: column 'age', people.csv, row 1: 'NA' is not a number; "
        "if it marks a missing value, set null_values: ['NA']."
    )
    assert message(spec, good, frame(age=["1,234"])) == (
        "data.inputs.x: column 'age', people.csv, row 1: '1,234' is not a number; "
        "write numbers with a decimal point and without thousands separators."
    )
    assert message(spec, good, frame(age=["1e999"])) == (
        "data.inputs.x: column 'age', people.csv, row 1: '1e999' is larger than any 64-bit number; "
        "correct it."
    )
    assert message(spec, good, frame(age=[1.0, float("-inf")])) == (
        "data.inputs.x: column 'age', people.csv, row 2: '-inf' is not a finite number; correct it."
    )


def test_the_first_five_bad_cells_are_shown_with_the_count_and_their_files() -> None:
    rows = frame(age=["1", "2"])
    bad = Frame(
        pl.DataFrame({"age": ["a", "1", "b", "c", "d", "e", "f", "g"]}),
        ("one.csv", "two.csv"),
        np.array([0, 0, 0, 1, 1, 1, 1, 1]),
        np.array([7, 8, 9, 1, 2, 3, 4, 5]),
    )
    assert message(Numeric(columns="age"), rows, bad) == (
        "data.inputs.x: column 'age', one.csv, row 7: 'a' is not a number; likewise 'b' (one.csv, row 9), "
        "'c' (two.csv, row 1), 'd' (two.csv, row 2), 'e' (two.csv, row 3) and 2 more, 7 cells in all; "
        "correct it, or set null_values: ['a'] if it marks a missing value."
    )


def test_the_problems_of_all_columns_come_at_once() -> None:
    with pytest.raises(DataError) as caught:
        fit(Numeric(columns="*"), frame(a=["x"], b=[[1]], c=[1.0], d=[None]))
    assert [str(problem) for problem in caught.value.problems] == [
        "data.inputs.x: column 'a', people.csv, row 1: 'x' is not a number; "
        "correct it, or set null_values: ['x'] if it marks a missing value.",
        "data.inputs.x: column 'b' holds List(Int64), not text or numbers; convert it.",
        "data.inputs.x: column 'd': every cell of the training rows is empty, so there is no mean; "
        "leave the column out, or set missing: zero.",
    ]


def test_a_column_that_is_gone_is_named_with_the_nearest() -> None:
    assert message(Numeric(columns="age"), frame(age=[1, 2]), frame(agee=[1], name=["x"])) == (
        "data.inputs.x: no column named 'age'; did you mean 'agee'? Columns: agee, name."
    )


def test_an_empty_cell_may_be_an_error() -> None:
    spec = Numeric(columns="age", missing="error")
    expected = (
        "data.inputs.x: column 'age', people.csv, row 2: the cell is empty; likewise people.csv, row 3, "
        "2 cells in all; fill it, or set missing: mean, median or zero."
    )
    assert message(spec, frame(age=["1", None, " "])) == expected
    assert message(spec, frame(age=[1.0, 2.0]), frame(age=[1.0, None, float("nan")])) == expected
    assert fit(spec, frame(age=[1, 2])).field.labels == ("age",)


def test_log1p_needs_numbers_above_minus_1() -> None:
    spec = Numeric(columns="a", log1p=True)
    for rows in (frame(a=[0, -1, 5]), frame(a=["0", "-1", "5"])):
        assert message(spec, rows) == (
            "data.inputs.x: column 'a', people.csv, row 2: '-1' has no log1p, which needs numbers above -1; "
            "correct it, or set log1p: false."
        )
    assert "'-1.5' has no log1p" in message(spec, frame(a=[0, 1]), frame(a=[-1.5]))
    assert encoded(Numeric(columns="a", log1p=True, scale="none"), frame(a=[-0.5])).item() == np.float32(
        math.log1p(-0.5)
    )


def test_numbers_too_large_for_float32_are_refused() -> None:
    assert message(Numeric(columns="a", scale="none"), frame(a=[1.0, 1e39])) == (
        "data.inputs.x: column 'a', people.csv, row 2: '1e+39' is too large for a 32-bit number once it is "
        "scaled; correct it, or use log1p or another scale."
    )
    assert message(Numeric(columns="a", scale="minmax"), frame(a=[-1e308, 1e308])) == (
        "data.inputs.x: column 'a': its numbers, from -1e+308 to 1e+308, are too far apart to be scaled; "
        "use log1p: true."
    )


def test_a_column_without_any_number_may_be_0() -> None:
    encoder = fit(Numeric(columns="a", missing="zero"), frame(a=[None, None]))
    assert encoder.encode(frame(a=["3", None])).values.tolist() == [[3.0, 0.0], [0.0, 1.0]]


def test_no_rows_give_no_rows() -> None:
    encoder = fit(Numeric(columns="a"), frame(a=[1, 2]))
    assert encoder.encode(Frame.of_file(pl.DataFrame({"a": []}), "f")).values.shape == (0, 1)


def test_only_the_rows_passed_are_learned_from() -> None:
    rows = frame(a=[1.0, 2.0, 3.0, 1e6])
    train = rows.take(np.array([2, 0, 1]))
    encoder = fit(Numeric(columns="a", scale="minmax"), train)
    assert encoder.encode(rows).values[:3, 0].tolist() == [0.0, 0.5, 1.0]
