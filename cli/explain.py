"""`mlx explain`: what each loss does to each weight, measured on the network's own data."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

FORMATS = ("table", "markdown", "json", "svg")


def explain(
    arguments: Annotated[
        list[str],
        typer.Argument(
            metavar="CONFIG [RUN] [KEY=VALUE]...",
            help="A config or a run; a run beside a config gives the weights.",
        ),
    ],
    batches: Annotated[
        int, typer.Option(min=1, max=10_000, metavar="N", help="Training batches to measure on.")
    ] = 8,
    output_format: Annotated[
        str | None, typer.Option("--format", metavar="|".join(FORMATS), help="How to print the result.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")] = False,
    picture: Annotated[
        Path | None, typer.Option(metavar="FILE.svg", help="Also draw the graph into this file.")
    ] = None,
    runs: Annotated[Path, typer.Option(metavar="DIR", help="The folder with run folders.")] = Path("runs"),
    device: Annotated[str, typer.Option(metavar="auto|cpu|cuda[:N]", help="Where to compute.")] = "auto",
) -> None:
    """Show one update, which loss reaches which layer, where losses agree, and how low each can go.

    Nothing is trained or written. [dim]Exit codes: 0 done, 2 config or usage, 3 data, 6 machine.[/dim]
    """
    from .failures import reported_failures
    from .formats import choose_format

    with reported_failures(json=json or output_format == "json"):
        chosen = choose_format(output_format, FORMATS, json=json)
        from ..inspection.subject import find_subject

        subject = find_subject(arguments, runs=runs)
        # After the config, so that a mistake in it is told at once: this imports torch.
        from ..inspection.explain import explain as explain_experiment
        from .render_explain import print_explanation

        explanation = explain_experiment(subject.experiment, run=subject.run, batches=batches, device=device)
        if picture is not None:
            from ..records.atomic import write_text

            write_text(picture, explanation.picture.draw())
        if chosen == "svg":
            sys.stdout.write(explanation.picture.draw())
        else:
            print_explanation(explanation, output_format=chosen)
