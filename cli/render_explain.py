"""Explanations on stdout, in the format that was asked for."""

from __future__ import annotations

import sys

from ..inspection.explain import Explanation
from ..inspection.explain_tables import Chapter, explain_chapters
from ..records.numbers import to_json
from ..records.text_tables import markdown_escaped, markdown_table
from .plain_text import print_line
from .render import print_table, result_console


def print_explanation(explanation: Explanation, *, output_format: str) -> None:
    """The explanation as `table`, `markdown` or `json`."""
    if output_format == "json":
        sys.stdout.write(to_json(explanation.document()))
    elif output_format == "markdown":
        sys.stdout.write(_markdown(explanation))
    else:
        _print_tables(explanation)


def _print_tables(explanation: Explanation) -> None:
    console = result_console()
    print_line(console, _opening(explanation))
    for chapter in explain_chapters(explanation):
        for table in chapter.tables:
            print_table(console, table)
        for sentence in chapter.sentences:
            print_line(console, sentence, is_wrapped=True)
    for note in explanation.notes:
        print_line(console, f"note: {note}", is_wrapped=True)


def _markdown(explanation: Explanation) -> str:
    parts = [f"# {markdown_escaped(explanation.name)}", f"{markdown_escaped(_opening(explanation))}."]
    for chapter in explain_chapters(explanation):
        parts += _markdown_chapter(chapter)
    parts += [f"Note: {markdown_escaped(note)}." for note in explanation.notes]
    return "\n\n".join(parts) + "\n"


def _markdown_chapter(chapter: Chapter) -> list[str]:
    tables = [markdown_table(table) for table in chapter.tables]
    return [f"## {markdown_escaped(chapter.title)}", *tables, *map(markdown_escaped, chapter.sentences)]


def _opening(explanation: Explanation) -> str:
    weights = explanation.weights_of
    where = "at its initial weights" if weights is None else f"at the best weights of {weights}"
    count = f"{explanation.batches} training batch{'es' if explanation.batches > 1 else ''}"
    return f"{explanation.name}: measured {where}, on {count}"
