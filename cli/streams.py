"""Streams that may go away under a command: its messages are lost then, and nothing else."""

from __future__ import annotations

import errno
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import TextIO, cast


class ReaderGone(Exception):  # noqa: N818
    """Nobody reads the results any more.

    No BrokenPipeError: the libraries that print for us take that for a failure of their own, exit code 1.
    """


class HarmlessStream:
    """A stream of messages whose end does no harm: what cannot be written any more is dropped."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write, or drop, a text; its length either way."""
        try:
            return self._stream.write(text)
        except OSError:
            drop_output(self._stream)
            return len(text)

    def flush(self) -> None:
        """Flush what can be."""
        try:
            self._stream.flush()
        except OSError:
            drop_output(self._stream)

    def __getattr__(self, name: str) -> object:
        return getattr(self._stream, name)


class ResultStream:
    """A stream of results: one that cannot be written is the machine's failure, as any other file is.

    A reader that went away is none: it raises ReaderGone.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write a text; its length. Raises MachineError."""
        try:
            return self._stream.write(text)
        except OSError as error:
            raise _failure(error, self._stream) from error

    def flush(self) -> None:
        """Flush. Raises MachineError."""
        try:
            self._stream.flush()
        except OSError as error:
            raise _failure(error, self._stream) from error

    def __getattr__(self, name: str) -> object:
        return getattr(self._stream, name)


def write_bytes(data: bytes) -> None:
    """Send bytes to stdout at once. Raises ReaderGone, or MachineError for what the system says."""
    try:
        if hasattr(sys.stdout, "buffer"):
            sys.stdout.buffer.write(data)
        else:
            sys.stdout.write(data.decode("utf-8"))
        sys.stdout.flush()
    except OSError as error:
        raise _failure(error, sys.stdout) from error


def prepare_streams() -> None:
    """Streams that were closed before the start swallow what is written; messages can never fail."""
    if sys.stdout is None:  # pyright: ignore[reportUnnecessaryComparison]
        sys.stdout = _nowhere()
    if sys.stderr is None:  # pyright: ignore[reportUnnecessaryComparison]
        sys.stderr = _nowhere()
    if not isinstance(sys.stderr, HarmlessStream):
        sys.stderr = cast("TextIO", HarmlessStream(sys.stderr))
        sys.stdout = cast("TextIO", ResultStream(sys.stdout))


def drop_output(stream: TextIO) -> None:
    """Send all that a stream still holds, and gets, nowhere: else the interpreter fails on it at its end."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


def _failure(error: OSError, stream: TextIO) -> Exception:
    from ..records.atomic import disk_error

    drop_output(stream)
    if error.errno in (errno.EPIPE, errno.EIO):  # a closed pipe, a closed terminal
        return ReaderGone()
    return disk_error("write", Path("standard output"), error)


def _nowhere() -> TextIO:
    return open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123
