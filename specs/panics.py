"""Turns a panic of a library written in Rust into the error that it is: of data that it could not take."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from .errors import DataError


@contextmanager
def panics_as_errors() -> Generator[None]:
    """A panic of Polars, of the tokenizers or of safetensors leaves the block as DataError.

    Each library has a class of that name of its own, none of them an Exception and most not to be imported.
    """
    try:
        yield
    except BaseException as error:
        if type(error).__name__ != "PanicException":
            raise
        reason = next(iter(str(error).splitlines()), "").strip()
        message = f"a library gave up on the data ({reason}); they are damaged, or unknown to it."
        raise DataError(message) from error
