"""Tables of formatted cells, for a terminal or a page: as Markdown and LaTeX."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from ..specs.visible import visible

_MARKDOWN = re.compile(r"[\\|<\[`]")
_LATEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{",
    "}": r"\}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}",
    ">": r"\textgreater{}",
}  # fmt: skip


@dataclass(frozen=True)
class TextTable:
    """A table of formatted cells; `num_names` columns from the left name things, the others are numbers."""

    title: str
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    num_names: int


def number_text(value: float | None) -> str:
    """A number for a reader: four decimals, more digits for small ones; empty where there is none."""
    if value is None or not math.isfinite(value):
        return ""
    if value == 0.0 or 1e-3 <= abs(value) < 1e4:
        return f"{value:.4f}"
    return f"{value:.3e}"


def markdown_escaped(text: str) -> str:
    """Text for Markdown on one line: no HTML, no link, no picture and no end of a cell in it."""
    return _MARKDOWN.sub(r"\\\g<0>", visible(text))


def markdown_table(table: TextTable) -> str:
    """The table in Markdown, its title above it."""
    rules = ["---" if index < table.num_names else "---:" for index in range(len(table.headings))]
    lines = [_markdown_row(cells) for cells in (table.headings, rules, *table.rows)]
    return f"**{markdown_escaped(table.title)}**\n\n" + "\n".join(lines)


def _markdown_row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(markdown_escaped(cell).replace("+-", "±") for cell in cells) + " |"


def latex_table(table: TextTable) -> str:
    """The table as LaTeX (package: booktabs), its title as a comment."""
    columns = "".join("l" if index < table.num_names else "r" for index in range(len(table.headings)))
    lines = [rf"\begin{{tabular}}{{{columns}}}", r"\toprule", _latex_row(table.headings), r"\midrule"]
    lines += [_latex_row(row) for row in table.rows]
    return "\n".join([f"% {visible(table.title)}", *lines, r"\bottomrule", r"\end{tabular}"])


def _latex_row(cells: Sequence[str]) -> str:
    return " & ".join(_latex_cell(cell) for cell in cells) + r" \\"


def _latex_cell(cell: str) -> str:
    escaped = "".join(_LATEX.get(character, character) for character in visible(cell))
    return escaped.replace("+-", r"$\pm$").replace(" *", "$^{*}$")
