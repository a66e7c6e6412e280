"""Comparisons and their plans on stdout, in the format that was asked for."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from rich import box
from rich.table import Table

from ..comparison.judge import Judgement
from ..comparison.plan import Plan, Stack
from ..comparison.report import judgement_document, judgement_tables
from ..comparison.settings import Settings
from ..comparison.text_formats import csv_text, latex_text, markdown_text
from ..records.comparison_folder import ComparisonFolder
from ..records.numbers import to_json
from ..training.footprint import MEMORY_FORMULA
from .plain_text import cell, print_line
from .render import print_table, result_console

_MIB = 2**20
_MEMBERS_SHOWN = 12


def print_judgement(judgement: Judgement, folder: ComparisonFolder | None, *, output_format: str) -> None:
    """The judgement as `table`, `csv`, `markdown`, `json` or `latex`; `folder` is where it is written."""
    if output_format == "table":
        _print_tables(judgement, folder)
    else:
        sys.stdout.write(_text(judgement, folder, output_format))


def print_plan(settings: Settings, plan: Plan, *, json: bool) -> None:
    """What would be trained together, how much memory it takes, and why the rest is apart."""
    if json:
        sys.stdout.write(to_json(_plan_document(settings, plan)))
        return
    table = Table(
        title=f"{_count(plan.members, 'member')} in {_count(plan.stacks, 'stack')} on {plan.device}",
        box=box.SIMPLE_HEAD,
    )
    for heading in ("stack", "engine", "members"):
        table.add_column(heading)
    table.add_column("memory", justify="right")
    table.add_column("why apart")
    for number, stack in enumerate(plan.stacks, start=1):
        memory = f"{stack.memory_bytes / _MIB:,.1f} MiB"
        cells = (str(number), _engine(stack), _members(stack), memory, stack.reason or "")
        table.add_row(*map(cell, cells))
    console = result_console()
    console.print(table)
    budget, available = plan.budget_bytes / _MIB, plan.memory_bytes / _MIB
    lines = [
        f"settings: {', '.join(setting.name for setting in settings.settings)}",
        f"baseline: {settings.baseline}; seeds per setting: {settings.seeds}; cores: {plan.cores}",
        f"memory budget: {budget:,.0f} MiB, half of the {available:,.0f} MiB available; {MEMORY_FORMULA}",
    ]
    for line in lines:
        print_line(console, line)


def _text(judgement: Judgement, folder: ComparisonFolder | None, output_format: str) -> str:
    if output_format == "csv":
        return csv_text(judgement)
    if output_format == "markdown":
        title = folder.path.name if folder is not None else "Comparison of runs"
        return markdown_text(judgement, title=title)
    if output_format == "latex":
        return latex_text(judgement)
    if folder is None:
        return to_json(judgement_document(judgement, comparison=None, plan={}))
    plan = folder.read_plan()
    document = judgement_document(judgement, comparison=str(folder.path), plan=plan, root=folder.path)
    return to_json(document)


def _print_tables(judgement: Judgement, folder: ComparisonFolder | None) -> None:
    console = result_console()
    for table in judgement_tables(judgement):
        print_table(console, table)
    if judgement.axes:
        axes, front = ", ".join(judgement.axes), ", ".join(judgement.front)
        print_line(console, f"Pareto front over {axes}: {front}")
    for note in judgement.notes:
        print_line(console, f"note: {note}")
    if folder is not None:
        print_line(console, f"comparison: {folder.path}")


def _plan_document(settings: Settings, plan: Plan) -> dict[str, object]:
    """The document of a comparison in which nothing is trained yet."""
    return {
        "comparison": None,
        "plan": plan.document(),
        "baseline": settings.baseline,
        "settings": [
            {
                "name": setting.name,
                "changes": dict(setting.changes),
                "metrics": {},
                "members": [
                    {"run": None, "seed": member.seed, "status": "planned"}
                    for member in plan.members
                    if member.setting == setting.name
                ],
            }
            for setting in settings.settings
        ],
    }


def _engine(stack: Stack) -> str:
    return f"{stack.workers} processes" if stack.engine == "processes" else stack.engine


def _count(items: Sequence[object], noun: str) -> str:
    return f"{len(items)} {noun}{'' if len(items) == 1 else 's'}"


def _members(stack: Stack) -> str:
    names = [member.name for member in stack.members]
    more = f" and {len(names) - _MEMBERS_SHOWN} more" if len(names) > _MEMBERS_SHOWN else ""
    return f"{len(names)}: {', '.join(names[:_MEMBERS_SHOWN])}{more}"
