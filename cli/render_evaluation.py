"""An evaluation of a finished run on stdout."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from ..records.text_tables import TextTable, number_text
from ..training.reevaluate import RunEvaluation
from .plain_text import print_line
from .render import column_tables, label_tables, print_table, result_console


def render_evaluation(evaluation: RunEvaluation) -> None:
    """The terms and metrics of one split, then its labels and columns."""
    console = result_console()
    where = f"{evaluation.rows:,} {'rows' if evaluation.data else f'{evaluation.split} rows'}"
    of = f" of {evaluation.data}" if evaluation.data else ""
    rows = [(key.partition("/")[2], number_text(value)) for key, value in evaluation.scores.metrics.items()]
    print_table(console, TextTable(f"{evaluation.name}: {where}{of}", ("metric", "value"), tuple(rows), 1))
    for table in (
        *label_tables(_finite(evaluation.scores.labels)),
        *column_tables(_finite(evaluation.scores.columns)),
    ):
        console.print(table)
    for note in evaluation.scores.notes:
        print_line(console, f"note: {note}", is_wrapped=True)
    print_line(console, f"run: {evaluation.run}")


def _finite(rows: Sequence[Mapping[str, object]]) -> list[dict[str, object]]:
    """The rows as a table's file gives them back: what is not a number is missing."""
    return [
        {
            key: None if isinstance(value, float) and not math.isfinite(value) else value
            for key, value in row.items()
        }
        for row in rows
    ]
