"""Where the time of a training step went, as tables on stdout."""

from __future__ import annotations

from rich import box
from rich.table import Table

from ..records.run_folder import RunFolder
from ..records.tables import Row
from .plain_text import cell, print_line, title
from .render import result_console

_HEADINGS = {"stage": "stage", "layer": "layer, forward", "operator": "operator, by itself"}
_MOST_OPERATORS = 10


def render_profile(folder: RunFolder) -> None:
    """The stages of a step, the layers of its forward pass, and its costliest operators."""
    console = result_console()
    rows = folder.read_profile()
    if not rows:
        print_line(console, "no profile: the first ten steps are not timed, and there were no more")
        return
    whole = rows[0]
    text = f"a step: {_milliseconds(whole['seconds'])} ms, the mean of {whole['calls']:.0f}"
    for kind, heading in _HEADINGS.items():
        chosen = [row for row in rows if row["kind"] == kind]
        if kind == "operator":
            chosen = chosen[:_MOST_OPERATORS]
        if chosen:
            console.print(_table(heading, chosen, text if kind == "stage" else None))


def _table(heading: str, rows: list[Row], text: str | None) -> Table:
    table = Table(title=None if text is None else title(text), box=box.SIMPLE_HEAD)
    table.add_column(heading, overflow="fold")
    for column in ("calls", "ms", "share"):
        table.add_column(column, justify="right")
    for row in rows:
        share = f"{100 * _number(row['share']):.1f} %"
        calls = f"{_number(row['calls']):.6g}"
        table.add_row(cell(str(row["name"])), calls, _milliseconds(row["seconds"]), share)
    return table


def _milliseconds(seconds: object) -> str:
    return f"{1000 * _number(seconds):.4g}"


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else float("nan")
