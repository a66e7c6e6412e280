"""`mlx runs verify`: whether the files of runs are what they were when the runs ended."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .run_arguments import RUNS, AsJson, RunsFolder

if TYPE_CHECKING:
    from ..records.verification import Verification

_DAMAGED = 3


def verify(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="[RUN...]", help="Runs, as for `mlx runs show`, or comparisons [all]."),
    ] = None,
    folder: RunsFolder = RUNS,
    json: AsJson = False,
) -> None:
    """Check every file of runs: by the checksums of their end, or, before it, that all can be read.

    Of comparisons the runs of their members are checked.

    Damaged files are printed, one a line. Logs, plots and tags may change and are not compared.

    [dim]Exit codes: 0 all intact, 2 no such run, 3 damaged files, 6 machine.[/dim]
    """
    from .failures import reported_failures

    with reported_failures(json=json):
        from ..records.verification import verify_run

        paths = dict.fromkeys(_run_paths(folder, names or []))
        found = [verification for path in paths if (verification := verify_run(path)) is not None]
        if json:
            from ..records.numbers import to_json

            sys.stdout.write(to_json({"runs": [_document(each) for each in found]}))
        else:
            _tell(found)
        if any(each.damages for each in found):
            raise typer.Exit(_DAMAGED)


def _run_paths(folder: Path, names: list[str]) -> list[Path]:
    """The folders of the runs to check, all of them without names; those of a comparison's members in it."""
    from ..records.comparison_folder import is_comparison
    from ..records.comparison_listing import list_comparisons, member_paths
    from ..records.listing import find_run_path, list_runs, require_folder

    if names:
        paths = [find_run_path(folder, name, comparisons=True) for name in names]
    else:
        require_folder(folder)
        paths = [record.path for record in (*list_runs(folder), *list_comparisons(folder))]
    return [run for path in paths for run in (member_paths(path) if is_comparison(path) else [path])]


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
