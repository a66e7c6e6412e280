"""Builds a value from the events of a YAML parser: strict, located, and safe against hostile text."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NoReturn

import yaml

from .document import YamlValue
from .errors import ConfigError, Path, Problem, quoted
from .places import Place, Places, by_place
from .scalars import plain_scalar
from .wording import described

MAX_VALUES = 20_000
MAX_DEPTH = 64
MAX_PROBLEMS = 100


@dataclass(slots=True)
class Node:
    """A value being read, with all below it: `size` values (aliases written out), `height` levels."""

    value: YamlValue
    place: Place
    children: dict[str | int, Places]
    size: int = 1
    height: int = 0


@dataclass(slots=True)
class _Frame:
    """A list or mapping that is still open. `key` waits for its value; its text is None if it is unusable."""

    node: Node
    anchor: str | None
    key: tuple[str | None, Place] | None = None

    def step(self) -> str | int | None:
        if isinstance(self.node.value, list):
            return len(self.node.value)
        return self.key[0] if self.key else None


class Composer:
    """Builds the value from parser events on a stack of its own, so that depth costs no recursion."""

    def __init__(self, file: str) -> None:
        self.root: Node | None = None
        self.block_root = False
        self.problems: list[Problem] = []
        self.doubtful: set[Path] = set()
        self._file = file
        self._frames: list[_Frame] = []
        self._anchors: dict[str, Node] = {}
        self._num_values = 0

    def take(self, event: yaml.Event) -> None:
        """One step on: `event` is the next of the parser's."""
        place = self._place(event)
        if isinstance(event, yaml.ScalarEvent):
            self._refuse_tag(event, place)
            node = Node(self._scalar(event, place), place, {})
            self._remember(event.anchor, node)
            self._add(node, is_merge=event.value == "<<" and _is_plain(event))
        elif isinstance(event, yaml.AliasEvent):
            self._add(self._aliased(event, place))
        elif isinstance(event, yaml.CollectionStartEvent):
            self._refuse_tag(event, place)
            self._open(event, place)
        elif isinstance(event, yaml.CollectionEndEvent):
            frame = self._frames.pop()
            self._remember(frame.anchor, frame.node)
            self._add(frame.node)
        elif isinstance(event, yaml.DocumentStartEvent) and self.root is not None:
            self.stop("a second document begins here; a config is a single document", place)

    def stop(self, message: str, place: Place) -> NoReturn:
        """Ends the reading with this problem and all found before it."""
        problem = Problem(message, (), place.file, place.line, place.column)
        raise ConfigError(sorted([*self.problems, problem], key=by_place))

    def _place(self, event: yaml.Event) -> Place:
        return Place(self._file, event.start_mark.line + 1, event.start_mark.column + 1)

    def _path(self) -> Path:
        return tuple(step for frame in self._frames if (step := frame.step()) is not None)

    def _report(self, message: str, place: Place, *, doubtful: bool = False) -> None:
        if len(self.problems) >= MAX_PROBLEMS:
            self.stop(f"more than {MAX_PROBLEMS} problems; the rest is not read", place)
        self.problems.append(Problem(message, self._path(), place.file, place.line, place.column))
        if doubtful:
            self.doubtful.add(self._path())

    def _refuse_tag(self, event: yaml.ScalarEvent | yaml.CollectionStartEvent, place: Place) -> None:
        if event.tag is not None:
            tag = quoted(str(event.tag).replace("tag:yaml.org,2002:", "!!"))
            self._report(f"tags are not allowed: remove {tag}, or put the text in quotes", place)

    def _scalar(self, event: yaml.ScalarEvent, place: Place) -> YamlValue:
        if not _is_plain(event):
            return event.value
        try:
            return plain_scalar(event.value)
        except ValueError as error:
            self._report(str(error), place, doubtful=True)
            return None

    def _open(self, event: yaml.CollectionStartEvent, place: Place) -> None:
        if len(self._frames) >= MAX_DEPTH:
            self.stop(f"nested more than {MAX_DEPTH} levels deep", place)
        self.block_root |= not self._frames and not event.flow_style
        value: YamlValue = {} if isinstance(event, yaml.MappingStartEvent) else []
        self._anchors.pop(str(event.anchor), None)  # from here on, the name means what is being read
        self._frames.append(_Frame(Node(value, place, {}, height=1), event.anchor))

    def _remember(self, anchor: str | None, node: Node) -> None:
        self._count(node, new=1)
        if anchor is not None:
            self._anchors[anchor] = node

    def _aliased(self, event: yaml.AliasEvent, place: Place) -> Node:
        name = str(event.anchor)
        node = self._anchors.get(name)
        if node is None:
            inside = any(frame.anchor == name for frame in self._frames)
            reason = (
                "stands inside what it refers to"
                if inside
                else f"has no anchor {quoted('&' + name)} above it"
            )
            fix = "" if inside else "; put text that begins with '*' in quotes"
            self._report(f"the alias {quoted('*' + name)} {reason}{fix}", place, doubtful=True)
            return Node(None, place, {})
        if len(self._frames) + node.height > MAX_DEPTH:
            self.stop(f"nested more than {MAX_DEPTH} levels deep", place)
        self._count(node, new=node.size)
        return replace(node, place=place)

    def _count(self, node: Node, *, new: int) -> None:
        self._num_values += new
        if self._num_values > MAX_VALUES:
            self.stop(
                f"more than {MAX_VALUES:,} values, each alias counted as what it stands for", node.place
            )

    def _add(self, node: Node, *, is_merge: bool = False) -> None:
        if not self._frames:
            self.root = node
            return
        frame = self._frames[-1]
        frame.node.size += node.size
        frame.node.height = max(frame.node.height, node.height + 1)
        if isinstance(frame.node.value, list):
            index = len(frame.node.value)
            frame.node.value.append(node.value)
            frame.node.children[index] = Places(key=node.place, value=node.place, children=node.children)
        elif frame.key is None:
            frame.key = (self._key(frame, node, is_merge=is_merge), node.place)
        else:
            self._add_entry(frame, frame.key, node)

    def _key(self, frame: _Frame, node: Node, *, is_merge: bool) -> str | None:
        """The text of a key, or None if its entry cannot be used."""
        key = node.value
        if is_merge:
            self._report("merge keys ('<<') are not allowed; write the keys out", node.place, doubtful=True)
            return None
        if isinstance(key, str):
            return key
        fix = "" if isinstance(key, dict | list) else "; put it in quotes"
        self._report(f"a key must be text, not {described(key)}{fix}", node.place, doubtful=True)
        return None

    def _add_entry(self, frame: _Frame, key: tuple[str | None, Place], node: Node) -> None:
        text, place = key
        frame.key = None
        if text is None or not isinstance(frame.node.value, dict):
            return
        first = frame.node.children.get(text)
        if first is not None:
            before = f"it is first given at line {first.key.line}, column {first.key.column}"
            self._report(f"duplicate key {quoted(text)}; {before}", place)
            return
        frame.node.value[text] = node.value
        frame.node.children[text] = Places(key=place, value=node.place, children=node.children)


def _is_plain(event: yaml.ScalarEvent) -> bool:
    return not event.style and event.tag is None
