"""Text from configs, data and file names as a terminal may show it: nothing in it moves, colors or hides."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..specs.visible import visible as plain

if TYPE_CHECKING:
    # At run time only tables need it.
    from rich.console import Console
    from rich.text import Text

__all__ = ["cell", "plain", "print_line", "title"]


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
