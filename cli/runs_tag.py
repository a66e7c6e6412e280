"""`mlx runs tag`: words that a user gives a run, to find it by."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from .run_arguments import RUNS, AsJson, OneRun, RunsFolder


def tag(
    run: OneRun,
    tags: Annotated[list[str] | None, typer.Argument(metavar="TAG...", help="Tags to give it.")] = None,
    remove: Annotated[
        list[str] | None, typer.Option(metavar="TAG", help="A tag to take from it; may be repeated.")
    ] = None,
    folder: RunsFolder = RUNS,
    json: AsJson = False,
) -> None:
    """Give a run tags, or take them from it; lists show them, and --filter tag=TAG finds them.

    A tag is 1 to 64 letters, digits, '_', '.' or '-'.

    [dim]Exit codes: 0 done, 2 usage, 3 damaged tags, 6 machine.[/dim]
    """
    from .failures import reported_failures

    with reported_failures(json=json):
        from ..records.listing import find_run
        from ..records.tags import change_tags
        from ..specs.errors import ConfigError

        if not tags and not remove:
            raise ConfigError("nothing to do: give TAG for tags to give, or --remove TAG.")
        found = find_run(folder, run)
        now = change_tags(found, add=tags or (), remove=remove or ())
        if json:
            from ..records.numbers import to_json

            sys.stdout.write(to_json({"run": str(found.path), "tags": now}))
            return
        from .plain_text import plain

        sys.stdout.write(plain(f"{found.path}: {', '.join(now) or 'no tags'}") + "\n")
