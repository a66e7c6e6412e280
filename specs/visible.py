"""Text from strangers made harmless to look at: what is no visible character becomes an escape."""

from __future__ import annotations

import re

_UNUSUAL = re.compile(r"[^\x20-\x7e]")


def visible(text: str) -> str:
    """`text` on one line, whatever is no visible character written as an escape: `\\x1b`, `\\n`, `\\u202e`.

    These are what `str.isprintable` is false for: control codes, line ends, marks that turn the direction
    of writing or take no room, halves of surrogate pairs (bytes of a file name that are no text). Letters
    of every script stay.
    """
    return text if text.isprintable() else _UNUSUAL.sub(_escaped, text)


def _escaped(match: re.Match[str]) -> str:
    character = match.group()
    return character if character.isprintable() else repr(character)[1:-1]
