"""`mlx init`: a first config for a table, drafted from what its columns look like."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .plain_text import plain

if TYPE_CHECKING:
    # At run time this imports torch, which `mlx --help` does not need.
    from ..data.draft import Draft


def init(
    table: Annotated[
        str,
        typer.Argument(
            metavar="FILE", help="A table: CSV, TSV, JSON lines or Parquet; a folder or a pattern."
        ),
    ],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="CONFIG", help="The file to write; else stdout.")
    ] = None,
    target: Annotated[
        list[str] | None,
        typer.Option(metavar="COLUMN", help="What to predict; may be repeated, and * stands for any text."),
    ] = None,
    encoding: Annotated[
        str | None, typer.Option(metavar="NAME", help="That of text, such as latin-1; else it is guessed.")
    ] = None,
    separator: Annotated[
        str | None, typer.Option(metavar="MARK", help="What stands between cells, such as ';' or tab.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite the file that -o names.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")] = False,
) -> None:
    """Look at a table and write a commented config that trains on it as it is.

    What is guessed is marked `unsure` in it and told on stderr. At most 100,000 rows are looked at.

    [dim]Exit codes: 0 done, 2 usage, 3 data, 6 machine.[/dim]
    """
    from .failures import reported_failures

    with reported_failures(json=json):
        _check_output(output, table, force=force)
        from ..data.draft import draft_config

        saved_as = None if output is None else str(output)
        draft = draft_config(
            table, targets=target or (), encoding=encoding, separator=separator, saved_as=saved_as
        )
        if output is not None:
            from ..records.atomic import write_text

            write_text(output, draft.text)
        if json:
            _print_document(draft, output)
        else:
            _print_draft(draft, output)


def _check_output(output: Path | None, table: str, *, force: bool) -> None:
    """Raises ConfigError for a file that would be overwritten, before anything is read."""
    from ..specs.errors import ConfigError

    if output is None:
        if force:
            raise ConfigError("--force has no effect without -o.")
        return
    from ..records.atomic import writing

    with writing(output):  # a name can be too long to be looked up
        is_folder, is_taken = output.is_dir(), output.exists()
        is_table = output.resolve() == Path(table).resolve()
    if is_folder:
        raise ConfigError(f"-o: '{output}' is a folder; name a file in it.")
    if is_table:
        raise ConfigError(f"-o: '{output}' is the table itself; choose another name.")
    if is_taken and not force:
        raise ConfigError(f"-o: '{output}' exists; choose another name, or overwrite it by --force.")


def _print_document(draft: Draft, output: Path | None) -> None:
    from ..records.numbers import to_json

    columns = [column.document() for column in draft.columns]
    document = {"config": None if output is None else str(output), "text": draft.text}
    sys.stdout.write(to_json({**document, "columns": columns, "doubts": draft.doubts}))


def _print_draft(draft: Draft, output: Path | None) -> None:
    if output is None:
        sys.stdout.write(draft.text)
    for doubt in draft.doubts:
        sys.stderr.write(f"unsure: {plain(doubt)}\n")
    if output is not None:
        told = f"written: {output}; next: mlx check {output} --data, then mlx train {output}"
        sys.stderr.write(f"{plain(told)}\n")
