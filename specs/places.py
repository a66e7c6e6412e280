"""Where each part of a config stands: file, line and column of every key and value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from .errors import Path, Problem


@dataclass(frozen=True, slots=True)
class Place:
    """A point in a text. `line` and `column` count from 1; without them, the whole of `file`."""

    file: str | None = None
    line: int | None = None
    column: int | None = None


COMMAND_LINE = Place(file="command line")
"""Where everything set by an override stands."""


@dataclass(frozen=True, slots=True)
class Places:
    """The places of one value, of the key that names it, and of all that lies below.

    Takes no part in comparisons: where a config was written does not make it another config.
    """

    key: Place = field(default=Place(), compare=False)
    value: Place = field(default=Place(), compare=False)
    children: Mapping[str | int, Places] = field(default_factory=dict[str | int, "Places"], compare=False)

    def find(self, path: Path, *, of: Literal["key", "value"] = "value") -> Place:
        """The place of the key or the value at `path`; where unknown, of the nearest ancestor's key."""
        here = self
        for step in path:
            below = here.children.get(step)
            if below is None:
                return here.key
            here = below
        return here.key if of == "key" else here.value

    def locate(self, problem: Problem) -> Problem:
        """`problem` with its place filled in from its path, unless it already names a file.

        A single value is pointed at itself, a mapping or a list by its key.
        """
        if problem.file is not None:
            return problem
        place = self.find(problem.path, of="key" if self._holds_more(problem.path) else "value")
        return problem.at(file=place.file, line=place.line, column=place.column)

    def with_child(self, step: str | int, child: Places) -> Places:
        """The same places with those below `step` replaced."""
        return replace(self, children={**self.children, step: child})

    def _holds_more(self, path: Path) -> bool:
        here: Places | None = self
        for step in path:
            here = here.children.get(step) if here else None
        return bool(here and here.children)


def by_place(problem: Problem) -> tuple[bool, int, int]:
    """Sorting key: in the order of the text, then what stands on the command line or nowhere."""
    return problem.line is None, problem.line or 0, problem.column or 0
