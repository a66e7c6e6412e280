"""Binary columns and several labels: spellings, masks, unknown labels, exact messages."""

from __future__ import annotations

import json

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mlx_runner.data.binary_columns import BinaryTarget, fit_binary_input, fit_binary_target
from mlx_runner.data.fit import load_encoder
from mlx_runner.data.frame import Frame
from mlx_runner.data.label_columns import (
    LabelColumns,
    SeparatedLabels,
    fit_label_columns,
    fit_separated_labels,
)
from mlx_runner.data.table import Field
from mlx_runner.specs.columns import Binary, Multilabel
from mlx_runner.specs.errors import DataError, MachineError
from pydantic import ValidationError
from sklearn.preprocessing import MultiLabelBinarizer


def frame(**columns: object) -> Frame:
    return Frame.of_file(pl.DataFrame(columns), "mail.csv")


def target(rows: Frame, **options: object) -> BinaryTarget:
    return fit_binary_target(Binary(column="spam", **options), rows, name="y")


def separated(rows: Frame, **options: object) -> SeparatedLabels:
    return fit_separated_labels(Multilabel(column="tags", **options), rows, name="y")


def in_columns(rows: Frame) -> LabelColumns:
    return fit_label_columns(rows, name="y", columns=rows.data.columns)


def error(call, *arguments: object) -> str:
    with pytest.raises(DataError) as caught:
        call(*arguments)
    return str(caught.value)


def test_the_spellings_of_yes_and_no() -> None:
    cells = ["0", "1", "0.0", "1.0", "true", "False", "YES", "no", " Yes ", "TRUE", None, " "]
    found = target(frame(spam=cells)).encode(frame(spam=cells))
    assert found.values.dtype == torch.float32
    assert found.values[:, 0].tolist() == [0, 1, 0, 1, 1, 0, 1, 0, 1, 1, 0, 0]
    assert found.observed is not None
    assert found.observed[:, 0].tolist() == [True] * 10 + [False] * 2


@pytest.mark.parametrize(
    "cells", [[True, False, None], [1, 0, None], [1.0, 0.0, None], [1.0, 0.0, float("nan")]]
)
def test_typed_columns_give_the_same(cells: list) -> None:
    encoder = target(frame(spam=["1", "0", None]))
    found = encoder.encode(frame(spam=cells))
    assert found.values.tolist() == [[1.0], [0.0], [0.0]]
    assert found.observed is not None
    assert found.observed.tolist() == [[True], [True], [False]]


def test_an_input_has_a_half_where_it_is_empty() -> None:
    rows = frame(spam=["yes", None, "no"])
    encoder = fit_binary_input(Binary(column="spam"), rows, name="x")
    assert encoder.field == Field(shape=(1,), kind="numbers", labels=("spam",))
    found = encoder.encode(rows)
    assert found.values.tolist() == [[1.0], [0.5], [0.0]]
    assert found.observed is None
    assert encoder.notes == ("spam: 1 of 3 cells is empty; read as 0.5",)
    assert encoder.columns == ("spam",)


def test_a_target_is_one_label_named_after_the_column() -> None:
    encoder = target(frame(spam=["yes", None, "no"]))
    assert encoder.field == Field(shape=(1,), kind="binary", labels=("spam",))
    assert encoder.notes == ("spam: 1 of 3 cells is empty; masked",)
    values = torch.rand(2, 3, 1)
    assert torch.equal(encoder.decode(values)["spam"], values[..., 0])
    assert target(frame(spam=[0, 0])).notes == ("spam: every label of the training rows is 0",)


def test_which_cells_are_positive_may_be_said() -> None:
    rows = frame(spam=["spam", "ham", " spam", "eggs", None])
    one = target(rows, positive="spam").encode(rows)
    assert one.values[:, 0].tolist() == [1, 0, 1, 0, 0]
    assert one.observed is not None
    assert error(lambda: target(rows, positive="spam", negative="ham")) == (
        "data.targets.y: column 'spam', mail.csv, row 4: 'eggs' is neither 'spam' (positive) nor 'ham' "
        "(negative); correct it, or say by positive which text is 1."
    )
    numbers = frame(spam=[2, 1, 2])
    assert target(numbers, positive="2", negative="1").encode(numbers).values[:, 0].tolist() == [1, 0, 1]


def test_a_positive_that_no_row_has_is_a_mistake() -> None:
    rows = frame(spam=["spam", "ham"])
    assert error(lambda: target(rows, positive="Spam")) == (
        "data.targets.y: no training row of column 'spam' is 'Spam'; did you mean 'spam'? Or set positive to "
        "one of its values, which are 'ham', 'spam'."
    )
    assert target(frame(spam=["ham"]), positive="spam", negative="ham").notes == (
        "spam: every label of the training rows is 0",
    )


def test_other_cells_are_errors() -> None:
    assert error(lambda: target(frame(spam=["1", "0", "maybe", "2"]))) == (
        "data.targets.y: column 'spam', mail.csv, row 3: 'maybe' is neither 0 nor 1, true nor false, yes nor "
        "no; likewise '2' (mail.csv, row 4), 2 cells in all; correct it, or say by positive which text is 1."
    )
    assert error(lambda: target(frame(spam=[None, " "]))) == (
        "data.targets.y: every cell of column 'spam' is empty in the training rows."
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"negative": "no"}, "negative needs positive: which cells are 1"),
        ({"positive": "a", "negative": " a"}, "positive and negative are both 'a'"),
    ],
)
def test_positive_and_negative_are_told_apart(options: dict, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Binary(column="spam", **options)


def test_labels_in_columns_are_masked_one_by_one() -> None:
    rows = frame(red=["1", "0", None], round=[True, None, False], cheap=[0.0, 0.0, 0.0])
    encoder = in_columns(rows)
    found = encoder.encode(rows)
    assert found.values.tolist() == [[1, 1, 0], [0, 0, 0], [0, 0, 0]]
    assert found.observed is not None
    assert found.observed.tolist() == [[True] * 3, [True, False, True], [False, True, True]]
    assert encoder.field == Field(shape=(3,), kind="binary", labels=("red", "round", "cheap"))
    assert encoder.columns == ("red", "round", "cheap")
    assert encoder.notes == (
        "red: 1 of 3 cells is empty; masked",
        "round: 1 of 3 cells is empty; masked",
        "cheap: every label of the training rows is 0",
    )
    values = torch.rand(2, 5, 3)
    assert torch.equal(encoder.decode(values)["round"], values[..., 1])


def test_the_problems_of_all_label_columns_come_at_once() -> None:
    assert error(in_columns, frame(a=["1", "x"], b=["?", "0"])).splitlines() == [
        "data.targets.y: column 'a', mail.csv, row 2: 'x' is neither 0 nor 1, true nor false, yes nor no; "
        "write 0 or 1, or leave it empty where it is not known.",
        "data.targets.y: column 'b', mail.csv, row 1: '?' is neither 0 nor 1, true nor false, yes nor no; "
        "write 0 or 1, or leave it empty where it is not known.",
    ]
    assert error(in_columns, frame(a=["1", "0"], b=[None, None])) == (
        "data.targets.y: every cell of column 'b' is empty in the training rows."
    )


def test_separated_labels_as_scikit_learn_does() -> None:
    stream = np.random.default_rng(0)
    labels = ["red", "round", "cheap", "2nd", "10th"]
    rows = [list(stream.choice(labels, size=stream.integers(0, 5), replace=False)) for _ in range(100)]
    cells = frame(tags=["; ".join(row) or "nothing" for row in rows])
    encoder = separated(cells, none="nothing")
    assert encoder.labels == ("2nd", "10th", "cheap", "red", "round")
    expected = MultiLabelBinarizer(classes=list(encoder.labels)).fit_transform(rows)
    found = encoder.encode(cells)
    assert found.values.dtype == torch.float32
    np.testing.assert_array_equal(found.values.numpy(), expected)
    assert found.observed is None
    assert encoder.field == Field(shape=(5,), kind="binary", labels=encoder.labels)


def test_an_empty_cell_masks_all_labels_of_its_row() -> None:
    rows = frame(tags=["red;round;red", None, "none", " ", "round; "])
    encoder = separated(rows, none="none", labels=["round", "red", "cheap"])
    found = encoder.encode(rows)
    assert found.values.tolist() == [[1, 1, 0], [0, 0, 0], [0, 0, 0], [0, 0, 0], [1, 0, 0]]
    assert found.observed is not None
    assert found.observed.all(dim=1).tolist() == [True, False, True, False, True]
    assert found.observed.any(dim=1).tolist() == [True, False, True, False, True]
    assert encoder.notes == (
        "tags: 2 of 5 cells are empty; masked",
        "tags: 1 of 3 labels are in no training row: 'cheap'",
    )
    values = torch.rand(2, 4, 3)
    assert torch.equal(encoder.decode(values)["cheap"], values[..., 2])


def test_a_label_that_is_not_known_is_an_error_with_the_nearest() -> None:
    encoder = separated(frame(tags=["red|round", "red"]), separator="|")
    expected = (
        "data.targets.y: column 'tags', mail.csv, row 2: 'red|rond|flat' holds 'rond', which is none of "
        "the labels 'red', 'round'; likewise 'none' (mail.csv, row 3), 2 cells in all; did you mean 'round'? "
        "Or list it under labels."
    )
    assert error(encoder.encode, frame(tags=["red", "red|rond|flat", "none"])) == expected
    found = error(lambda: separated(frame(tags=["red", "green"]), labels=["red"]))
    assert found == (
        "data.targets.y: column 'tags', mail.csv, row 2: 'green' holds 'green', which is none of the "
        "labels 'red'; list it under labels."
    )


@pytest.mark.parametrize(
    ("cells", "options", "message"),
    [
        ([None, " "], {}, "every cell of column 'tags' is empty in the training rows."),
        (["none", ";"], {"none": "none"}, "column 'tags': no training row has a label."),
        (
            [";".join(f"l{index}" for index in range(100_001))],
            {},
            "column 'tags' has 100001 different labels in the training rows, more than 100000; "
            "is ';' what separates them?",
        ),
    ],
)
def test_columns_that_hardly_hold_labels(cells: list, options: dict, message: str) -> None:
    assert error(lambda: separated(frame(tags=cells), **options)) == f"data.targets.y: {message}"


def test_labels_that_memory_cannot_hold_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = frame(tags=["a;b", "c"])
    encoder = separated(rows)
    monkeypatch.setattr("mlx_runner.data.available_memory.available_bytes", lambda: 23)
    with pytest.raises(MachineError, match=r"multilabel of 2 rows and 3 labels takes 0.0 GB, more than"):
        encoder.encode(rows)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"columns": ["a"], "separator": "|"}, "separator is for one column of separated labels"),
        (
            {"column": "a", "labels": ["b"], "none": "b"},
            "'b' is a label, so it cannot mean that there is none",
        ),
    ],
)
def test_options_that_contradict_each_other(options: dict, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Multilabel(**options)


LABELS = st.text(st.characters(exclude_categories=["C", "Z"], exclude_characters=";"), min_size=1, max_size=3)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.one_of(st.none(), st.lists(LABELS, min_size=1, max_size=4)), min_size=1, max_size=8))
def test_kept_encoders_encode_the_same(rows: list[list[str] | None]) -> None:
    cells = [*(None if row is None else ";".join(row) for row in rows), "a"]
    column = Frame.of_file(pl.DataFrame({"tags": cells}), "f")
    encoder = separated(column)
    kept = load_encoder(json.loads(json.dumps(encoder.document(), allow_nan=False)))
    found, again = encoder.encode(column), kept.encode(column)
    assert torch.equal(found.values, again.values)
    for row, values in zip([*rows, ["a"]], found.values, strict=True):
        held = {label for label, value in zip(encoder.labels, values.tolist(), strict=True) if value}
        assert held == set(row or ())
    masks = [each.observed for each in (found, again)]
    assert masks[0] is None if masks[1] is None else torch.equal(masks[0], masks[1])


@settings(deadline=None, max_examples=40)
@given(st.lists(st.tuples(*[st.sampled_from([True, False, None])] * 2), min_size=1, max_size=8))
def test_kept_columns_of_labels_encode_the_same(rows: list[tuple[bool | None, bool | None]]) -> None:
    rows = [*rows, (True, False)]
    data = pl.DataFrame({"a": [row[0] for row in rows], "spam": [row[1] for row in rows]})
    typed = Frame.of_file(data, "f")
    written = Frame.of_file(data.cast(pl.String), "f")
    for encoder in (in_columns(typed), target(typed), fit_binary_input(Binary(column="a"), typed, name="x")):
        kept = load_encoder(json.loads(json.dumps(encoder.document(), allow_nan=False)))
        assert torch.equal(encoder.encode(typed).values, kept.encode(written).values)
        masks = [encoder.encode(typed).observed, kept.encode(written).observed]
        assert masks[0] is None if masks[1] is None else torch.equal(masks[0], masks[1])
