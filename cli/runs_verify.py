"""`mlx runs verify`: whether the files of runs are what they were when the runs ended."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from .run_arguments import RUNS, AsJson, RunsFolder

if TYPE_CHECKING:
    from ..records.verification import Verification

_DAMAGED = 3


def verify(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[RUN...]", help="Runs, as for `mlx runs show` [all].")
    ] = None,
    folder: RunsFolder = RUNS,
    json: AsJson = False,
) -> None:
    """Check every file of runs: by the checksums of their end, or, before it, that all can be read.

    Damaged files are printed, one a line. Logs, plots and tags may change and are not compared.

    [dim]Exit codes: 0 all intact, 2 no such run, 3 damaged files, 6 machine.[/dim]
    """
    from .failures import reported_failures

    with reported_failures(json=json):
        from ..records.listing import find_run_path, list_runs
        from ..records.verification import verify_run

        paths = [find_run_path(folder, name) for name in names or ()]
        paths = list(dict.fromkeys(paths)) if names else [record.path for record in list_runs(folder)]
        found = [verification for path in paths if (verification := verify_run(path)) is not None]
        if json:
            from ..records.numbers import to_json

            sys.stdout.write(to_json({"runs": [_document(each) for each in found]}))
        else:
            _tell(found)
        if any(each.damages for each in found):
            raise typer.Exit(_DAMAGED)


def _document(verification: Verification) -> dict[str, object]:
    problems = [{"file": each.file, "problem": each.problem} for each in verification.damages]
    return {"run": str(verification.path), "by": verification.by, "problems": problems}


def _tell(found: list[Verification]) -> None:
    from .plain_text import plain

    damages = [(each.path / damage.file, damage.problem) for each in found for damage in each.damages]
    for path, problem in damages:
        sys.stdout.write(plain(f"{path}: {problem}") + "\n")
    damaged = sum(bool(each.damages) for each in found)
    if damaged:
        sys.stderr.write(f"mlx: {damaged} of {_count(len(found))} damaged\n")
        return
    by = [f"{sum(each.by == kind for each in found)} by {kind}" for kind in ("checksums", "contents")]
    sys.stdout.write(f"{_count(len(found))} intact: {', '.join(by)}\n")


def _count(number: int) -> str:
    return f"{number} run" if number == 1 else f"{number} runs"
