"""Overrides from the command line: `key.path=value` arguments merged into a document."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from .document import Document, YamlValue
from .errors import ConfigError, Path, Problem, quoted
from .places import COMMAND_LINE, Places
from .wording import kind_of
from .yaml_reader import parse_value

MAX_STEPS = 32

_SET_HERE = Places(key=COMMAND_LINE, value=COMMAND_LINE)
_INDEX = re.compile(r"[0-9]{1,6}")


def apply_overrides(document: Document, overrides: Iterable[str]) -> Document:
    """`document` with every `key.path=value` set, in order; the value is YAML, nothing is null.

    Missing mappings are made on the way; a number names an existing item of a list; a key that has
    dots itself is found before its parts are. Raises ConfigError with all that is wrong.
    """
    return merge_overrides(document, overrides).checked()


def merge_overrides(document: Document, overrides: Iterable[str]) -> Document:
    """As `apply_overrides`, but an override that cannot be used is left out and kept in `problems`."""
    for argument in overrides:
        try:
            document = _merged(document, argument)
        except ConfigError as error:
            document = replace(document, problems=document.problems + error.problems)
    return document


@dataclass(frozen=True)
class _Override:
    steps: tuple[str, ...]
    value: YamlValue


def _merged(document: Document, argument: str) -> Document:
    override = _parsed(argument)
    data, places = _assigned(document.data, document.places, override.steps, value=override.value, path=())
    assert isinstance(data, dict), "a path of one step or more leaves the top a mapping"
    return replace(document, data=data, places=places)


def _parsed(argument: str) -> _Override:
    key, equals, text = argument.partition("=")
    steps = tuple(key.strip().split("."))
    if not equals or not all(steps):
        example = "write key.path=value, such as training.epochs=5"
        raise _refusal(f"{quoted(argument)} is not an override; {example}", ())
    if len(steps) > MAX_STEPS:
        raise _refusal(f"{quoted(argument)} is nested more than {MAX_STEPS} levels deep", ())
    try:
        value = parse_value(text, file=COMMAND_LINE.file or "")
    except ConfigError as error:
        raise _below(error.problems, steps) from error
    if value.problems:
        raise _below(value.problems, steps)
    return _Override(steps, value.data)


def _assigned(
    data: YamlValue, places: Places, steps: tuple[str, ...], *, value: YamlValue, path: Path
) -> tuple[YamlValue, Places]:
    """Copies of `data` and `places` with `value` at `steps`; nothing is changed in place."""
    if not steps:
        return value, _SET_HERE
    if isinstance(data, list):
        index = _index(data, steps[0], path)
        below = places.children.get(index, _SET_HERE)
        item, below = _assigned(data[index], below, steps[1:], value=value, path=(*path, index))
        return [*data[:index], item, *data[index + 1 :]], places.with_child(index, below)
    if data is not None and not isinstance(data, dict):
        message = f"cannot set {quoted('.'.join(steps))} in it: it is {kind_of(data)}, not a mapping"
        raise _refusal(message, path)
    mapping = data or {}
    key, rest = _matched(mapping, steps)
    below = places.children.get(key, _SET_HERE)
    entry, below = _assigned(mapping.get(key), below, rest, value=value, path=(*path, key))
    return {**mapping, key: entry}, places.with_child(key, below)


def _matched(mapping: dict[str, YamlValue], steps: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
    """The key that `steps` begin with, the longest that exists, and the steps after it."""
    for num_steps in range(len(steps), 1, -1):
        key = ".".join(steps[:num_steps])
        if key in mapping:
            return key, steps[num_steps:]
    return steps[0], steps[1:]


def _index(items: list[YamlValue], step: str, path: Path) -> int:
    if _INDEX.fullmatch(step) and int(step) < len(items):
        return int(step)
    allowed = f"its items are 0 to {len(items) - 1}" if items else "it has none"
    raise _refusal(f"no item {quoted(step)} in this list; {allowed}", path)


def _refusal(message: str, path: Path) -> ConfigError:
    return ConfigError(Problem(message, path, file=COMMAND_LINE.file))


def _below(problems: Sequence[Problem], steps: tuple[str, ...]) -> ConfigError:
    """The problems of a value as problems of the override: its path, and no line or column."""
    return ConfigError(
        [replace(problem, path=(*steps, *problem.path), line=None, column=None) for problem in problems]
    )
