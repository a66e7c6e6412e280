"""The list of runs on stdout."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.table import Table

from ..records.listing import RunRecord
from ..records.text_tables import number_text
from .plain_text import cell
from .render import result_console

_DEFAULT_METRICS = {"validation/loss": "validation loss", "test/loss": "test loss"}


def render_runs(
    records: Sequence[RunRecord], *, metrics: Sequence[str] = (), is_filtered: bool = False
) -> None:
    """One line per run: what it was, how it ended, its losses or the metrics that are asked for."""
    console = result_console()
    if not records:
        nothing = (
            "no run matches; mlx runs shows all"
            if is_filtered
            else "no runs here yet: mlx train CONFIG makes one"
        )
        console.print(nothing, highlight=False)
        return
    columns = {key: key for key in metrics} or _DEFAULT_METRICS
    has_tags = any(record.tags for record in records)
    table = Table(box=box.SIMPLE_HEAD)
    for heading in ("run", "status", *(["tags"] if has_tags else []), "seed"):
        table.add_column(heading, overflow="fold")
    for heading in ("epochs", *columns.values()):
        table.add_column(cell(heading), justify="right", overflow="fold")
    for record in records:
        tags = [", ".join(record.tags)] if has_tags else []
        seed, epochs = ("" if value is None else str(value) for value in (record.seed, record.epochs))
        scores = [number_text(record.metrics.get(key)) for key in columns]
        table.add_row(*map(cell, (record.name, record.status, *tags, seed, epochs, *scores)))
    console.print(table)
