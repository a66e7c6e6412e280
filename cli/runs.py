"""`mlx runs`: the runs there are, and the commands that look at them and put them in order."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .run_arguments import RUNS, AsJson, RunsFolder
from .runs_diff import diff
from .runs_rm import restore, rm
from .runs_show import show
from .runs_tag import tag
from .runs_verify import verify

if TYPE_CHECKING:
    from ..records.listing import RunRecord

runs = typer.Typer()
for _command in (show, diff, tag, verify, rm, restore):
    runs.command()(_command)


@runs.callback(invoke_without_command=True)
def list_runs(
    context: typer.Context,
    folder: RunsFolder = RUNS,
    conditions: Annotated[
        list[str] | None,
        typer.Option("--filter", metavar="COND", help="Only runs of which this is true: 'test/loss < 0.1'"),
    ] = None,
    metrics: Annotated[
        list[str] | None, typer.Option("--metric", metavar="KEY", help="Show this metric; may be repeated.")
    ] = None,
    sort: Annotated[
        str | None, typer.Option(metavar="KEY", help="By name, started, status, a metric (best first) ...")
    ] = None,
    reverse: Annotated[bool, typer.Option("--reverse", help="The other way round.")] = False,
    limit: Annotated[int | None, typer.Option(min=1, metavar="N", help="The first N of them.")] = None,
    json: AsJson = False,
) -> None:
    """List runs with their status and scores, newest first.

    A condition is KEY OPERATOR VALUE; of several, all must be true.
    Operators: = != < <= > >= and ~ (contains).
    Keys: name, status, tag, started, epochs, seed, a metric, config.KEY.
    Examples: --filter tag=paper --filter 'test/digits/f1_macro >= 0.9'

    [dim]Exit codes: 0 done, 2 usage, 3 damaged runs (show, diff, verify), 6 machine, 130 interrupted.[/dim]
    """
    from .failures import reported_failures

    with reported_failures(json=json):
        if context.invoked_subcommand is not None:
            given = [folder != RUNS, conditions, metrics, sort, reverse, limit, json]
            options = ("--runs", "--filter", "--metric", "--sort", "--reverse", "--limit", "--json")
            _refuse([name for name, value in zip(options, given, strict=True) if value], context)
            return
        from ..records.comparison_listing import list_comparisons
        from ..records.conditions import parse_condition
        from ..records.run_selection import Selection, select_runs

        wanted = tuple(parse_condition(text) for text in conditions or ())
        shown = tuple(dict.fromkeys(metrics or ()))
        records = select_runs(folder, Selection(wanted, shown, sort, reverse, limit))
        comparisons = list_comparisons(folder)
        if json:
            from ..records.numbers import to_json

            documents = [{**asdict(each), "path": str(each.path)} for each in comparisons]
            runs_shown = [_document(record, shown) for record in records]
            sys.stdout.write(to_json({"runs": runs_shown, "comparisons": documents}))
            return
        from .render_runs import render_comparisons, render_runs

        render_runs(records, metrics=shown, nothing=_nothing(folder, is_filtered=bool(wanted)))
        if not wanted and limit is None:
            render_comparisons(comparisons)


def _refuse(options: list[str], context: typer.Context) -> None:
    """An option without effect is an error."""
    from ..specs.errors import ConfigError

    command = context.invoked_subcommand
    if options:
        raise ConfigError(
            f"{' and '.join(options)} before '{command}' would be for the list of runs; write what is for "
            f"'{command}' after it: mlx runs {command} ..."
        )


def _nothing(folder: Path, *, is_filtered: bool) -> str:
    if not folder.exists():
        return f"no runs here yet, there is no folder '{folder}': mlx train CONFIG makes one"
    if is_filtered:
        return "no run matches; mlx runs shows all"
    return "no runs here yet: mlx train CONFIG makes one"


def _document(record: RunRecord, metrics: tuple[str, ...]) -> dict[str, object]:
    shown = {key: record.metrics.get(key) for key in metrics} if metrics else record.metrics
    document: dict[str, object] = {**asdict(record), "path": str(record.path), "metrics": shown}
    del document["last_epoch"]  # not the scores of a run
    return document
