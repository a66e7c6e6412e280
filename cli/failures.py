"""What a failed command prints, and the code it exits with."""

from __future__ import annotations

import sys
import tempfile
import traceback
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

import typer

INTERRUPTED = 130


@contextmanager
def reported_failures(*, json: bool) -> Generator[None]:
    """Turn every error a user can cause into its messages and its exit code.

    Messages go to stderr, one line each; with `json` one document goes to stdout as well.
    """
    from ..specs.errors import MlxError

    try:
        yield
    except MlxError as error:
        for problem in error.problems:
            sys.stderr.write(f"mlx: {problem}\n")
        if json:
            print_failure(error.code, [_message(problem) for problem in error.problems])
        raise typer.Exit(error.code) from None
    except KeyboardInterrupt:
        sys.stderr.write("mlx: interrupted\n")
        if json:
            print_failure(INTERRUPTED, [{"message": "interrupted"}])
        raise typer.Exit(INTERRUPTED) from None


def print_usage_error(error: typer.TyperException, *, json: bool) -> int:
    """The message for a command line that Typer refused; returns the exit code, 2."""
    text = error.format_message()
    sys.stderr.write(f"mlx: {text}\n" if text else "")
    if json:
        print_failure(error.exit_code, [{"message": text}])
    return error.exit_code


def print_failure(code: int, messages: Sequence[dict[str, object]]) -> None:
    """The JSON document of a failure."""
    from ..records.numbers import to_json

    keys = ("file", "line", "column", "path", "message")
    listed = [{key: message.get(key) for key in keys} for message in messages]
    sys.stdout.write(to_json({"error": {"code": code, "messages": listed}}))


def save_traceback(error: BaseException) -> Path:
    """Write the traceback of a fault to a file of its own; returns where."""
    lines = traceback.format_exception(error)
    with tempfile.NamedTemporaryFile(
        "w", prefix="mlx-fault-", suffix=".txt", delete=False, encoding="utf-8"
    ) as file:
        file.writelines(lines)
    return Path(file.name)


def _message(problem: object) -> dict[str, object]:
    from ..specs.errors import Problem, dotted

    assert isinstance(problem, Problem)
    return {
        "file": problem.file,
        "line": problem.line,
        "column": problem.column,
        "path": dotted(problem.path) or None,
        "message": problem.message,
    }
