"""`mlx runs show`: all that one run says of itself."""

from __future__ import annotations

import sys

from .run_arguments import RUNS, AsJson, OneRun, RunsFolder


def show(run: OneRun, folder: RunsFolder = RUNS, json: AsJson = False) -> None:
    """Show one run: how it ended, what it ran on, its config, scores and files, and how to go on with it.

    [dim]Exit codes: 0 done, 2 no such run, 3 damaged run, 6 machine.[/dim]
    """
    from .failures import reported_failures

    with reported_failures(json=json):
        from ..records.listing import find_run
        from ..records.run_details import describe_run

        details = describe_run(find_run(folder, run))
        if json:
            from ..records.numbers import to_json

            sys.stdout.write(to_json(details.document()))
            return
        from .render_run_details import render_run_details

        render_run_details(details)
