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
    from ..specs.places import by_place

    try:
        yield
    except MlxError as error:
        problems = sorted(error.problems, key=by_place)
        for problem in problems:
            sys.stderr.write(f"mlx: {problem}\n")
        if json:
            print_failure(error.code, [_message(problem) for problem in problems])
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


def print_fault(error: BaseException, *, json: bool) -> None:
    """A fault of ours: one sentence for the user, and the traceback in a file for the report.

    The exit code, 1, is that of any Python program that ends with an error.
    """
    fault = f"{type(error).__name__}: {error}".strip(": ").splitlines()[0]
    text = f"a fault in mlx itself: {fault}; please report it with {_save_traceback(error)}"
    sys.stderr.write(f"mlx: {text}\n")
    if json:
        print_failure(1, [{"message": text}])


def _save_traceback(error: BaseException) -> Path:
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
