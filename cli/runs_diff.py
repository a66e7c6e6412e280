"""`mlx runs diff`: in what two runs differ."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from .run_arguments import RUNS, AsJson, RunsFolder

_HELP = "A run, as for `mlx runs show`."


def diff(
    a: Annotated[str, typer.Argument(metavar="A", help=_HELP)],
    b: Annotated[str, typer.Argument(metavar="B", help=_HELP)],
    folder: RunsFolder = RUNS,
    json: AsJson = False,
) -> None:
    """Show in what two runs differ: config, environment, and metrics with their difference, B minus A.

    [dim]Exit codes: 0 done (whether they differ or not), 2 no such run, 3 damaged run, 6 machine.[/dim]
    """
    from .failures import reported_failures

    with reported_failures(json=json):
        from ..records.listing import find_run
        from ..records.run_diff import diff_runs

        found = diff_runs(find_run(folder, a), find_run(folder, b))
        if json:
            from ..records.numbers import to_json

            sys.stdout.write(to_json(found.document()))
            return
        from .render_run_details import render_run_diff

        render_run_diff(found)
