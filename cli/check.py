"""`mlx check`: is this config right, what network does it describe, and what is wrong with it?"""

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
    data: Annotated[bool, typer.Option("--data", help="Read the data and check them too.")] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit with 2 on any error or warning; notes do not count.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")] = False,
) -> None:
    """Validate a config; print its layers, shapes, parameters, losses, and the mistakes found by rules.

    Without --data no data are read. docs/rules/ describes the rules; `ignore: [MLX107]` in a config turns
    some off. [dim]Exit codes: 0 done, 2 bad config or usage (or --strict), 3 bad data.[/dim]
    """
    from .failures import reported_failures

    with reported_failures(json=json):
        from ..specs.load import load_experiment

        experiment = load_experiment(config, overrides or [])
        from ..inspection.check import check_experiment

        summary, findings = check_experiment(experiment, read_data=data)
        if json:
            from ..records.numbers import to_json

            listed = [finding.document() for finding in findings]
            sys.stdout.write(to_json({**summary.document(), "findings": listed}))
        else:
            from .render import render_findings, render_summary

            render_summary(summary)
            render_findings(findings)
        if strict and any(finding.severity != "note" for finding in findings):
            raise typer.Exit(2)
