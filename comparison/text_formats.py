"""Tables of text as Markdown, LaTeX and CSV."""

from __future__ import annotations

from ..records.comparison_folder import SCORE_COLUMNS
from ..records.tables import table_text
from ..records.text_tables import latex_table, markdown_escaped, markdown_table
from ..specs.visible import visible
from .judge import Judgement
from .report import judgement_tables, score_rows


def markdown_text(judgement: Judgement, *, title: str) -> str:
    """A page with the tables, the front and the notes."""
    parts = [
        f"# {markdown_escaped(title)}",
        *(markdown_table(table) for table in judgement_tables(judgement)),
    ]
    if judgement.axes:
        axes, front = ", ".join(judgement.axes), ", ".join(judgement.front)
        parts.append(markdown_escaped(f"Pareto front over {axes}: {front}."))
    if judgement.notes:
        parts.append("\n".join(f"- {markdown_escaped(note)}" for note in judgement.notes))
    return "\n\n".join(parts) + "\n"


def latex_text(judgement: Judgement) -> str:
    """The tables as LaTeX (packages: booktabs), the notes as comments."""
    parts = [latex_table(table) for table in judgement_tables(judgement)]
    notes = "\n".join(f"% {visible(note)}" for note in judgement.notes)
    return "\n\n".join([*parts, *([notes] if notes else [])]) + "\n"


def csv_text(judgement: Judgement) -> str:
    """The rows of comparison.csv."""
    rows, varied = score_rows(judgement)
    return table_text(rows, columns=[*SCORE_COLUMNS, *varied])
