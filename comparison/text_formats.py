"""Tables of text as Markdown, LaTeX and CSV."""

from __future__ import annotations

import csv
import io

from ..records.comparison_folder import SCORE_COLUMNS
from ..records.numbers import format_number
from ..records.text_tables import latex_table, markdown_table
from .judge import Judgement
from .report import judgement_tables, score_rows


def markdown_text(judgement: Judgement, *, title: str) -> str:
    """A page with the tables, the front and the notes."""
    parts = [f"# {title}", *(markdown_table(table) for table in judgement_tables(judgement))]
    if judgement.axes:
        axes, front = ", ".join(judgement.axes), ", ".join(judgement.front)
        parts.append(f"Pareto front over {axes}: {front}.")
    if judgement.notes:
        parts.append("\n".join(f"- {note}" for note in judgement.notes))
    return "\n\n".join(parts) + "\n"


def latex_text(judgement: Judgement) -> str:
    """The tables as LaTeX (packages: booktabs), the notes as comments."""
    parts = [latex_table(table) for table in judgement_tables(judgement)]
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
