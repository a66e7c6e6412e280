"""How a value from a YAML is named to its writer: in YAML's words, short, on one line."""

from __future__ import annotations

import math
from collections.abc import Sequence

from .errors import quoted

_LONGEST_NUMBER = 60

_KINDS: tuple[tuple[type, str], ...] = (
    (bool, "true or false"),  # before int, which it is a kind of
    (int, "a whole number"),
    (float, "a number"),
    (str, "text"),
    (list, "a list"),
    (tuple, "a list"),
    (dict, "a mapping"),
)


def described(value: object) -> str:
    """What was given, for `must be text, not ...`: `the text 'abc'`, `the whole number 5`, `a list`."""
    if isinstance(value, bool):
        return number_text(value)
    if isinstance(value, str):
        return f"the text {quoted(value)}"
    if isinstance(value, int | float):
        return f"the {'whole ' if isinstance(value, int) else ''}number {number_text(value)}"
    return kind_of(value)


def kind_of(value: object) -> str:
    """What kind of value it is: `text`, `a list`, `a whole number`, `nothing`."""
    if value is None:
        return "nothing"
    return next((name for kind, name in _KINDS if isinstance(value, kind)), f"a {type(value).__name__}")


def number_text(value: object) -> str:
    """A number as YAML writes it, whole ones without a point: `0.0` is `0`, infinity is `.inf`."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        if math.isnan(value):
            return ".nan"
        if math.isinf(value):
            return ".inf" if value > 0 else "-.inf"
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    text = str(value)
    return text if len(text) <= _LONGEST_NUMBER else text[: _LONGEST_NUMBER - 3] + "..."


def either(phrases: Sequence[str]) -> str:
    """`a`, `a or b`, `a, b or c`."""
    *most, last = phrases
    return f"{', '.join(most)} or {last}" if most else last
