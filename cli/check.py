"""`mlx check`: is this config right, and what network does it describe?"""

from __future__ import annotations

import sys
from typing import Annotated

import typer


def check(
    config: Annotated[
        str, typer.Argument(metavar="CONFIG", help="A YAML file, or the name of a shipped config.")
    ],
    overrides: Annotated[
        list[str] | None, typer.Argument(metavar="KEY=VALUE", help="Changes: training.epochs=5")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")] = False,
) -> None:
    """Validate a config and print its layers, shapes, parameters and losses, without reading data."""
    from .failures import reported_failures

    with reported_failures(json=json):
        from ..specs.load import load_experiment

        experiment = load_experiment(config, overrides or [])
        from ..inspection.summary import summarize

        summary = summarize(experiment)
        if json:
            from ..records.numbers import to_json

            sys.stdout.write(to_json(summary.document()))
        else:
            from .render import render_summary

            render_summary(summary)
