"""The settings of a comparison: from a `compare:` section, a grid, or one config each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from ..specs.compare import EQUAL
from ..specs.errors import ConfigError, Problem, unknown_name
from ..specs.experiment import Experiment
from ..specs.flat import flatten, varied_paths
from ..specs.places import Places
from .changes import change
from .grid import combine, parse_axes

DEFAULT_SEEDS = 3


@dataclass(frozen=True)
class Setting:
    """One variant of the experiment; `changes` are the paths it sets, `experiment` its whole config."""

    name: str
    changes: Mapping[str, object]
    experiment: Experiment


@dataclass(frozen=True)
class Settings:
    """What is set side by side. `seeds` counts those of each setting; `equal` names the setting of equal
    weights that joined by itself, if one did."""

    settings: tuple[Setting, ...]
    baseline: str
    seeds: int
    equal: str | None = None


def settings_of_config(experiment: Experiment, *, vary: Sequence[str], allow_equal: bool) -> Settings:
    """The grid of `--vary` options where there are any, else the config's `compare:` section.

    Raises ConfigError with everything that is wrong in any setting, at its place.
    """
    section = experiment.compare
    given: Mapping[str, Mapping[str, object]] = combine(parse_axes(vary)) if vary else {}
    places: dict[str, dict[str, Places]] = {}
    if not vary and section is not None:
        given, places = section.settings, _section_places(experiment)
    if not given:
        example = "add 'compare: {settings: {NAME: {PATH: VALUE}}}', or give --vary PATH=V1,V2"
        problem = Problem(f"nothing to compare: {experiment.name} names no settings; {example}", ("compare",))
        raise ConfigError(experiment.locate([problem]))
    settings = collect(
        [
            lambda name=name, changes=changes: Setting(
                name, changes, change(experiment, changes, places=places.get(name))
            )
            for name, changes in given.items()
        ]
    )
    equal = None
    if allow_equal and (section is None or section.equal):
        equal = _equal_setting(experiment, settings)
    baseline = section.baseline if section is not None and not vary else None
    unchanged = flatten(experiment)
    like_config = [setting.name for setting in settings if flatten(setting.experiment) == unchanged]
    return Settings(
        settings=(*settings, *([equal] if equal else [])),
        baseline=baseline or next(iter(like_config), settings[0].name),
        seeds=section.seeds if section is not None else DEFAULT_SEEDS,
        equal=equal.name if equal else None,
    )


def settings_of_configs(configs: Mapping[str, Experiment], *, allow_equal: bool) -> Settings:
    """One setting per config; the first is the baseline."""
    flats = {name: flatten(experiment) for name, experiment in configs.items()}
    varied = varied_paths(list(flats.values()))
    settings = [
        Setting(
            name,
            {path: flats[name][path] for path in varied if path in flats[name]},
            experiment.model_copy(update={"compare": None}),
        )
        for name, experiment in configs.items()
    ]
    equal = _equal_setting(settings[0].experiment, settings) if allow_equal else None
    return Settings(
        settings=(*settings, *([equal] if equal else [])),
        baseline=settings[0].name,
        seeds=DEFAULT_SEEDS,
        equal=equal.name if equal else None,
    )


def choose_baseline(settings: Sequence[Setting], name: str | None, *, default: str) -> str:
    """The name of the baseline. Raises ConfigError where no setting is called so."""
    names = [setting.name for setting in settings]
    if (name or default) not in names:
        raise ConfigError(f"baseline: {unknown_name('setting', name or default, names)}")
    return name or default


def weights(experiment: Experiment) -> dict[str, float]:
    """The weight of every loss."""
    return {name: loss.weight for name, loss in experiment.losses.items()}


def weights_differ(settings: Iterable[Setting]) -> bool:
    """Whether the settings give their losses different weights."""
    return len({repr(sorted(weights(setting.experiment).items())) for setting in settings}) > 1


def totals_differ(settings: Iterable[Setting]) -> bool:
    """Whether the settings weigh or define what they sum differently: their totals are other quantities."""
    paths = varied_paths([flatten(setting.experiment) for setting in settings])
    return any(path.startswith(("losses.", "weighting")) or "regularizer" in path for path in paths)


def collect(makers: Sequence[Callable[[], Setting]]) -> list[Setting]:
    """All that the makers give; ConfigError with the problems of all that fail, each once."""
    made: list[Setting] = []
    problems: list[Problem] = []
    for make in makers:
        try:
            made.append(make())
        except ConfigError as error:
            problems += error.problems
    if problems:
        raise ConfigError(list(dict.fromkeys(problems)))
    return made


def _section_places(experiment: Experiment) -> dict[str, dict[str, Places]]:
    """Where each change of each setting is written."""
    here = experiment.places
    for step in ("compare", "settings"):
        here = here.children.get(step, Places())
    return {
        str(name): {str(path): place for path, place in below.children.items()}
        for name, below in here.children.items()
    }


def _equal_setting(base: Experiment, settings: Sequence[Setting]) -> Setting | None:
    """`base` with all weights 1.0, where that tells something that the settings do not."""
    names = {frozenset(setting.experiment.losses) for setting in settings}
    if len(base.losses) < 2 or len(names) > 1 or not weights_differ(settings):
        return None
    if flatten(base).get("weighting.type", "fixed") != "fixed":  # there the weights do not stay what they are
        return None
    if any(set(weights(setting.experiment).values()) == {1.0} for setting in settings):
        return None
    changes: dict[str, object] = {
        f"losses.{name}.weight": 1.0 for name, weight in weights(base).items() if weight != 1.0
    }
    taken = {setting.name for setting in settings}
    name = EQUAL if EQUAL not in taken else f"{EQUAL}_weights"
    return None if name in taken else Setting(name, changes, change(base, changes))
