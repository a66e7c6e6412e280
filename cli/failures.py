"""What a failed command prints, and the code it exits with."""

from __future__ import annotations

import sys
import tempfile
import traceback
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from signal import Signals
from typing import TYPE_CHECKING

import typer

from .plain_text import plain
from .streams import ReaderGone

if TYPE_CHECKING:
    # Not at run time: `mlx --help` starts without them.
    from ..specs.errors import MachineError, MlxError, Problem
    from ..training.interruption import Interruption

INTERRUPTED = 130
ABORTED = 130
"""A question was not answered, or with no."""
CLOSED_PIPE = 141
"""As a shell tells that a program ended by SIGPIPE: 128 and the signal's number."""

_LONGEST_MESSAGE = 4_000
"""Characters: names that a config or a table may choose stand in messages."""


@contextmanager
def reported_failures(*, json: bool, anywhere: bool = False) -> Generator[Interruption]:
    """Turn every error a user can cause, and every signal, into its messages and its exit code.

    Messages go to stderr, one line each; with `json` one document goes to stdout as well. What is yielded
    takes in the signals, for a command that has something to save. anywhere: also where the current folder
    was deleted, where no command begins.
    """
    from ..specs.errors import MlxError, limited_hints
    from ..specs.machine_failures import FAILURES
    from ..specs.panics import panics_as_errors
    from ..training.interruption import Interruption
    from .signals import handled_signals

    interruption = Interruption()
    try:
        with handled_signals(interruption), limited_hints(), panics_as_errors():
            if not anywhere:
                _require_current_folder()
            with _told_as_interrupt(interruption):
                yield interruption
    except MlxError as error:
        _print_error(error, json=json)
        raise typer.Exit(error.code) from None
    except ReaderGone:
        # It has seen enough; nothing was lost, for the results come last.
        raise typer.Exit(CLOSED_PIPE) from None
    except KeyboardInterrupt as error:
        raise typer.Exit(_print_interrupt(error, json=json)) from None
    except FAILURES as error:
        told = _machine_error(error)
        _print_error(told, json=json)
        raise typer.Exit(told.code) from None


@contextmanager
def _told_as_interrupt(interruption: Interruption) -> Generator[None]:
    """An import that a signal broke off may fail in words of its own, which are not the reason."""
    from ..specs.errors import MlxError
    from ..training.interruption import Interrupted

    try:
        yield
    except (MlxError, typer.Exit, ReaderGone):
        raise
    except Exception as error:
        if interruption.raised is None:
            raise
        raise Interrupted(interruption.raised) from error


def _print_interrupt(error: KeyboardInterrupt, *, json: bool) -> int:
    """Says by what a command was stopped, and what is left; returns the exit code."""
    from ..training.interruption import Interrupted

    code, text = INTERRUPTED, "interrupted"
    if isinstance(error, Interrupted):
        code, text = 128 + error.signal, f"interrupted by {Signals(error.signal).name}"
        text += f"; {error.outcome}" if error.outcome else ""
    sys.stderr.write(f"mlx: {plain(text)}\n")
    if json:
        print_failure(code, [{"message": text}])
    return code


def _require_current_folder() -> None:
    """Raises MachineError where it was deleted: every relative path would fail in a way of its own."""
    from ..specs.errors import MachineError

    try:
        Path.cwd()
    except OSError:
        message = "the current folder does not exist any more; change to one that does."
        raise MachineError(message) from None


def _machine_error(error: BaseException) -> MachineError:
    """What is told of a failure of the machine; any other error is raised again."""
    from ..specs.errors import MachineError
    from ..specs.machine_failures import describe_failure

    sentence = describe_failure(error)
    if sentence is None:
        raise error
    return MachineError(sentence)


def _print_error(error: MlxError, *, json: bool) -> None:
    problems = _problems_shown(error)
    for problem in problems:
        sys.stderr.write(f"mlx: {plain(str(problem))}\n")
    if error.outcome is not None:
        sys.stderr.write(f"{plain(error.outcome)}\n")
    if json:
        print_failure(error.code, [_message(problem) for problem in problems])


def _problems_shown(error: MlxError) -> list[Problem]:
    """The problems in the order of the text, as many and as long as anybody reads."""
    from ..specs.errors import MOST_SHOWN, Problem
    from ..specs.places import by_place

    problems = sorted(error.problems, key=by_place)
    shown = [
        replace(each, message=f"{each.message[:_LONGEST_MESSAGE]}...")
        if len(each.message) > _LONGEST_MESSAGE
        else each
        for each in problems[:MOST_SHOWN]
    ]
    return shown + (
        [Problem(f"and {more} more problems")] if (more := len(problems) - MOST_SHOWN) > 0 else []
    )


def print_usage_error(error: typer.TyperException, *, json: bool) -> int:
    """The message for a command line that Typer refused; returns the exit code, 2."""
    text = error.format_message()
    sys.stderr.write(f"mlx: {plain(text)}\n" if text else "")
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
    text = f"a fault in mlx itself: {fault}; please report it with {_save_traceback(error) or _place(error)}"
    sys.stderr.write(f"mlx: {plain(text)}\n")
    if json:
        print_failure(1, [{"message": text}])


def _save_traceback(error: BaseException) -> Path | None:
    """The file that the traceback is in; None where no temporary file can be written."""
    lines = traceback.format_exception(error)
    try:
        with tempfile.NamedTemporaryFile(
            "w", prefix="mlx-fault-", suffix=".txt", delete=False, encoding="utf-8"
        ) as file:
            file.writelines(lines)
    except OSError:
        return None
    return Path(file.name)


def _place(error: BaseException) -> str:
    """Where it was raised, which is the best there is without the traceback."""
    *_, frame = traceback.extract_tb(error.__traceback__)
    return (
        f"its place, line {frame.lineno} of {Path(frame.filename).name}, as no temporary file can be written"
    )


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
