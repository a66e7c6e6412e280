"""Which rows are for what: every row once, as the config says, the same for the same `data.seed`."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlx_runner.data.frame import Frame
from mlx_runner.data.frame_splits import split_frame
from mlx_runner.data.group_split import draw_groups
from mlx_runner.data.row_splits import RowSplits, resolve_fractions, split_rows
from mlx_runner.data.splits import floor_of
from mlx_runner.data.stratify import LabelEntries, stratify
from mlx_runner.specs.errors import ConfigError, DataError
from mlx_runner.specs.files import TableFiles


def table(**options: object) -> TableFiles:
    """A config's table with targets of each type."""
    some = {
        "path": "x.csv",
        "inputs": {"a": {"type": "text", "column": "a"}},
        "targets": {
            "kind": {"type": "categorical", "column": "kind"},
            "tags": {"type": "multilabel", "columns": ["t*"]},
            "price": {"type": "regression", "columns": ["price"]},
        },
    }
    return TableFiles.model_validate({**some, **options})


FRACTIONS = st.sampled_from([(0.0, 0.0), (0.1, 0.0), (0.2, 0.3), (0.25, 0.25), (0.0, 0.5)])


def check(rows: RowSplits, num_rows: int) -> None:
    """Every row once, in the order of the table."""
    assert sorted(np.concatenate(rows).tolist()) == list(range(num_rows))
    for split in rows:
        assert split.dtype == np.int64
        assert (np.diff(split) > 0).all()


@given(st.integers(1, 60), FRACTIONS, st.integers(0, 2**32 - 1), st.sampled_from(["random", "last"]))
def test_rows_are_drawn_by_the_rule_of_sizes(
    num_rows: int, fractions: tuple[float, float], seed: int, kind: str
) -> None:
    validation, test = fractions
    spec = table(seed=seed, validation_split=validation, test_split=test, split={"type": kind})
    rows = split_rows(spec, num_rows)
    check(rows, num_rows)
    assert len(rows.validation) == floor_of(num_rows, validation)
    assert len(rows.test) == floor_of(num_rows, test)
    assert all(map(np.array_equal, rows, split_rows(spec, num_rows)))
    if kind == "last":
        assert np.concatenate(rows).tolist() == list(range(num_rows))


@pytest.mark.parametrize("kind", ["random", "group", "stratified"])
def test_another_seed_is_another_split(kind: str) -> None:
    split = {"type": kind, "column": "g"} if kind == "group" else {"type": kind}
    values = [str(row // 3) for row in range(300)]
    labels = LabelEntries.of_classes(np.arange(300) % 4)
    one, same, other = (
        split_rows(table(seed=seed, split=split, test_split=0.2), 300, values=values, labels=labels)
        for seed in (1, 1, 2)
    )
    assert all(map(np.array_equal, one, same))
    assert not np.array_equal(one.test, other.test)


def test_a_random_split_stays_what_it_is() -> None:
    rows = split_rows(table(seed=7, validation_split=0.2, test_split=0.2), 10)
    assert [split.tolist() for split in rows] == [[0, 1, 2, 5, 8, 9], [3, 7], [4, 6]]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"test_path": "t.csv", "test_split": 0.1},
            "data.test_split: has no effect beside test_path; leave out one of the two.",
        ),
        (
            {"validation_path": "v.csv", "validation_split": 0.2},
            "data.validation_split: has no effect beside validation_path; leave out one of the two.",
        ),
        (
            {"split": {"type": "column", "column": "c"}, "validation_split": 0.2, "test_split": 0.1},
            "data.validation_split: has no effect beside split: {type: column}; leave out one of the two.\n"
            "data.test_split: has no effect beside split: {type: column}; leave out one of the two.",
        ),
        (
            {"split": {"type": "column", "column": "c", "test": ["x", "train"]}, "test_path": "t.csv"},
            "data.split.test: 'train' marks the rows for train too; name it once.\n"
            "data.split.test: has no effect beside test_path; leave out one of the two.",
        ),
    ],
)
def test_what_would_have_no_effect_is_an_error(options: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        resolve_fractions(table(**options))
    assert str(caught.value) == message


def test_files_of_their_own_take_the_place_of_fractions() -> None:
    assert resolve_fractions(table()) == (0.1, 0.0)
    assert resolve_fractions(table(validation_path="v.csv", test_split=0.2)) == (0.0, 0.2)
    assert resolve_fractions(table(test_path="t.csv", validation_split=0.2)) == (0.2, 0.0)
    assert resolve_fractions(table(split={"type": "column", "column": "c"})) == (0.0, 0.0)


def test_no_row_left_to_train_on_is_an_error() -> None:
    with pytest.raises(ConfigError) as caught:
        split_rows(table(validation_split=0.5, test_split=0.5), 4)
    assert "none is left to train on" in str(caught.value)


BY_COLUMN = {"type": "column", "column": "part", "validation": "dev", "test": ["test", "held-out"]}


def test_a_column_says_the_split_of_each_row() -> None:
    values = ["train", "dev", "held-out", "train", "test"]
    rows = split_rows(table(split=BY_COLUMN), 5, values=values)
    assert [split.tolist() for split in rows] == [[0, 3], [1], [2, 4]]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            ["train", "dev", "valid", "test"],
            "data.split: x.csv, row 3: column 'part' is 'valid', which marks no split (train: 'train', "
            "validation: 'dev', test: 'test' or 'held-out').",
        ),
        (
            ["train", "dev", None, "test"],
            "data.split: x.csv, row 3: column 'part' is empty, which marks no split (train: 'train', "
            "validation: 'dev', test: 'test' or 'held-out').",
        ),
        (["dev", "test"], "data.split.train: no row of column 'part' is 'train'."),
        (["train", "dev"], "data.split.test: no row of column 'part' is 'test' or 'held-out'."),
    ],
)
def test_a_column_that_says_something_else_is_an_error(values: list[str | None], message: str) -> None:
    with pytest.raises(DataError) as caught:
        split_rows(
            table(split=BY_COLUMN), len(values), values=values, where=lambda row: f"x.csv, row {row + 1}"
        )
    assert str(caught.value) == message


@given(st.lists(st.integers(0, 12), min_size=3, max_size=80), FRACTIONS, st.integers(0, 99))
def test_no_group_is_on_two_sides(groups: list[int], fractions: tuple[float, float], seed: int) -> None:
    validation, test = fractions
    split = {"type": "group", "column": "g"}
    spec = table(seed=seed, validation_split=validation, test_split=test, split=split)
    needed = 1 + (floor_of(len(groups), validation) > 0) + (floor_of(len(groups), test) > 0)
    values = [str(group) for group in groups]
    if len(set(groups)) < needed:
        with pytest.raises(DataError, match=f"where each of {needed} splits needs one"):
            split_rows(spec, len(groups), values=values)
        return
    rows = split_rows(spec, len(groups), values=values)
    check(rows, len(groups))
    sides = [{groups[row] for row in split} for split in rows]
    assert sum(map(len, sides)) == len(set(groups))
    assert len(rows.train) > 0
    assert (len(rows.validation) > 0) == (floor_of(len(groups), validation) > 0)
    assert (len(rows.test) > 0) == (floor_of(len(groups), test) > 0)


@given(st.lists(st.integers(1, 40), min_size=2, max_size=10), st.integers(1, 60), st.integers(0, 99))
def test_groups_come_as_near_as_any_choice_of_them(sizes: list[int], target: int, seed: int) -> None:
    """Compared with all choices that leave a group to the rest."""
    parts = draw_groups(np.array(sizes), (target,), np.random.RandomState(seed))
    found = sum(size for size, part in zip(sizes, parts, strict=True) if part == 0)
    choices = (
        sum(size for place, size in enumerate(sizes) if choice >> place & 1)
        for choice in range(1, 2 ** len(sizes) - 1)
    )
    assert abs(found - target) == min(abs(total - target) for total in choices)


def test_many_groups_give_the_very_sizes_in_no_time() -> None:
    sizes = np.random.RandomState(0).geometric(0.1, size=100_000)
    num_rows = int(sizes.sum())
    start = time.perf_counter()
    parts = draw_groups(sizes, (num_rows // 10, num_rows // 5), np.random.RandomState(0))
    assert time.perf_counter() - start < 5.0
    assert [sizes[parts == part].sum() for part in (0, 1)] == [num_rows // 10, num_rows // 5]


def test_an_empty_group_is_an_error() -> None:
    with pytest.raises(DataError) as caught:
        split_rows(table(split={"type": "group", "column": "g"}), 3, values=["a", None, "b"])
    assert str(caught.value) == "data.split.column: row 2: column 'g' is empty; every row needs a group."


def rates(labels: np.ndarray, parts: Sequence[np.ndarray]) -> np.ndarray:
    """By part and label, how many rows more than its share the part has of the label."""
    return np.stack([labels[part].sum(0) - labels.sum(0) * len(part) / len(labels) for part in parts])


@given(st.lists(st.integers(0, 4), min_size=5, max_size=120), FRACTIONS, st.integers(0, 99))
def test_classes_are_as_even_as_whole_rows_can_be(
    classes: list[int], fractions: tuple[float, float], seed: int
) -> None:
    validation, test = fractions
    spec = table(
        seed=seed,
        validation_split=validation,
        test_split=test,
        split={"type": "stratified", "target": "kind"},
    )
    rows = split_rows(spec, len(classes), labels=LabelEntries.of_classes(np.array(classes)))
    check(rows, len(classes))
    assert len(rows.validation) == floor_of(len(classes), validation)
    assert len(rows.test) == floor_of(len(classes), test)
    one_hot = np.eye(5)[classes]
    # The last of five classes takes what room the others have left: an unit each is how far they can be off.
    assert np.abs(rates(one_hot, rows)).max() <= 5


def test_several_labels_are_far_more_even_than_by_chance() -> None:
    """Twenty labels from rare to frequent, that come together; 100,000 rows in seconds."""
    stream = np.random.RandomState(0)
    strength = stream.standard_normal((100_000, 1))
    labels = strength + stream.standard_normal((100_000, 20)) > np.linspace(0.5, 4.5, 20)
    sizes = (70_000, 10_000, 20_000)
    start = time.perf_counter()
    parts = stratify(LabelEntries.of_binary(labels), sizes, np.random.RandomState(1))
    assert time.perf_counter() - start < 10.0
    assert np.bincount(parts).tolist() == list(sizes)
    drawn = np.random.RandomState(2).permutation(parts)
    even, by_chance = (
        np.abs(rates(labels, [np.flatnonzero(each == part) for part in range(3)])) for each in (parts, drawn)
    )
    assert even.max() <= 2.0
    assert even.mean() * 20 < by_chance.mean()


@given(
    st.integers(1, 4).flatmap(
        lambda width: st.lists(
            st.lists(st.sampled_from([0.0, 1.0, np.nan]), min_size=width, max_size=width),
            min_size=4,
            max_size=60,
        )
    ),
    st.integers(0, 99),
)
def test_any_labels_fill_the_sizes(labels: list[list[float]], seed: int) -> None:
    """Rows without labels, rare ones and missing ones, which count as absent."""
    values = np.array(labels, dtype=np.float32)
    sizes = (len(labels) - 3, 1, 2)
    entries = LabelEntries.of_binary(values)
    parts = stratify(entries, sizes, np.random.RandomState(seed))
    assert np.bincount(parts, minlength=3).tolist() == list(sizes)
    filled = LabelEntries.of_binary(np.nan_to_num(values))
    np.testing.assert_array_equal(parts, stratify(filled, sizes, np.random.RandomState(seed)))


def frame_of(num_rows: int) -> Frame:
    stream = np.random.RandomState(0)
    data = {
        "part": ["train"] * (num_rows - 2) + ["dev", "test"],
        "kind": [["red", "green", None][row % 3] for row in range(num_rows)],
        "t1": stream.choice(["0", "1", None], num_rows).tolist(),
        "t2": stream.choice(["no", "yes"], num_rows, p=[0.95, 0.05]).tolist(),
    }
    return Frame.of_file(pl.DataFrame(data, schema=dict.fromkeys(data, pl.String)), "x.csv")


COLUMNS = {"kind": ("kind",), "tags": ("t1", "t2"), "price": ("price",)}


def test_a_table_is_split_by_its_own_columns() -> None:
    frame = frame_of(400)
    rows = split_frame(table(split=BY_COLUMN), frame, COLUMNS)
    assert [len(split) for split in rows] == [398, 1, 1]
    spec = table(split={"type": "stratified", "target": "tags"}, test_split=0.25, validation_split=0.25)
    rows = split_frame(spec, frame, COLUMNS)
    check(rows, 400)
    labels = np.stack([frame.data["t1"].eq_missing("1").to_numpy(), frame.data["t2"] == "yes"], axis=1)
    assert np.abs(rates(labels, rows)).max() <= 2.0
    spec = table(split={"type": "stratified", "target": "kind"}, validation_split=0.25)
    rows = split_frame(spec, frame, COLUMNS)
    red = [frame.take(split).data["kind"].eq_missing("red").sum() for split in rows]
    assert red in ([100, 34, 0], [101, 33, 0]), "a quarter of 134"


@pytest.mark.parametrize(
    ("split", "targets", "message"),
    [
        ({}, None, "data.split.target: name the target to stratify by. Targets: kind, tags."),
        (
            {"target": "price"},
            None,
            "data.split.target: target 'price' has no labels or classes to stratify by. Targets that have: "
            "kind, tags.",
        ),
        (
            {"target": "tag"},
            None,
            "data.split.target: no target named 'tag'; did you mean 'tags'? Targets: kind, tags.",
        ),
        (
            {},
            {"price": {"type": "regression", "columns": ["price"]}},
            "data.split.target: no target has labels or classes to stratify by; use another split.",
        ),
    ],
)
def test_the_target_to_stratify_by_has_labels(
    split: dict[str, object], targets: dict[str, object] | None, message: str
) -> None:
    options = {} if targets is None else {"targets": targets}
    with pytest.raises(ConfigError) as caught:
        split_frame(table(split={"type": "stratified", **split}, **options), frame_of(9), COLUMNS)
    assert str(caught.value) == message
