"""Names and patterns of columns: which they mean, and the exact message where they mean nothing."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlx_runner.data.column_names import match_columns, require_columns, unknown_column
from mlx_runner.specs.errors import DataError

TABLE = ("id", "mfcc_0", "mfcc_1", "rolloff", "happy", "sad", "mfcc_happy")


@pytest.mark.parametrize(
    ("patterns", "exclude", "expected"),
    [
        (("sad", "id"), None, ("id", "sad")),
        (("mfcc_*",), None, ("mfcc_0", "mfcc_1", "mfcc_happy")),
        (("*",), ("happy", "sad", "id"), ("mfcc_0", "mfcc_1", "rolloff", "mfcc_happy")),
        (("*",), ("*happy", "id"), ("mfcc_0", "mfcc_1", "rolloff", "sad")),
        (("m*c*_*",), ("*_happy",), ("mfcc_0", "mfcc_1")),
        (("*ol*of*", "mfcc_0"), None, ("mfcc_0", "rolloff")),
    ],
)
def test_columns_come_in_the_order_of_the_table(
    patterns: tuple[str, ...], exclude: tuple[str, ...] | None, expected: tuple[str, ...]
) -> None:
    assert match_columns(patterns, exclude, TABLE) == expected


def test_a_column_of_that_very_name_goes_before_a_pattern() -> None:
    assert match_columns(("a*",), None, ("ab", "a*", "ac")) == ("a*",)


def test_all_that_is_wrong_is_said_at_once_and_where() -> None:
    with pytest.raises(DataError) as caught:
        match_columns(("hapy", "x_*", "sad"), ("roloff", "id"), TABLE, path=("data", "targets", "mood"))
    listing = "Columns: id, mfcc_0, mfcc_1, rolloff, happy, sad, mfcc_happy."
    assert str(caught.value).splitlines() == [
        f"data.targets.mood.columns: no column named 'hapy'; did you mean 'happy'? {listing}",
        f"data.targets.mood.columns: no column matches 'x_*'. {listing}",
        f"data.targets.mood.exclude: no column named 'roloff'; did you mean 'rolloff'? {listing}",
        "data.targets.mood.exclude: 'id' leaves nothing out: no column of that name is chosen; remove it.",
    ]


def test_excluding_everything_is_an_error() -> None:
    with pytest.raises(DataError) as caught:
        match_columns(("mfcc_*",), ("m*",), TABLE, path=("x",))
    assert str(caught.value) == "x.exclude: leaves out every column that is chosen."


def test_of_many_columns_thirty_are_listed() -> None:
    message = unknown_column("q", [f"c{i}" for i in range(1000)])
    assert message.startswith("no column named 'q'. Columns: c0, c1, ")
    assert message.endswith("c29 and 970 more.")


def test_names_that_cannot_be_seen_are_quoted() -> None:
    assert unknown_column("q", ["", "a\nb"]) == "no column named 'q'. Columns: '', 'a\\nb'."


def test_missing_columns_are_named_with_their_file() -> None:
    require_columns(["sad"], TABLE, file="a.csv")
    with pytest.raises(DataError) as caught:
        require_columns(["sda", "sad", "sda"], TABLE, file="a.csv", hint=" Look.")
    (problem,) = caught.value.problems
    assert problem.file == "a.csv"
    assert problem.message.startswith("no column named 'sda'; did you mean 'sad'? Columns: id, ")
    assert problem.message.endswith(". Look.")


@given(st.text("ab*", max_size=8), st.lists(st.text("ab", max_size=8), unique=True, max_size=12))
def test_a_star_is_any_text(pattern: str, available: list[str]) -> None:
    expression = re.compile(".*".join(map(re.escape, pattern.split("*"))))
    expected = tuple(name for name in available if expression.fullmatch(name))
    if expected:
        assert match_columns((pattern,), None, available) == expected
    else:
        with pytest.raises(DataError):
            match_columns((pattern,), None, available)


def test_many_stars_take_no_time() -> None:
    start = time.perf_counter()
    with pytest.raises(DataError):
        match_columns(("*a" * 40 + "*b",), None, ["a" * 10_000 + "c"])
    assert time.perf_counter() - start < 1.0
