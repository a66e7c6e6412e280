"""Tags of runs: words that a user gives them, in a file of their own beside what the run wrote."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import cast

from ..specs.errors import ConfigError, DataError, nearest, quoted
from .atomic import read_json, write_text
from .numbers import to_json
from .process import exclusive_access
from .run_folder import RunFolder

TAGS = "tags.json"

_TAG = re.compile(r"[A-Za-z0-9_.\-]{1,64}")


def read_tags(run: RunFolder) -> tuple[str, ...]:
    """The tags of a run in their order; none where it has none. Raises DataError if damaged."""
    path = run.path / TAGS
    document = read_json(path)
    if document is None:
        return ()
    tags = document.get("tags")
    if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in cast("list[object]", tags)):
        raise DataError(f"'{path}' is damaged: it holds no list of tags.")
    return tuple(cast("list[str]", tags))


def change_tags(run: RunFolder, *, add: Sequence[str] = (), remove: Sequence[str] = ()) -> tuple[str, ...]:
    """Give a run tags and take others from it; returns those that it has then, in alphabetical order.

    Of several processes each finds what the one before it wrote. Raises ConfigError for what cannot be a
    tag, and for one to remove that the run does not have; DataError, MachineError.
    """
    for tag in add:
        check_tag(tag)
    both = [tag for tag in add if tag in remove]
    if both:
        raise ConfigError(f"the tag {quoted(both[0])} cannot be both given and removed; choose one.")
    with exclusive_access(run.path):
        before = read_tags(run)
        for tag in remove:
            if tag not in before:
                raise ConfigError(_absent(run, tag, before))
        tags = sorted({*before, *add} - {*remove})
        if tags != list(before):
            write_text(run.path / TAGS, to_json({"tags": tags}))
    return tuple(tags)


def check_tag(tag: str) -> None:
    """Raises ConfigError for what cannot be a tag."""
    if _TAG.fullmatch(tag) is None:
        raise ConfigError(f"{quoted(tag)} cannot be a tag: use 1 to 64 letters, digits, '_', '.' or '-'.")


def _absent(run: RunFolder, tag: str, tags: Sequence[str]) -> str:
    guess = nearest(tag, tags)
    hint = f"; did you mean {quoted(guess)}?" if guess else "."
    listing = ", ".join(map(quoted, tags)) or "none"
    return f"run {quoted(run.name)} has no tag {quoted(tag)}{hint} Tags: {listing}."
