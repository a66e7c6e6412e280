"""Categories as one-hot, index and class: order, unknown values, masks, exact messages."""

from __future__ import annotations

import json

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mlx_runner.data.categories import sort_categories
from mlx_runner.data.category_columns import CategoryEncoder, ClassEncoder, fit_category, fit_class
from mlx_runner.data.fit import load_encoder
from mlx_runner.data.frame import Frame
from mlx_runner.data.table import Field
from mlx_runner.specs.columns import Categorical, CategoricalTarget
from mlx_runner.specs.errors import DataError, MachineError
from pydantic import ValidationError
from sklearn.preprocessing import OneHotEncoder

WORDS = st.text(st.characters(exclude_categories=["C"]), max_size=4)


def frame(*cells: object, **options: object) -> Frame:
    return Frame.of_file(pl.DataFrame({"colour": pl.Series(cells, **options)}), "people.csv")


def category(rows: Frame, **options: object) -> CategoryEncoder:
    return fit_category(Categorical(column="colour", **options), rows, name="x")


def classes(rows: Frame, **options: object) -> ClassEncoder:
    return fit_class(CategoricalTarget(column="colour", **options), rows, name="y")


def test_one_hot_as_scikit_learn_does() -> None:
    cells = np.random.default_rng(0).choice(["red", "green", "blue", "yellow"], size=200)
    encoder = category(frame(*cells.tolist()))
    found = encoder.encode(frame(*cells.tolist())).values
    reference = OneHotEncoder(categories=[list(encoder.categories)], sparse_output=False, dtype=np.float32)
    assert found.dtype == torch.float32
    np.testing.assert_array_equal(found.numpy(), reference.fit_transform(cells[:, None]))
    assert encoder.field == Field(shape=(4,), kind="numbers", labels=("blue", "green", "red", "yellow"))
    assert encoder.columns == ("colour",)


def test_index_is_a_number_for_an_embedding() -> None:
    rows = frame("b", "a", "c", "a")
    encoder = category(rows, encoding="index")
    found = encoder.encode(rows)
    assert found.values.dtype == torch.int64
    assert found.values.tolist() == [[1], [0], [2], [0]]
    assert encoder.field == Field(shape=(1,), kind="tokens", size=3, labels=("a", "b", "c"))


def test_classes_mask_what_nobody_gave() -> None:
    rows = frame("b", None, "c", " ", "a")
    encoder = classes(rows)
    found = encoder.encode(rows)
    assert found.values.dtype == torch.int64
    assert found.values.tolist() == [1, 0, 2, 0, 0]
    assert found.observed is not None
    assert found.observed.tolist() == [True, False, True, False, True]
    assert encoder.notes == ("colour: 2 of 5 cells are empty; masked",)
    assert encoder.field == Field(shape=(), kind="classes", size=3, labels=("a", "b", "c"))
    assert encoder.encode(frame("a", "b")).observed is None
    assert encoder.encode(frame(None, None)).observed is not None


def test_values_of_classes_go_by_category() -> None:
    encoder = classes(frame("b", "a"))
    values = torch.rand(3, 4, 2)
    decoded = encoder.decode(values)
    assert list(decoded) == ["a", "b"]
    assert torch.equal(decoded["b"], values[..., 1])
    assert list(encoder.decode(torch.rand(4, 3))) == ["a", "b", "2"]


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["10", "9", "1"], ("1", "9", "10")),
        (["-1", "-10", "0", "0.5", "0.25"], ("-10", "-1", "0", "0.25", "0.5")),
        (["1.0", "1", "01"], ("01", "1", "1.0")),
        (["10th", "2nd", "1st"], ("1st", "2nd", "10th")),
        (["b2", "b10", "a", "b", "B"], ("B", "a", "b", "b2", "b10")),
        (["inf", "1", "nan"], ("1", "inf", "nan")),
        (["x" + "9" * 5000, "x1"], ("x1", "x" + "9" * 5000)),
    ],
)
def test_the_order_of_categories(texts: list[str], expected: tuple[str, ...]) -> None:
    assert sort_categories(texts) == expected


@given(st.lists(st.one_of(WORDS, st.integers().map(str)), unique=True), st.randoms())
def test_the_order_does_not_depend_on_that_of_the_rows(texts: list[str], random) -> None:
    expected = sort_categories(texts)
    random.shuffle(texts)
    assert sort_categories(texts) == expected
    assert sorted(expected) == sorted(texts)


def test_given_categories_keep_their_order_and_absent_ones_are_noted() -> None:
    encoder = category(frame("b", "a"), categories=["b", " c ", "a"], encoding="index")
    assert encoder.categories == ("b", "c", "a")
    assert encoder.encode(frame("a", "c")).values.tolist() == [[2], [1]]
    assert encoder.notes == ("colour: 1 of 3 categories are in no training row: 'c'",)


def test_an_unknown_value_is_an_error_with_the_nearest_category() -> None:
    encoder = category(frame("red", "blue", "green"))
    with pytest.raises(DataError) as caught:
        encoder.encode(frame("red", "rde", "mauve"))
    assert str(caught.value) == (
        "data.inputs.x: column 'colour', people.csv, row 2: 'rde' is none of the categories 'blue', 'green', "
        "'red'; "
        "likewise 'mauve' (people.csv, row 3), 2 cells in all; did you mean 'red'? "
        "Or set unknown: own to give such values a category of their own."
    )
    with pytest.raises(
        DataError,
        match=r"row 1: 'mauve' is none of the categories 'blue', 'green', 'red'; set unknown: own to give",
    ):
        encoder.encode(frame("mauve"))


def test_an_empty_input_is_an_error_and_a_target_none() -> None:
    expected = (
        "data.inputs.x: column 'colour', people.csv, row 2: the cell is empty; "
        "fill it, or set unknown: own to give it a category of its own."
    )
    with pytest.raises(DataError) as caught:
        category(frame("red", None))
    assert str(caught.value) == expected
    with pytest.raises(DataError) as caught:
        category(frame("red", "blue")).encode(frame("red", " "))
    assert str(caught.value) == expected


def test_a_value_that_is_not_given_is_an_error_while_fitting() -> None:
    for fit, path in ((category, "data.inputs.x"), (classes, "data.targets.y")):
        with pytest.raises(DataError) as caught:
            fit(frame("red", "blue"), categories=["red", "bleu"])
        assert str(caught.value).startswith(
            f"{path}: column 'colour', people.csv, row 2: 'blue' is none of the"
        )


def test_unknown_values_may_have_a_category_of_their_own() -> None:
    rows = frame("red", None, "blue", "(unknown)")
    encoder = category(rows, unknown="own", encoding="index")
    assert encoder.categories == ("(unknown)", "blue", "red")
    assert encoder.encode(frame("mauve", None, "red", "(unknown)")).values.tolist() == [[0], [0], [2], [0]]
    assert encoder.notes == ("colour: 1 of 4 cells is empty; of the category (unknown)",)
    assert category(frame("red", "blue"), unknown="own").notes == (
        "colour: no training row is of the category (unknown), so nothing is learned for it",
    )
    target = classes(frame("red", "mauve", None), unknown="own", categories=["red"])
    found = target.encode(frame("red", "mauve", None))
    assert found.values.tolist() == [1, 0, 0]
    assert found.observed is not None
    assert found.observed.tolist() == [True, True, False]


@pytest.mark.parametrize("fit", [category, classes])
def test_a_column_without_any_value_is_an_error(fit) -> None:
    with pytest.raises(DataError, match=r"every cell of column 'colour' is empty in the training rows\.$"):
        fit(frame(None, None, dtype=pl.String))
    with pytest.raises(DataError, match=r"every cell of column 'colour' is empty"):
        classes(frame(None), categories=["a"])


def test_one_category_alone_is_noted() -> None:
    assert category(frame("a", "a")).notes == ("colour: constant in the training rows",)


def test_too_many_categories_are_refused_with_a_hint() -> None:
    rows = frame(*(f"v{index}" for index in range(100_001)))
    with pytest.raises(DataError) as caught:
        category(rows)
    assert str(caught.value) == (
        "data.inputs.x: column 'colour' has 100001 different values in the training rows, more than 100000; "
        "is it text? Or name the categories, and set unknown: own for all others."
    )
    most = frame(*(f"v{index}" for index in range(100_000)))
    assert category(most, encoding="index").encode(most).values[:, 0].tolist() == list(range(100_000))


def test_one_hot_that_memory_cannot_hold_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mlx_runner.data.available_memory.available_bytes", lambda: 11)
    rows = frame("a", "b", "a")
    with pytest.raises(MachineError) as caught:
        category(rows).encode(rows)
    assert str(caught.value) == (
        "data.inputs.x: encoding: one_hot of 3 rows and 2 categories takes 0.0 GB, more than the 0.0 GB of "
        "memory there are; use encoding: index with an embedding."
    )


@pytest.mark.parametrize(
    ("typed", "texts"),
    [
        ([3, 1, None, 2], ["3", "1", None, "2"]),
        ([1.5, 2.0, None], ["1.5", "2.0", None]),
        ([True, False, None], ["true", "false", None]),
    ],
)
def test_text_and_typed_columns_give_the_same(typed: list, texts: list) -> None:
    one, other = classes(frame(*typed)), classes(frame(*texts))
    assert one == other
    found = one.encode(frame(*typed))
    assert torch.equal(found.values, other.encode(frame(*texts)).values)
    assert torch.equal(found.values, one.encode(frame(*texts, dtype=pl.Categorical)).values)


@settings(deadline=None, max_examples=60)
@given(st.lists(WORDS, min_size=1), st.sampled_from(["one_hot", "index"]), st.lists(WORDS))
def test_a_kept_encoder_encodes_the_same(cells: list[str], encoding: str, others: list[str]) -> None:
    rows = frame(*cells, "a", dtype=pl.String)
    later = frame(*others, dtype=pl.String)
    one = category(rows, encoding=encoding, unknown="own")
    kept = load_encoder(json.loads(json.dumps(one.document(), allow_nan=False)))
    assert torch.equal(kept.encode(later).values, one.encode(later).values)
    target = classes(rows)
    kept = load_encoder(json.loads(json.dumps(target.document(), allow_nan=False)))
    found, expected = kept.encode(rows), target.encode(rows)
    assert torch.equal(found.values, expected.values)
    assert (
        found.observed is None
        if expected.observed is None
        else torch.equal(found.observed, expected.observed)
    )
    names = [target.categories[number] for number in expected.values.tolist()]
    seen = rows.data["colour"].str.strip_chars().to_list()
    assert all(name == cell for name, cell in zip(names, seen, strict=True) if cell)


def test_categories_are_named_once() -> None:
    with pytest.raises(ValidationError, match="'a' is named more than once"):
        Categorical(column="colour", categories=["a", "b", " a"])
