"""Changes to a config: dotted paths set to values, and the paths in which configs differ."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import cast

from ..specs.document import Document, YamlValue
from ..specs.errors import ConfigError, Problem, unknown_name
from ..specs.experiment import Experiment
from ..specs.flat import plain
from ..specs.overrides import merge_overrides
from ..specs.places import COMMAND_LINE, Places
from ..specs.validation import validate

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
