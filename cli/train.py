"""`mlx train`: one experiment from its config to a run folder and a table."""

from __future__ import annotations

import sys
from json import dumps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    # Not at run time: `mlx --help` imports no torch.
    from ..training.assemble import Workshop
    from ..training.reporter import Reporter


def train(
    config: Annotated[
        str, typer.Argument(metavar="CONFIG", help="A YAML file, or the name of a shipped config.")
    ],
    overrides: Annotated[
        list[str] | None, typer.Argument(metavar="KEY=VALUE", help="Changes: training.epochs=5")
    ] = None,
    device: Annotated[str, typer.Option(metavar="auto|cpu|cuda[:N]", help="Where to train.")] = "auto",
    seed: Annotated[str | None, typer.Option(metavar="N", help="Instead of the config's seed.")] = None,
    runs: Annotated[
        Path, typer.Option(metavar="DIR", help="The folder in which run folders are made.")
    ] = Path("runs"),
    name: Annotated[str | None, typer.Option(metavar="NAME", help="Instead of the config's name.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="No progress, and of findings only errors and warnings.")
    ] = False,
) -> None:
    """Train a network, evaluate its best epoch, and record both.

    What the rules of `mlx check` find is printed before it starts.

    [dim]Exit codes: 0 done, 2 bad config or usage, 3 bad data, 4 diverged, 6 machine, 130 interrupted.[/dim]
    """
    from .failures import reported_failures

    with reported_failures(json=json):
        from ..specs.load import load_experiment

        changes = [*(overrides or [])]
        changes += [] if seed is None else [f"seed={seed}"]
        # Quoted, so that a name such as 2024 stays text.
        changes += [] if name is None else [f"name={dumps(name)}"]
        experiment = load_experiment(config, changes)
        # After the config, so that a mistake in it is told at once: this imports torch.
        from ..training.run import run_experiment
        from .progress import choose_reporter

        with choose_reporter(quiet=quiet) as reporter:
            result = run_experiment(
                experiment,
                runs=runs,
                device=device,
                command=["mlx", *sys.argv[1:]],
                reporter=reporter,
                inspect=lambda workshop: _tell_findings(workshop, reporter, quiet=quiet),
            )
        from ..records.plots import plot_run
        from ..records.run_folder import RunFolder

        folder = RunFolder.open(Path(result.run))
        plot_run(folder)
        if json:
            from ..records.numbers import to_json

            sys.stdout.write(to_json(result.document()))
        else:
            from .render import render_run

            render_run(folder)


def _tell_findings(workshop: Workshop, reporter: Reporter, *, quiet: bool) -> None:
    """What the rules that cost next to nothing find; a quiet reporter would swallow it."""
    from ..inspection.pitfalls import find_pitfalls

    for finding in find_pitfalls(workshop.blueprint, workshop, costly=False):
        if not quiet:
            reporter.message(str(finding))
        elif finding.severity != "note":
            sys.stderr.write(f"{finding}\n")
