"""An experiment as flat values by dotted path, and the paths in which several differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    # At run time this would import pydantic, which reading records does not need.
    from .experiment import Experiment

Flat = dict[str, object]

UNCOUNTED = frozenset({"name", "seed", "compare", "ignore"})
"""The keys that tell one run from another but not one experiment."""


def flatten(experiment: Experiment) -> Flat:
    """Every value of a config by its dotted path, defaults too, without name, seed, `compare`, `ignore`."""
    data = cast("dict[str, object]", plain(experiment.model_dump(by_alias=True)))
    return flat_values({key: value for key, value in data.items() if key not in UNCOUNTED})


def flat_values(data: Mapping[str, object]) -> Flat:
    """Every value in nested mappings by its dotted path; an empty mapping is a value itself."""
    flat: Flat = {}
    for key, value in data.items():
        _flatten(key, value, flat)
    return flat


def varied_paths(flats: Sequence[Flat]) -> list[str]:
    """The paths whose values are not the same in all of these configs, in their order."""
    paths = list(dict.fromkeys(path for flat in flats for path in flat))
    return [path for path in paths if len({repr(flat.get(path)) for flat in flats}) > 1]


def telling_paths(paths: Sequence[str]) -> list[str]:
    """Of varied paths those that tell most: where a type differs, that alone, not all that comes with it."""
    parents = {path.rpartition(".")[0] for path in paths if path.rpartition(".")[2] in ("type", "source")}

    def is_told(path: str) -> bool:
        parent, _, step = path.rpartition(".")
        return parent in parents and step not in ("type", "source")

    return [path for path in paths if not is_told(path)]


def plain(value: object) -> object:
    """The same value without tuples, as reading YAML gives it."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in cast("dict[object, object]", value).items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in cast("list[object]", value)]
    return value


def _flatten(path: str, value: object, flat: Flat) -> None:
    if not isinstance(value, dict) or not value:
        flat[path] = value
        return
    for key, item in cast("dict[str, object]", value).items():
        _flatten(f"{path}.{key}", item, flat)
