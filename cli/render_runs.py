"""The list of runs on stdout."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich import box
from rich.table import Table

from ..records.comparison_listing import ComparisonRecord
from ..records.listing import RunRecord
from ..records.text_tables import number_text
from .plain_text import cell
from .render import result_console

_DEFAULT_METRICS = {"validation/loss": "validation loss", "test/loss": "test loss"}


def render_runs(
    records: Sequence[RunRecord], *, metrics: Sequence[str] = (), nothing: str = "no runs"
) -> None:
    """One line per run: what it was, how it ended, its losses or the metrics that are asked for.

    nothing: what is said where there is no run.
    """
    console = result_console()
    if not records:
        console.print(cell(nothing), highlight=False, soft_wrap=True)
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
        scores = [number_text((record.metrics if metrics else _scores(record)).get(key)) for key in columns]
        table.add_row(*map(cell, (record.name, record.status, *tags, seed, epochs, *scores)))
    console.print(table)


def render_comparisons(comparisons: Sequence[ComparisonRecord]) -> None:
    """One line per comparison, and how one is seen."""
    if not comparisons:
        return
    console = result_console()
    lines = [
        f"  {each.name} ({each.status}, {each.members} {'member' if each.members == 1 else 'members'})"
        for each in comparisons
    ]
    for line in ("comparisons, each shown by mlx compare PATH:", *lines):
        console.print(cell(line), highlight=False, soft_wrap=True)


def _scores(record: RunRecord) -> Mapping[str, float | None]:
    return record.metrics or record.last_epoch
