"""`mlx evaluate`: a finished run scored again, on its own rows or on others."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    # At run time this imports torch, which `mlx --help` does not need.
    from ..training.split_scores import SplitName

SPLITS = ("train", "validation", "test")


def evaluate(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run: its name, `latest`, or its folder.")],
    data: Annotated[
        str | None, typer.Option(metavar="FILE", help="Other rows of the same columns, all of them.")
    ] = None,
    split: Annotated[
        str | None, typer.Option(metavar="|".join(SPLITS), help="Which rows of the run's own data.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")] = False,
    runs: Annotated[Path, typer.Option(metavar="DIR", help="The folder with run folders.")] = Path("runs"),
    device: Annotated[str, typer.Option(metavar="auto|cpu|cuda[:N]", help="Where to compute.")] = "auto",
) -> None:
    """Score a run's best weights; on its own test rows that gives the summary's numbers again.

    [dim]Exit codes: 0 done, 2 usage or config, 3 data (also where they have changed), 6 machine.[/dim]
    """
    from .failures import reported_failures

    with reported_failures(json=json):
        chosen = _choose_split(split, data)
        from ..records.listing import find_run

        folder = find_run(runs, run)
        from ..training.reevaluate import evaluate_run

        evaluation = evaluate_run(folder, split=chosen, data=data, device=device)
        if json:
            from ..records.numbers import to_json

            sys.stdout.write(to_json(evaluation.document()))
        else:
            from .render_evaluation import render_evaluation

            render_evaluation(evaluation)


def _choose_split(split: str | None, data: str | None) -> SplitName | None:
    from ..specs.errors import ConfigError, unknown_name

    if split is None:
        return None if data is None else "test"
    if data is not None:
        raise ConfigError("--split and --data cannot both be given: other rows are not split.")
    if split not in SPLITS:
        raise ConfigError(f"--split: {unknown_name('split', split, SPLITS)}")
    return split  # pyright: ignore[reportReturnType]
