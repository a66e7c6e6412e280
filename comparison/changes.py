"""Changes to a config: dotted paths set to values, and the paths in which configs differ."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import cast

from ..specs.document import Document, YamlValue
from ..specs.errors import ConfigError, Problem, unknown_name
from ..specs.experiment import Experiment
from ..specs.overrides import merge_overrides
from ..specs.places import COMMAND_LINE, Places
from ..specs.validation import validate

Flat = dict[str, object]

_PER_MEMBER = {
    "seed": "every setting runs on the same seeds; use --seeds, or seed=N for the first of them",
    "name": "a setting is known by its own name",
    "compare": "a setting cannot hold settings",
    "ignore": "it moves no number; write it at the top of the config",
}


def change(
    experiment: Experiment, changes: Mapping[str, object], *, places: Mapping[str, Places] | None = None
) -> Experiment:
    """The experiment with every dotted path set to its value, as overrides set them; `compare` is gone.

    places: where each change is written; without them, on the command line. Raises ConfigError with all
    that is wrong, at the place of the change.
    """
    data = cast("dict[str, YamlValue]", plain(experiment.model_dump(by_alias=True, exclude_unset=True)))
    data.pop("compare", None)
    document = Document(data, experiment.places)
    problems: list[Problem] = []
    for path, value in changes.items():
        given = (places or {}).get(path, Places(key=COMMAND_LINE, value=COMMAND_LINE))
        try:
            document = _changed(document, experiment, path, value, given)
        except ConfigError as error:
            problems += error.problems
    try:
        changed = validate(Experiment, document)
    except ConfigError as error:
        raise ConfigError([*problems, *error.problems]) from error
    if problems:
        raise ConfigError(problems)
    return changed


def flatten(experiment: Experiment) -> Flat:
    """Every value of a config by its dotted path, defaults too, without name, seed, `compare`, `ignore`."""
    data = cast("dict[str, object]", plain(experiment.model_dump(by_alias=True)))
    flat: Flat = {}
    for key, value in data.items():
        if key not in _PER_MEMBER:
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


def _changed(document: Document, experiment: Experiment, path: str, value: object, given: Places) -> Document:
    steps = path.split(".")
    message = _refusal(experiment, steps)
    if message is not None:
        raise _located([Problem(message, tuple(steps))], given)
    try:
        # JSON is YAML in flow style, so that this is the override a user would type.
        text = json.dumps(plain(value), ensure_ascii=False)
        merged = merge_overrides(document, [f"{path}={text}"]).checked()
    except ConfigError as error:
        raise _located(error.problems, given) from error
    return replace(merged, places=_replaced(merged.places, steps, given))


def _refusal(experiment: Experiment, steps: Sequence[str]) -> str | None:
    """Why these steps cannot be changed; None where it is for the models to say."""
    if steps[0] in _PER_MEMBER:
        return f"cannot be changed by a setting: {_PER_MEMBER[steps[0]]}"
    if steps[0] == "losses" and len(steps) > 2 and steps[1] not in experiment.losses:
        return unknown_name("loss", steps[1], experiment.losses, plural="losses")
    layers = experiment.model.layers
    if steps[:2] == ["model", "layers"] and len(steps) > 3 and steps[2] not in layers:
        return unknown_name("layer", steps[2], layers)
    return None


def _located(problems: Sequence[Problem], given: Places) -> ConfigError:
    place = given.key
    return ConfigError(
        [problem.at(file=place.file, line=place.line, column=place.column) for problem in problems]
    )


def _replaced(places: Places, steps: Sequence[str], given: Places) -> Places:
    """The places with those at `steps` replaced: what a change sets stands where the change is written."""
    if not steps:
        return given
    step = int(steps[0]) if steps[0] not in places.children and steps[0].isdigit() else steps[0]
    below = places.children.get(step)
    if below is None:  # a key with dots in it: it stays on the command line
        return places
    return places.with_child(step, _replaced(below, steps[1:], given))


def _flatten(path: str, value: object, flat: Flat) -> None:
    if not isinstance(value, dict) or not value:
        flat[path] = value
        return
    for key, item in cast("dict[str, object]", value).items():
        _flatten(f"{path}.{key}", item, flat)
