"""How large a config's numbers, texts and lists may be: a stranger's shall not take all time and memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, cast

from .errors import ConfigError, Path, Problem

if TYPE_CHECKING:
    # At run time this would be a circle.
    from pydantic import BaseModel

MOST_LAYERS = 800
"""Of a network; a layer inside a `replicate` counts twice, one inside two of them four times."""

MOST_COPIES = 10_000
"""Of layers: those inside a `replicate` times its `n`."""

MOST_ENTRIES = 5_000
"""Of any list or mapping."""

LARGEST_SIZE = 2**31 - 1
"""Of a whole number that describes a network or the data."""

LARGEST_INTEGER = 2**53
"""Of any whole number: up to here a 64-bit floating number is exact."""

LONGEST_TEXT = 4_096
"""Characters, as the longest path has in most systems."""

# Fewer than any list may have, since every entry is built, or stands for a curve, a column or an axis.
_MOST: Mapping[Path, int] = {
    ("model", "inputs"): 1_000,
    ("model", "outputs"): 128,
    ("losses",): 128,
    ("metrics",): 128,
    ("metrics", "*"): 64,
    ("thresholds",): 128,
    ("calibration",): 128,
    ("compare", "settings"): 1_000,
    ("data", "inputs"): 1_000,
    ("data", "targets"): 1_000,
    ("data", "shape"): 16,
    ("training", "early_stopping", "monitor"): 256,
}
_MOST_AXES = 16


def check_limits(experiment: BaseModel) -> None:
    """Raises ConfigError with every number, text, list and mapping of a config that is too large."""
    data = experiment.model_dump(by_alias=True)
    problems = [*_too_large(data, ()), *_too_many_layers(data)]
    if problems:
        raise ConfigError(problems)


def _too_large(value: object, path: Path) -> Iterator[Problem]:
    if isinstance(value, str):
        if len(value) > LONGEST_TEXT:
            yield Problem(f"must have at most {LONGEST_TEXT} characters, not {len(value)}", path)
    elif isinstance(value, int) and not isinstance(value, bool):
        is_size = path[:1] in (("model",), ("data",)) and path[-1] != "seed"
        largest = LARGEST_SIZE if is_size else LARGEST_INTEGER
        if abs(value) > largest:
            yield Problem(f"{_short(value)} is too large: a whole number here is at most {largest}", path)
    elif isinstance(value, dict | list | tuple):
        entries = cast("dict[str, object] | list[object]", value)
        yield from _too_many(entries, path)
        for key, item in entries.items() if isinstance(entries, dict) else enumerate(entries):
            yield from _too_large(item, (*path, key))


def _too_many(entries: dict[str, object] | list[object], path: Path) -> Iterator[Problem]:
    most = _MOST_AXES if path[-1:] == ("target_shape",) else MOST_ENTRIES
    for known in (path, (*path[:-1], "*")):
        most = min(most, _MOST.get(known, most))
    if len(entries) > most:
        yield Problem(f"must have at most {most} entries, not {len(entries)}", path)
    if isinstance(entries, dict):
        for key in entries:
            if len(key) > LONGEST_TEXT:
                yield Problem(f"a key must have at most {LONGEST_TEXT} characters, not {len(key)}", path)


def _too_many_layers(data: Mapping[str, object]) -> Iterator[Problem]:
    """Building is quick for a network of thousands of layers, but not for any that fits into a file."""
    layers, copies = 0, 0
    path: Path = ("model", "layers")
    waiting = [(cast("dict[str, object]", data["model"])["layers"], 1, 1)]
    while waiting:
        found, cost, times = waiting.pop()
        for layer in cast("dict[str, dict[str, object]]", found).values():
            layers += cost
            copies += times
            if "layers" in layer:
                within = min(times * cast("int", layer["n"]), MOST_COPIES + 1)
                waiting.append((layer["layers"], 2 * cost, within))
    if layers > MOST_LAYERS:
        counted = "those inside a replicate counted twice for each that they are in"
        yield Problem(f"has {layers} layers, {counted}; at most {MOST_LAYERS} can be built", path)
    if copies > MOST_COPIES:
        yield Problem(f"has more than {MOST_COPIES} layers with all copies, which cannot be built", path)


def _short(number: int) -> str:
    return str(number) if abs(number) < 10**20 else f"a number of {len(str(abs(number)))} digits"
