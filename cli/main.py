"""The command `mlx`: its commands, and what becomes of errors that no command met."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Annotated

import typer
from typer.main import get_command

from .check import check
from .compare import compare
from .evaluate import evaluate
from .explain import explain
from .export import export
from .init import init
from .predict import predict
from .runs import runs
from .streams import prepare_streams
from .train import train

app = typer.Typer(
    name="mlx",
    help="Train and compare networks with several inputs, outputs and losses, from YAML.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(train)
app.command()(compare)
app.command()(explain)
app.command()(check)
app.command()(evaluate)
app.command()(predict)
app.command()(export)
app.command()(init)
app.add_typer(runs, name="runs")


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"mlx {version('mlx-runner')}")
        raise typer.Exit


@app.callback()
def _options(  # pyright: ignore[reportUnusedFunction]
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    assert not version, "the callback has exited"


def main() -> None:
    """Run the command line and exit with its code."""
    prepare_streams()
    sys.excepthook = _report_fault
    sys.exit(_run(json="--json" in sys.argv))


def _run(*, json: bool) -> int:
    try:
        from .failures import reported_failures

        with reported_failures(json=json, anywhere=True):
            # Not `app()`: it would put a hook of its own in the place of ours.
            code = get_command(app)(standalone_mode=False)
            sys.stdout.flush()
    except typer.TyperException as error:
        from .failures import print_usage_error

        return print_usage_error(error, json=json)
    except typer.Abort:
        from .failures import ABORTED

        sys.stderr.write("mlx: aborted\n")
        return ABORTED
    except typer.Exit as error:
        return error.exit_code
    return code if isinstance(code, int) else 0


def _report_fault(_: type[BaseException], error: BaseException, __: TracebackType | None) -> None:
    from .failures import print_fault

    print_fault(error, json="--json" in sys.argv)
