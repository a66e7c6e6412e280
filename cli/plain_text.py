"""Text from configs, data and file names as a terminal may show it: nothing in it moves, colors or hides."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    # At run time only tables need it.
    from rich.console import Console
    from rich.text import Text

_UNUSUAL = re.compile(r"[^\x20-\x7e]")


def plain(text: str) -> str:
    """`text` on one line, whatever is no visible character written as an escape: `\\x1b`, `\\n`, `\\u202e`.

    These are what `str.isprintable` is false for: control codes, line ends, marks that turn the direction
    of writing or take no room, halves of surrogate pairs (bytes of a file name that are no text). Letters
    of every script stay. For `sys.stdout.write` and `sys.stderr.write`.
    """
    return text if text.isprintable() else _UNUSUAL.sub(_visible, text)


def cell(text: str) -> Text:
    """`plain(text)` for rich, in a table or a line: brackets and `:names:` in it stay what they are."""
    from rich.text import Text

    return Text(plain(text))


def title(text: str) -> Text:
    """The same, as the title of a table."""
    from rich.text import Text

    return Text(plain(text), style="table.title")


def print_line(console: Console, text: str, *, is_wrapped: bool = False) -> None:
    """`plain(text)` as a line of its own, broken by the terminal alone, so that a path in it can be copied
    whole; a sentence may be wrapped between words (`is_wrapped`)."""
    console.print(cell(text), highlight=False, soft_wrap=not is_wrapped)


def _visible(match: re.Match[str]) -> str:
    character = match.group()
    return character if character.isprintable() else repr(character)[1:-1]
