"""Conditions are read back as they are written, and are true of what they say."""

from __future__ import annotations

import json
import math
from datetime import datetime, timedelta

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from mlx_runner.records.conditions import Condition, parse_condition
from mlx_runner.specs.errors import ConfigError

OPERATORS = ("=", "!=", "<", "<=", ">", ">=", "~")

numbers = st.integers(-(10**290), 10**290) | st.floats(allow_nan=False, allow_infinity=False)
texts = st.text(min_size=1) | st.sampled_from(
    ["null", "2024", "1" * 400, "true", ".nan", "=", "'", '"a', " a "]
)


def _holds(text: str, actual: object) -> bool:
    return parse_condition(text).holds(actual)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("status=finished", ("status", "=", "finished")),
        ("name~headline", ("name", "~", "headline")),
        ("seed>=3", ("seed", ">=", 3)),
        ("started>=2026-11-01", ("started", ">=", "2026-11-01")),
        ("  test/digits/f1_macro  >=  0.9 ", ("test/digits/f1_macro", ">=", 0.9)),
        ("test/loss <= 1e-3", ("test/loss", "<=", 0.001)),
        ("config.optimizer.learning_rate==0.001", ("config.optimizer.learning_rate", "=", 0.001)),
        ("config.training.shuffle != true", ("config.training.shuffle", "!=", True)),
        ("config.optimizer.clip=null", ("config.optimizer.clip", "=", None)),
        ("test/loss < .inf", ("test/loss", "<", math.inf)),
        ("tag='2024'", ("tag", "=", "2024")),
        ('tag = "it\'s\\n"', ("tag", "=", "it's\n")),
        ("tag='it''s'", ("tag", "=", "it's")),
        ("name ~ 7", ("name", "~", "7")),
        (
            '"config.losses.income.class_weight.<=50K" > 2',
            ("config.losses.income.class_weight.<=50K", ">", 2),
        ),
        ("tag = a b = c", ("tag", "=", "a b = c")),
    ],
)
def test_reading(text: str, parts: tuple[str, str, object]) -> None:
    condition = parse_condition(text)
    assert (condition.key, condition.operator, condition.value) == parts
    assert type(condition.value) is type(parts[2])


@given(key=texts, operator=st.sampled_from(OPERATORS), value=numbers | texts | st.booleans() | st.none())
@example(key="<=50K", operator="<", value="=b")
@example(key="a b", operator="~", value="\\")
@example(key="a!", operator="=", value="!")
def test_what_is_written_is_read_back_equal(key: str, operator: str, value: object) -> None:
    assume(not (operator == "~" and not isinstance(value, str)))
    text = value if isinstance(value, str) else json.dumps(value)
    condition = Condition(key, operator, value, text)  # type: ignore[arg-type]
    again = parse_condition(str(condition))
    assert again == condition
    assert (type(again.value), again.text, str(again)) == (type(value), text, str(condition))


@given(st.text())
def test_any_text_is_a_condition_or_refused(text: str) -> None:
    try:
        condition = parse_condition(text)
    except ConfigError as error:
        assert "is no condition: " in str(error)
        assert str(error).endswith("operators: = != < <= > >= ~ (contains).")
        assert "\n" not in str(error)
    else:
        assert parse_condition(str(condition)) == condition


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("finished", "it has no operator"),
        ("", "it has no key"),
        ("=3", "it has no key"),
        ("seed>", 'it has no value; the empty text is "", and what is not there is null'),
        ("seed => 3", "put a value that begins like an operator in quotes"),
        ("seed =! 3", "put a value that begins like an operator in quotes"),
        ("name='a", "its value must end with the quote that it begins with"),
        ("'name=a", "a quote is not closed"),
        ('name="\\x1b"', "in double quotes a backslash begins an escape of JSON"),
        ("test/loss = .nan", "nothing compares with .nan; what is not a finite number equals null"),
        ("'name' a", "it has no operator"),
        (f"seed={'1' * 301}", "a whole number of 301 characters is too long; at most 300"),
    ],
)
def test_refusals(text: str, reason: str) -> None:
    with pytest.raises(ConfigError) as refused:
        parse_condition(text)
    message = str(refused.value)
    assert f" is no condition: {reason}. Write KEY OPERATOR VALUE, such as 'test/loss <= 0.1';" in message


@given(left=numbers, right=numbers)
def test_numbers_are_compared_as_numbers(left: float, right: float) -> None:
    held = {operator: _holds(f"k {operator} {right!r}", left) for operator in OPERATORS[:6]}
    assert held == {
        "=": left == right, "!=": left != right, "<": left < right,
        "<=": left <= right, ">": left > right, ">=": left >= right,
    }  # fmt: skip


@pytest.mark.parametrize("actual", [None, math.nan, math.inf, -math.inf])
def test_what_is_no_finite_number_is_on_no_side(actual: object) -> None:
    assert [operator for operator in OPERATORS if _holds(f"k {operator} 0.1", actual)] == ["!="]
    assert _holds("k = null", actual)
    assert not _holds("k != null", actual)


def test_kinds_are_kept_apart() -> None:
    assert not _holds("k = 1", True)
    assert not _holds("k = true", 1)
    assert _holds("k = true", True)
    assert _holds("k != 1", True)
    assert not _holds("k < 2", True)
    assert not _holds("k < b", "a")
    assert not _holds("k < b", 1)
    assert not _holds("k = 1", "x")
    assert _holds("k = 2024", "2024"), "a text that looks like a number is written without quotes"
    assert _holds("k = 1", 1.0)
    assert _holds("k > 1", 10**400)
    assert not _holds("k = {}", {})


def test_texts() -> None:
    assert _holds("k ~ line", "headline")
    assert not _holds("k ~ Line", "headline")
    assert _holds('k = ""', "")
    assert _holds("k = null", "null")
    assert not _holds("k ~ 1", 1)


def test_of_a_list_one_entry_is_enough_but_not_for_difference() -> None:
    assert _holds("tag = a", ["b", "a"])
    assert not _holds("tag = a", [])
    assert not _holds("tag != a", ["b", "a"])
    assert _holds("tag != a", [])
    assert _holds("k > 2", (1, 3))


def _local(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone()


@pytest.mark.parametrize(
    ("condition", "true_at", "false_at"),
    [
        ("= 2026-11-01", "2026-11-01T23:59:59.999", "2026-11-02T00:00"),
        ("!= 2026-11-01", "2026-11-02T00:00", "2026-11-01T00:00"),
        ("< 2026-11-01", "2026-10-31T23:59:59", "2026-11-01T00:00"),
        ("<= 2026-11-01", "2026-11-01T23:59:59", "2026-11-02T00:00"),
        ("> 2026-11-01", "2026-11-02T00:00", "2026-11-01T23:59:59"),
        (">= 2026-11-01", "2026-11-01T00:00", "2026-10-31T23:59:59"),
        ("= 2026-11-01T10:30", "2026-11-01T10:30:59", "2026-11-01T10:31"),
        ("= '2026-11-01 10:30:05'", "2026-11-01T10:30:05.500", "2026-11-01T10:30:06"),
        (">= 2026-11-01T10:00:00Z", "2026-11-01T11:00+01:00", "2026-11-01T10:59:59+01:00"),
        ("= 2026-11-01T10:00:00.250", "2026-11-01T10:00:00.250", "2026-11-01T10:00:00.251"),
    ],
)
def test_times_last_as_long_as_they_are_written(condition: str, true_at: str, false_at: str) -> None:
    assert _holds(f"started {condition}", _local(true_at))
    assert not _holds(f"started {condition}", _local(false_at))


@given(st.datetimes(datetime(1980, 1, 1), datetime(2030, 1, 1)), st.timedeltas(timedelta(-9), timedelta(9)))
def test_a_time_is_before_in_or_after_a_day(day: datetime, away: timedelta) -> None:
    actual = (day + away).astimezone()
    held = [operator for operator in "<=>" if _holds(f"started {operator} {day:%Y-%m-%d}", actual)]
    assert len(held) == 1
    assert _holds(f"started <= {day:%Y-%m-%d}", actual) == (held[0] in "<=")


def test_a_time_needs_a_time() -> None:
    now = datetime.now().astimezone()
    for value in ("yesterday", "2026", "2026-13-01", "9999-12-31", "2026-11-01T25:00", "0001-01-01"):
        condition = parse_condition(f"started = {value}")
        assert not condition.holds(now)
    assert not parse_condition("started = yesterday").can_hold(now)
    assert not parse_condition("started ~ 2026").can_hold(now)
    assert parse_condition("started = 2026-11-01").can_hold(now)


def test_what_can_hold() -> None:
    def can(text: str, actual: object) -> bool:
        return parse_condition(text).can_hold(actual)

    assert can("k < 1", 0.5) and can("k = null", 0.5) and can("k < 1", None) and can("k < 1", math.nan)
    assert not can("k < ten", 0.5)
    assert not can("k = ten", 0.5)
    assert not can("k ~ 1", 0.5)
    assert can("k = 1", "a") and can("k ~ 1", "a")
    assert not can("k < 1", "a")
    assert can("k = true", True)
    assert not can("k = 1", True)
    assert can("k = a", []) and can("k = a", [1, "b"])
    assert not can("k < 1", ["a"])
    assert not can("k = a", {})
