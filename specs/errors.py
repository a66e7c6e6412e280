"""The errors a user can cause: located problems, and the exit code each kind ends with."""

from __future__ import annotations

import difflib
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import ClassVar

Path = tuple[str | int, ...]

MOST_SHOWN = 100
"""Problems of one command that are told; nobody reads more."""

_LONGEST_QUOTE = 60
_MOST_COMPARED = 50
_MOST_LISTED = 60


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong, and where.

    `path` is the key path in the YAML (`("model", "layers", "dense_1", "units")`); `line` and
    `column` count from 1.
    """

    message: str
    path: Path = ()
    file: str | None = None
    line: int | None = None
    column: int | None = None

    def at(self, *, file: str | None, line: int | None, column: int | None) -> Problem:
        """The same problem with its place filled in."""
        return replace(self, file=file, line=line, column=column)

    def __str__(self) -> str:
        place = ":".join(str(part) for part in (self.file, self.line, self.column) if part is not None)
        return ": ".join(part for part in (place, dotted(self.path), self.message) if part)


class MlxError(Exception):
    """Whatever a user can cause. `code` is the exit code of the command line.

    `outcome` is what is left of a run that it stopped, as a sentence.
    """

    code: ClassVar[int] = 1
    outcome: str | None = None

    def __init__(self, problems: str | Problem | Sequence[Problem]) -> None:
        if isinstance(problems, str):
            problems = Problem(problems)
        self.problems: tuple[Problem, ...] = (problems,) if isinstance(problems, Problem) else tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class ConfigError(MlxError):
    """The config, or the command line, is wrong: found before any data is read."""

    code = 2


class DataError(MlxError):
    """The data are missing, damaged, or do not fit the config."""

    code = 3


class DivergedError(MlxError):
    """A loss or a gradient is no longer a finite number."""

    code = 4


class GateError(MlxError):
    """A required condition on the results does not hold."""

    code = 5


class MachineError(MlxError):
    """Disk, memory, permission or a lost process."""

    code = 6


def dotted(path: Path) -> str:
    """`("model", "layers", 0)` as a user writes it: `model.layers.0`; odd keys in quotes."""
    return ".".join(_step(part) for part in path)


def _step(part: str | int) -> str:
    text = str(part)
    return text if text.isprintable() and len(text) <= _LONGEST_QUOTE else quoted(text)


def quoted(text: str) -> str:
    """`text` in quotes for a message: at most 60 characters of it, control characters escaped."""
    return repr(text if len(text) <= _LONGEST_QUOTE else text[: _LONGEST_QUOTE - 3] + "...")


@contextmanager
def limited_hints(most: int = MOST_SHOWN) -> Generator[None]:
    """Within the block only the first `most` unknown names are explained: each costs a comparison with all
    names there are, and a hostile config has thousands."""
    token = _hints_left.set(iter(range(most)))
    try:
        yield
    finally:
        _hints_left.reset(token)


_hints_left: ContextVar[Iterator[int] | None] = ContextVar("hints_left", default=None)


def nearest(name: str, allowed: Iterable[str]) -> str | None:
    """The allowed name that `name` was most likely meant to be, if any is close."""
    return _nearest(name, list(allowed)) if _may_explain() else None


def unknown_name(kind: str, given: str, allowed: Iterable[str], *, plural: str | None = None) -> str:
    """The one sentence for a name that does not exist: what, the nearest name, the first names there are.

    Example: `no output named 'aux_ouput'; did you mean 'aux_output'? Outputs: main_output, aux_output.`
    """
    if not _may_explain():
        return f"no {kind} named {quoted(given)}."
    names = list(allowed)
    guess = _nearest(given, names)
    hint = f"; did you mean {quoted(guess)}?" if guess else "."
    listing = f"{(plural or kind + 's').capitalize()}: {_listed(names)}."
    return f"no {kind} named {quoted(given)}{hint} {listing}"


def _may_explain() -> bool:
    left = _hints_left.get()
    return left is None or next(left, None) is not None


def _nearest(name: str, names: Sequence[str]) -> str | None:
    if len(name) > _LONGEST_QUOTE:  # comparing is quadratic, and no name is that long
        return None
    if len(names) > _MOST_COMPARED:
        ends = {name[:1], name[-1:]}
        alike = (each for each in names if abs(len(each) - len(name)) <= 2 and {each[:1], each[-1:]} & ends)
        names = [each for each, _ in zip(alike, range(_MOST_COMPARED), strict=False)]
    matches = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    return matches[0] if matches else None


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST_LISTED} more" if len(names) > _MOST_LISTED else ""
    return (", ".join(names[:_MOST_LISTED]) or "none") + more
