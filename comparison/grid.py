"""The grid of `--vary PATH=V1,V2,...` options: every combination of their values, with a name for each."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import cast

from ..specs.errors import ConfigError, Problem, quoted
from ..specs.places import COMMAND_LINE
from ..specs.wording import number_text
from ..specs.yaml_reader import parse_value

MOST_COMBINATIONS = 10_000


@dataclass(frozen=True)
class Axis:
    """One path and the values it takes."""

    path: str
    values: tuple[object, ...]


def parse_axes(options: Sequence[str]) -> list[Axis]:
    """The axes of `PATH=V1,V2,...` options; the values are YAML, separated by commas.

    Raises ConfigError with all that is wrong.
    """
    axes: list[Axis] = []
    problems: list[Problem] = []
    for option in options:
        try:
            axes.append(_axis(option))
        except ConfigError as error:
            problems += error.problems
    paths = [axis.path for axis in axes]
    repeated = sorted({path for path in paths if paths.count(path) > 1})
    problems += [_problem(f"{quoted(path)} is varied twice; give its values once") for path in repeated]
    if problems:
        raise ConfigError(problems)
    return axes


def combine(axes: Sequence[Axis]) -> dict[str, dict[str, object]]:
    """The changes of every combination by its name, the last axis running fastest.

    A name is made of the last two steps of each path: `aux.weight=0.2,optimizer.learning_rate=0.01`.
    """
    number = 1
    for axis in axes:
        number *= len(axis.values)
    if number > MOST_COMBINATIONS:
        raise ConfigError(_problem(f"--vary makes {number} settings; at most {MOST_COMBINATIONS}"))
    titles = _titles([axis.path for axis in axes])
    combinations = itertools.product(*(axis.values for axis in axes))
    grid: dict[str, dict[str, object]] = {}
    for values in combinations:
        name = ",".join(f"{title}={_text(value)}" for title, value in zip(titles, values, strict=True))
        grid[name] = {axis.path: value for axis, value in zip(axes, values, strict=True)}
    return grid


def setting_name(changes: dict[str, object]) -> str:
    """The name of one combination."""
    [name] = combine([Axis(path, (value,)) for path, value in changes.items()]) or [""]
    return name


def _axis(option: str) -> Axis:
    path, equals, text = option.partition("=")
    path = path.strip()
    if not equals or not path or not all(path.split(".")):
        example = "write PATH=V1,V2, such as losses.aux.weight=0,0.2,1"
        raise ConfigError(_problem(f"{quoted(option)} does not say what to vary; {example}"))
    try:
        parsed = parse_value(f"[{text}]", file=COMMAND_LINE.file or "")
    except ConfigError as error:
        raise ConfigError([_within(problem, path) for problem in error.problems]) from error
    if parsed.problems:
        raise ConfigError([_within(problem, path) for problem in parsed.problems])
    assert isinstance(parsed.data, list), "the brackets make a list"
    values = tuple(cast("list[object]", parsed.data))
    if not values:
        raise ConfigError(_within(_problem("names no value; write PATH=V1,V2"), path))
    texts = [_text(value) for value in values]
    repeated = [text for text in dict.fromkeys(texts) if texts.count(text) > 1]
    if repeated:
        raise ConfigError(_within(_problem(f"the value {', '.join(repeated)} is given more than once"), path))
    return Axis(path, values)


def _titles(paths: Sequence[str]) -> list[str]:
    short = [".".join(path.split(".")[-2:]) for path in paths]
    return [title if short.count(title) == 1 else path for title, path in zip(short, paths, strict=True)]


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool | int | float):
        return number_text(value)
    return json.dumps(value, ensure_ascii=False)


def _problem(message: str) -> Problem:
    return Problem(message, file=COMMAND_LINE.file)


def _within(problem: Problem, path: str) -> Problem:
    return replace(problem, path=tuple(path.split(".")), file=COMMAND_LINE.file, line=None, column=None)
