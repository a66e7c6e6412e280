"""What reading a YAML text gives: the data, their places, and what was wrong with the text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from .errors import ConfigError, Path, Problem
from .places import Places, by_place

YamlValue: TypeAlias = "bool | int | float | str | list[YamlValue] | dict[str, YamlValue] | None"


@dataclass(frozen=True)
class Document:
    """A mapping read from a text. Values reached by an alias are shared: never change them in place.

    `problems` is what was wrong though reading could go on; whoever ends with a document must call
    `checked` or pass it to `validate`. `doubtful` are the paths of values that could not be read as
    they stand: it would be noise to complain about what is missing or wrong there as well.
    """

    data: dict[str, YamlValue]
    places: Places
    problems: tuple[Problem, ...] = ()
    doubtful: frozenset[Path] = frozenset()

    def checked(self) -> Document:
        """The document itself; ConfigError with all problems at once if there are any."""
        if self.problems:
            raise ConfigError(sorted(self.problems, key=by_place))
        return self
