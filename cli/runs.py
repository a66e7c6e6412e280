"""`mlx runs`: the runs there are, newest first."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer


def runs(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder with run folders.")] = Path(
        "runs"
    ),
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")] = False,
) -> None:
    """List runs with their status and scores."""
    from .failures import reported_failures

    with reported_failures(json=json):
        from ..records.listing import list_runs
        from ..records.numbers import to_json

        records = list_runs(folder)
        if json:
            sys.stdout.write(
                to_json({"runs": [{**asdict(record), "path": str(record.path)} for record in records]})
            )
            return
        from .render import render_runs

        render_runs(records)
