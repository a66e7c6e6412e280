"""Owns how a draft is written down: text that YAML reads back as it is, entries, comments, and names."""

from __future__ import annotations

import re
import textwrap
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ..specs.scalars import plain_scalar
from ..specs.visible import visible

WIDTH = 110

Single = str | bool | int | float
Value = Single | Sequence[Single] | Mapping[str, Single]

# Narrower than YAML: what may stand bare must not depend on where it stands.
_PLAIN = re.compile(r"(?:\.{0,2}/)?[A-Za-z_][A-Za-z0-9_./-]*(?: [A-Za-z0-9_./-]+)*")
_TRUE_OR_FALSE_IN_YAML_1_1 = {"yes", "no", "on", "off"}
_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\0": "\\0"}

_LONGEST_NAME = 40


def scalar(value: Single) -> str:
    """A value as YAML writes it: text in double quotes wherever it could be read as anything else."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str):
        return repr(value)
    if (
        _PLAIN.fullmatch(value)
        and plain_scalar(value) == value
        and value.lower() not in _TRUE_OR_FALSE_IN_YAML_1_1
    ):
        return value
    return '"' + "".join(_escaped(character) for character in value) + '"'


def entry(key: str, value: Value, *, indent: int, pad: int = 0) -> list[str]:
    """The lines of `key: value`; a list or a mapping too long for one line goes on in the next.

    `pad` is the width that keys take, their colon included, so that values stand below each other.
    """
    head = f"{' ' * indent}{f'{key}:'.ljust(pad)} "
    if isinstance(value, str | bool | int | float):
        return [head + scalar(value)]
    opening, closing, items = _parts(value)
    line = head + opening + ", ".join(items) + closing
    return [line] if len(line) <= WIDTH else _wrapped(head + opening, items, closing, indent=indent + 2)


def section(key: str, fields: Mapping[str, Value], *, indent: int, pad: int = 0) -> list[str]:
    """The lines of a mapping under `key`: in one line if it fits, else with a line for each field."""
    inner = ", ".join(f"{name}: {_flow(value)}" for name, value in fields.items())
    line = f"{' ' * indent}{f'{key}:'.ljust(pad)} {{{inner}}}"
    if len(line) <= WIDTH:
        return [line]
    lines = [f"{' ' * indent}{key}:"]
    for name, value in fields.items():
        lines += entry(name, value, indent=indent + 2)
    return lines


def comment(text: str, *, indent: int) -> list[str]:
    """A comment of as many lines as it takes; no name in it can end it."""
    start = " " * indent + "# "
    return textwrap.wrap(
        visible(text),
        WIDTH,
        initial_indent=start,
        subsequent_indent=start,
        break_long_words=False,
        break_on_hyphens=False,
    )


def number(value: float) -> str:
    """A number as a sentence shows it: whole ones in full, others by six digits."""
    return f"{value:,.0f}" if value == int(value) and abs(value) < 1e15 else f"{value:,.6g}"


@dataclass
class Namer:
    """Names for the joints of a config, each given once whatever the columns are called."""

    taken: set[str] = field(default_factory=set[str])

    def name(self, text: str, *, otherwise: str) -> str:
        """A name that resembles `text`, or `otherwise` where nothing of it can be kept."""
        plain = unicodedata.normalize("NFKD", text.replace("ß", "ss")).encode("ascii", "ignore").decode()
        plain = re.sub(r"[^A-Za-z0-9_]+", "_", plain).strip("_")[:_LONGEST_NAME].rstrip("_") or otherwise
        if scalar(plain) != plain:  # a number, or a word such as `yes` or `null`
            plain = f"column_{plain}"
        name, number = plain, 1
        while name in self.taken:
            number += 1
            name = f"{plain}_{number}"
        self.taken.add(name)
        return name


def _escaped(character: str) -> str:
    if character in _ESCAPES:
        return _ESCAPES[character]
    # Some that print are not allowed in YAML, and all that do not print are better seen.
    if character.isprintable() and character not in "\ufeff\ufffe\uffff":
        return character
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _flow(value: Value) -> str:
    if isinstance(value, str | bool | int | float):
        return scalar(value)
    opening, closing, items = _parts(value)
    return opening + ", ".join(items) + closing


def _parts(value: Sequence[Single] | Mapping[str, Single]) -> tuple[str, str, list[str]]:
    if isinstance(value, Mapping):
        return "{", "}", [f"{key}: {scalar(each)}" for key, each in value.items()]
    return "[", "]", [scalar(each) for each in value]


def _wrapped(start: str, items: Sequence[str], closing: str, *, indent: int) -> list[str]:
    lines, line = list[str](), start
    for index, item in enumerate(items):
        piece = item + (", " if index < len(items) - 1 else closing)
        if len(line) + len(piece.rstrip()) > WIDTH and line.strip():
            lines.append(line.rstrip())
            line = " " * indent
        line += piece
    return [*lines, line]
