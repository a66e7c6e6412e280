"""The strict YAML reader: YAML 1.2 scalars, every place remembered, hostile text refused early."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import yaml

from .composer import Composer
from .document import Document, YamlValue
from .errors import ConfigError, Problem
from .places import Place, Places, by_place
from .source_text import source_text
from .syntax import syntax_problem
from .wording import kind_of


@dataclass(frozen=True)
class LooseValue:
    """A value that stands alone (as in an override) and what was wrong with it, paths from its root."""

    data: YamlValue
    problems: tuple[Problem, ...]


def read_yaml(source: str | bytes, *, file: str) -> Document:
    """The mapping in `source` with the place of every key and value; `file` is what messages call it.

    Raises ConfigError with all that is wrong, as far as reading could go on.
    """
    return parse_yaml(source, file=file).checked()


def parse_yaml(source: str | bytes, *, file: str) -> Document:
    """As `read_yaml`, but what leaves the rest readable is kept in the document's `problems`.

    Raises ConfigError only where there is no document to speak of.
    """
    composer = _composed(source_text(source, file=file), file=file)
    root = composer.root
    if root is None or root.value is None:
        composer.stop("the file is empty; a config is a mapping that begins with 'name: ...'", Place(file))
    if not isinstance(root.value, dict):
        composer.stop(f"a config must be a mapping at the top, not {kind_of(root.value)}", root.place)
    places = Places(key=root.place, value=root.place, children=root.children)
    return Document(root.value, places, tuple(composer.problems), frozenset(composer.doubtful))


def parse_value(text: str, *, file: str) -> LooseValue:
    """The value that `text` writes on one line: a scalar, or a list or mapping in flow style.

    Raises ConfigError where it cannot be read at all.
    """
    composer = _composed(source_text(text, file=file), file=file)
    if composer.block_root:
        message = "a list is written [a, b] here and a mapping {a: 1}; put text with ': ' or '- ' in quotes"
        composer.stop(message, Place(file))
    return LooseValue(composer.root.value if composer.root else None, tuple(composer.problems))


def _composed(text: str, *, file: str) -> Composer:
    composer = Composer(file)
    try:
        for event in _events(text):
            composer.take(event)
    except yaml.YAMLError as error:
        problem = syntax_problem(error, text=text, file=file)
        raise ConfigError(sorted([*composer.problems, problem], key=by_place)) from error
    return composer


def _events(text: str) -> Iterator[yaml.Event]:
    # Events, not nodes: PyYAML builds nodes by recursion. The C parser is some 20 times faster.
    loader = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader
    yield from yaml.parse(text, Loader=loader)
