"""Tables of text as Markdown, LaTeX and CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from ..records.comparison_folder import SCORE_COLUMNS
from ..records.numbers import format_number
from .judge import Judgement
from .report import TextTable, judgement_tables, score_rows

_LATEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{",
    "}": r"\}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}",
    ">": r"\textgreater{}",
}  # fmt: skip


def markdown_text(judgement: Judgement, *, title: str) -> str:
    """A page with the tables, the front and the notes."""
    parts = [f"# {title}", *(_markdown_table(table) for table in judgement_tables(judgement))]
    if judgement.axes:
        axes, front = ", ".join(judgement.axes), ", ".join(judgement.front)
        parts.append(f"Pareto front over {axes}: {front}.")
    if judgement.notes:
        parts.append("\n".join(f"- {note}" for note in judgement.notes))
    return "\n\n".join(parts) + "\n"


def latex_text(judgement: Judgement) -> str:
    """The tables as LaTeX (packages: booktabs), the notes as comments."""
    parts = [_latex_table(table) for table in judgement_tables(judgement)]
    notes = "\n".join(f"% {note}" for note in judgement.notes)
    return "\n\n".join([*parts, *([notes] if notes else [])]) + "\n"


def csv_text(judgement: Judgement) -> str:
    """The rows of comparison.csv."""
    rows, varied = score_rows(judgement)
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    columns = [*SCORE_COLUMNS, *varied]
    writer.writerow(columns)
    for row in rows:
        cells = [row.get(column) for column in columns]
        writer.writerow(
            ["" if cell is None else cell if isinstance(cell, str) else format_number(cell) for cell in cells]
        )
    return buffer.getvalue()


def _markdown_table(table: TextTable) -> str:
    rules = ["---" if index < table.num_names else "---:" for index in range(len(table.headings))]
    lines = [_markdown_row(cells) for cells in (table.headings, rules, *table.rows)]
    return f"**{table.title}**\n\n" + "\n".join(lines)


def _markdown_row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", r"\|").replace("+-", "±") for cell in cells) + " |"


def _latex_table(table: TextTable) -> str:
    columns = "".join("l" if index < table.num_names else "r" for index in range(len(table.headings)))
    lines = [rf"\begin{{tabular}}{{{columns}}}", r"\toprule", _latex_row(table.headings), r"\midrule"]
    lines += [_latex_row(row) for row in table.rows]
    return "\n".join([f"% {table.title}", *lines, r"\bottomrule", r"\end{tabular}"])


def _latex_row(cells: Sequence[str]) -> str:
    return " & ".join(_latex_cell(cell) for cell in cells) + r" \\"


def _latex_cell(cell: str) -> str:
    escaped = "".join(_LATEX.get(character, character) for character in cell)
    return escaped.replace("+-", r"$\pm$").replace(" *", "$^{*}$")
