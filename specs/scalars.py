"""What plain text means in YAML 1.2 (core schema), where PyYAML alone would follow YAML 1.1."""

from __future__ import annotations

import re

NULL = re.compile(r"null|Null|NULL|~|")
BOOLEAN = re.compile(r"true|True|TRUE|false|False|FALSE")
INTEGER = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
FLOAT = re.compile(
    r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?"
    r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"
)

LONGEST_INTEGER = 300
"""Characters. Well inside the range of a 64-bit float, and reading stays linear in the text."""


def plain_scalar(text: str) -> bool | int | float | str | None:
    """The value of unquoted `text` by the tag resolution of YAML 1.2.2, section 10.3.2.

    Raises ValueError for an integer of more than `LONGEST_INTEGER` characters.
    """
    if NULL.fullmatch(text):
        return None
    if BOOLEAN.fullmatch(text):
        return text.lower() == "true"
    if INTEGER.fullmatch(text):
        return _integer(text)
    if FLOAT.fullmatch(text):
        return _float(text)
    return text


def _integer(text: str) -> int:
    if len(text) > LONGEST_INTEGER:
        raise ValueError(f"a whole number of {len(text)} characters is too long; at most {LONGEST_INTEGER}")
    # Only 0o and 0x name a base; `010` is ten, which int(text, 0) would refuse.
    return int(text, {"0o": 8, "0x": 16}.get(text[:2], 10))


def _float(text: str) -> float:
    return float(text.replace(".", "", 1) if text.lower().endswith(("inf", "nan")) else text)
