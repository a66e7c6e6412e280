"""`mlx runs rm` and `mlx runs restore`: runs to the trash and back, and out of it for good."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated

import typer

from .run_arguments import RUNS, AsJson, RunsFolder


def rm(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="RUN...", help="Runs, as for `mlx runs show`, or comparisons by their full names."
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Even those that are still at work.")] = False,
    purge: Annotated[bool, typer.Option("--purge", help="Empty the trash for good.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before --purge.")] = False,
    folder: RunsFolder = RUNS,
    json: AsJson = False,
) -> None:
    """Move runs and comparisons to the trash, `.trash` in their folder; or empty it.

    `mlx runs restore` brings back what lies there. Nothing is removed for good but by --purge.

    [dim]Exit codes: 0 done, 2 usage, no such run, or one at work, 6 machine, 130 not confirmed.[/dim]
    """
    from .failures import reported_failures

    with reported_failures(json=json):
        _check_usage(names or [], force=force, purge=purge, yes=yes)
        if purge:
            _purge(folder, yes=yes, json=json)
        else:
            _discard(names or [], folder, force=force, json=json)


def restore(
    names: Annotated[
        list[str],
        typer.Argument(
            metavar="RUN...", help="By name, its beginning or end, `latest`, or the path where it lay."
        ),
    ],
    folder: RunsFolder = RUNS,
    json: AsJson = False,
) -> None:
    """Bring runs and comparisons back from the trash to their place.

    [dim]Exit codes: 0 done, 2 not in the trash, or its place is taken, 6 machine.[/dim]
    """
    from .failures import reported_failures

    with reported_failures(json=json):
        from ..records.trash import restore as bring_back

        restored = [str(bring_back(folder, name)) for name in names]
        if json:
            from ..records.numbers import to_json

            sys.stdout.write(to_json({"restored": restored}))
        else:
            _print_lines(f"{path} is back" for path in restored)


def _check_usage(names: Sequence[str], *, force: bool, purge: bool, yes: bool) -> None:
    from ..specs.errors import ConfigError

    if not purge and not names:
        raise ConfigError("nothing to do: give runs to move to the trash, or --purge to empty it.")
    if purge and (names or force):
        useless = "RUN" if names else "--force"
        raise ConfigError(f"{useless} cannot be given with --purge, which removes all that is in the trash.")
    if yes and not purge:
        raise ConfigError("--yes goes with --purge: nothing is asked before a run is moved to the trash.")


def _discard(names: Sequence[str], folder: Path, *, force: bool, json: bool) -> None:
    from ..records.listing import find_run_path
    from ..records.trash import discard, require_rest

    paths = list(dict.fromkeys(find_run_path(folder, name, comparisons=True) for name in names))
    for path in paths if not force else ():
        require_rest(path)  # before any of them is moved
    moved = [(path, discard(path, force=force)) for path in paths]
    if json:
        from ..records.numbers import to_json

        entries = [{"run": str(path), "trash": str(target)} for path, target in moved]
        sys.stdout.write(to_json({"discarded": entries}))
        return
    _print_lines(f"{path} is in the trash" for path, _ in moved)
    back = " ".join(shlex.quote(str(path)) for path, _ in moved)
    _print_lines([f"to bring back: mlx runs restore {back}"])


def _purge(folder: Path, *, yes: bool, json: bool) -> None:
    from ..records.listing import require_folder
    from ..records.trash import TRASH, folder_bytes, list_discarded, purge
    from ..specs.errors import ConfigError

    if not yes and not sys.stdin.isatty():
        raise ConfigError("--purge asks before it removes, and there is no terminal to ask on; give --yes.")
    require_folder(folder)
    entries, size = len(list_discarded(folder)), folder_bytes(folder / TRASH)
    what = f"{entries} {'entry' if entries == 1 else 'entries'} ({size / 1e6:,.1f} MB)"
    if entries and not yes:
        _confirm(f"remove {what} from the trash of '{folder}' for good?")
    removed = purge(folder)
    if json:
        from ..records.numbers import to_json

        sys.stdout.write(to_json({"purged": removed, "bytes": size}))
    elif removed:
        _print_lines([f"removed {what} from the trash of '{folder}' for good"])
    else:
        _print_lines([f"the trash of '{folder}' is empty"])


def _confirm(question: str) -> None:
    """Raises typer.Abort unless the answer is yes. Not Typer's own, which writes to stdout as well."""
    from .plain_text import plain

    sys.stderr.write(f"{plain(question)} [y/N] ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise typer.Abort


def _print_lines(lines: Iterable[str]) -> None:
    from .plain_text import plain

    for line in lines:
        sys.stdout.write(plain(line) + "\n")
