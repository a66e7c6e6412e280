"""Conditions on what a run says, such as `test/loss <= 0.1`: read from text, and tested on a value."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal, TypeAlias, cast

from ..specs.errors import ConfigError, quoted
from ..specs.scalars import BOOLEAN, FLOAT, INTEGER, NULL, plain_scalar

Operator = Literal["=", "!=", "<", "<=", ">", ">=", "~"]
Value: TypeAlias = "bool | int | float | str | None"

OPERATORS = "= != < <= > >= ~"

_OPERATOR = re.compile(r"==|!=|<=|>=|=|<|>|~")
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"|' + r"'(?:[^']|'')*'", re.DOTALL)
_SPECIAL = "\"'=!<>~"
"""What a key or value does not begin with unless it is quoted."""

_TIME = re.compile(
    r"(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}:\d{2})(:\d{2})?(\.\d{1,6})?)?(Z|[+-]\d{2}:?\d{2})?", re.ASCII
)


@dataclass(frozen=True)
class Condition:
    """`key operator value`. As text it is what `parse_condition` reads back equal."""

    key: str
    operator: Operator
    value: Value
    """As YAML has it: `0.1` is a number, `2024` too, `"2024"` text, `null` nothing."""
    text: str = field(compare=False)
    """The value as it is written, for what is text: a tag `2024` is text."""

    def __str__(self) -> str:
        return f"{_written(self.key)} {self.operator} {self._written_value()}"

    def holds(self, actual: object) -> bool:
        """Whether it is true of `actual`.

        Of a list one entry is enough, but `!=` must be true of all. What is not a finite number equals
        `null`, and is neither below nor above anything. A time (`datetime` with a zone) is compared with a
        day, a minute or a second, which lasts: `= 2026-11-01` is true all that day.
        """
        if isinstance(actual, list | tuple):
            entries = [self.holds(entry) for entry in cast("list[object]", actual)]
            return all(entries) if self.operator == "!=" else any(entries)
        if self.operator == "!=":
            return not self._equals(actual)
        if self.operator == "=":
            return self._equals(actual)
        if self.operator == "~":
            return isinstance(actual, str) and self.text in actual
        if isinstance(actual, datetime):
            return self._is_on_its_side(actual)
        return _is_number(actual) and not _is_nothing(actual) and self._is_ordered(actual)

    def can_hold(self, actual: object) -> bool:
        """Whether the operator and the kind of value have a meaning for what is of the kind of `actual`."""
        if isinstance(actual, list | tuple):
            entries = cast("list[object]", actual)
            return not entries or any(self.can_hold(entry) for entry in entries)
        if _is_nothing(actual):
            return True
        if isinstance(actual, str):
            return self.operator in ("=", "!=", "~")
        if isinstance(actual, datetime):
            return self.operator != "~" and (self.value is None or _span(self.text) is not None)
        if self.operator in ("=", "!=") and self.value is None:
            return True
        if isinstance(actual, bool):
            return self.operator in ("=", "!=") and isinstance(self.value, bool)
        return self.operator != "~" and _is_number(actual) and _is_number(self.value)

    def _equals(self, actual: object) -> bool:
        if isinstance(actual, str):
            return actual == self.text
        if isinstance(actual, datetime):
            span = _span(self.text)
            return span is not None and span[0] <= actual < span[1]
        if _is_nothing(actual):
            return self.value is None
        # True is no 1 here.
        return isinstance(actual, bool) == isinstance(self.value, bool) and actual == self.value

    def _is_ordered(self, actual: object) -> bool:
        if not _is_number(self.value):
            return False
        left, right = cast("float", actual), cast("float", self.value)
        if self.operator in ("<", "<="):
            return left < right or (self.operator == "<=" and left == right)
        return left > right or (self.operator == ">=" and left == right)

    def _is_on_its_side(self, actual: datetime) -> bool:
        span = _span(self.text)
        if span is None:
            return False
        begin, end = span
        if self.operator in ("<", "<="):
            return actual < (begin if self.operator == "<" else end)
        return actual >= (begin if self.operator == ">=" else end)

    def _written_value(self) -> str:
        if not isinstance(self.value, str):
            return self.text
        # Quoted where it would be read as something else.
        is_scalar = any(pattern.fullmatch(self.text) for pattern in (NULL, BOOLEAN, INTEGER, FLOAT))
        return json.dumps(self.text) if is_scalar or not _is_bare(self.text) else self.text


def parse_condition(text: str) -> Condition:
    """The condition that `text` writes: KEY OPERATOR VALUE, spaces or none between them.

    Keys and values may be quoted, `"..."` as in JSON or `'...'`; a value in quotes is text. `==` is `=`.
    Raises ConfigError for what is no condition.
    """
    key, rest = _key(text, text.strip())
    found = _OPERATOR.match(rest)
    if not key or found is None:
        raise _refusal(text, "it has no operator" if key else "it has no key")
    operator = "=" if found.group() == "==" else found.group()
    written = rest[found.end() :].strip()
    if not written:
        raise _refusal(text, 'it has no value; the empty text is "", and what is not there is null')
    value, written = _value(text, written)
    if operator == "~" and not isinstance(value, str):
        value = written
    if isinstance(value, float) and math.isnan(value):
        raise _refusal(text, "nothing compares with .nan; what is not a finite number equals null")
    return Condition(key, cast("Operator", operator), value, written)


def _key(text: str, stripped: str) -> tuple[str, str]:
    """The key, and what comes after it."""
    if stripped[:1] in ('"', "'"):
        found = _QUOTED.match(stripped)
        if found is None:
            raise _refusal(text, "a quote is not closed")
        return _unquoted(text, found.group()), stripped[found.end() :].lstrip()
    found = _OPERATOR.search(stripped)
    start = len(stripped) if found is None else found.start()
    return stripped[:start].rstrip(), stripped[start:]


def _value(text: str, written: str) -> tuple[Value, str]:
    """The value, and its text without quotes."""
    if written[0] in ('"', "'"):
        if _QUOTED.fullmatch(written) is None:
            raise _refusal(text, "its value must end with the quote that it begins with")
        unquoted = _unquoted(text, written)
        return unquoted, unquoted
    if written[0] in _SPECIAL:
        raise _refusal(text, "put a value that begins like an operator in quotes")
    try:
        return plain_scalar(written), written
    except ValueError as error:
        raise _refusal(text, str(error)) from error


def _unquoted(text: str, written: str) -> str:
    if written[0] == "'":
        return written[1:-1].replace("''", "'")
    try:
        return cast("str", json.loads(written, strict=False))
    except ValueError as error:
        raise _refusal(text, "in double quotes a backslash begins an escape of JSON") from error


def _refusal(text: str, reason: str) -> ConfigError:
    return ConfigError(
        f"{quoted(text)} is no condition: {reason}. Write KEY OPERATOR VALUE, such as 'test/loss <= 0.1'; "
        f"operators: {OPERATORS} (contains)."
    )


def _written(key: str) -> str:
    return key if _is_bare(key) and _OPERATOR.search(key) is None else json.dumps(key)


def _is_bare(text: str) -> bool:
    return bool(text) and text == text.strip() and text[0] not in _SPECIAL


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_nothing(value: object) -> bool:
    return value is None or (isinstance(value, float) and not math.isfinite(value))


def _span(text: str) -> tuple[datetime, datetime] | None:
    """When the time that `text` names begins, and when it is over; in local time without a zone."""
    found = _TIME.fullmatch(text)
    if found is None:
        return None
    _, minutes, seconds, fraction, _ = found.groups()
    if fraction:
        length = timedelta(microseconds=1)
    elif seconds:
        length = timedelta(seconds=1)
    else:
        length = timedelta(minutes=1) if minutes else timedelta(days=1)
    try:
        begin = datetime.fromisoformat(text)
        return begin.astimezone(), (begin + length).astimezone()
    except (ValueError, OverflowError, OSError):
        return None
