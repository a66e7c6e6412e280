"""Settings from sections, grids and configs: names, baselines, and when equal weights join."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from mlx_runner.comparison.settings import (
    choose_baseline,
    settings_of_config,
    settings_of_configs,
    totals_differ,
)
from mlx_runner.specs.errors import ConfigError
from mlx_runner.specs.experiment import Experiment
from mlx_runner.specs.load import load_experiment

Load = Callable[..., Experiment]


def test_a_section(load: Load) -> None:
    settings = settings_of_config(load(), vary=(), allow_equal=True)
    weights = {each.name: each.experiment.losses["digit"].weight for each in settings.settings}
    assert weights == {"paper": 0.5, "no_digit": 0.0, "equal": 1.0}
    assert (settings.baseline, settings.seeds, settings.equal) == ("paper", 2, "equal")
    assert [dict(each.changes) for each in settings.settings] == [
        {},
        {"losses.digit.weight": 0.0},
        {"losses.digit.weight": 1.0},
    ]
    assert all(each.experiment.compare is None for each in settings.settings)


def test_a_grid_goes_before_the_section(load: Load) -> None:
    vary = ("losses.digit.weight=0.25,0.5",)
    settings = settings_of_config(load(), vary=vary, allow_equal=True)
    assert [each.name for each in settings.settings] == ["digit.weight=0.25", "digit.weight=0.5", "equal"]
    assert settings.baseline == "digit.weight=0.5", "the one that is the config as it stands"
    assert settings.seeds == 2, "the section still says how many seeds"


@pytest.mark.parametrize(
    "overrides",
    [
        ["compare.equal=false"],
        ["compare.settings.all={losses.digit.weight: 1.0}"],
        ["compare.settings={paper: {}, slow: {optimizer.learning_rate: 1e-4}}"],
    ],
    ids=["refused", "there already", "weights do not vary"],
)
def test_equal_weights_do_not_join(load: Load, overrides: list[str]) -> None:
    settings = settings_of_config(load(*overrides), vary=(), allow_equal=True)
    assert settings.equal is None
    assert "equal" not in [each.name for each in settings.settings]


def test_equal_weights_are_refused_on_the_command_line(load: Load) -> None:
    assert settings_of_config(load(), vary=(), allow_equal=False).equal is None


def test_equal_weights_find_a_name(load: Load) -> None:
    experiment = load("compare.settings.equal={losses.digit.weight: 0.7}")
    assert settings_of_config(experiment, vary=(), allow_equal=True).equal == "equal_weights"


def test_nothing_to_compare(two: Path) -> None:
    two.write_text(two.read_text("utf-8").partition("compare:")[0], "utf-8")
    with pytest.raises(ConfigError, match="compare: nothing to compare: two names no settings"):
        settings_of_config(load_experiment(str(two)), vary=(), allow_equal=True)


def test_mistakes_of_all_settings_at_their_lines(two: Path) -> None:
    text = two.read_text("utf-8")
    text = text.replace(
        "no_digit: {losses.digit.weight: 0.0}", "a: {losses.digt.weight: 0}\n    b: {seed: 1}"
    )
    two.write_text(text + "    c: {losses.digit.weight: -1}\n", "utf-8")
    with pytest.raises(ConfigError) as failure:
        settings_of_config(load_experiment(str(two)), vary=(), allow_equal=True)
    lines = text.splitlines()
    a, b = (next(i for i, line in enumerate(lines, 1) if line.startswith(f"    {name}:")) for name in "ab")
    told = [(each.line, each.column, each.path) for each in failure.value.problems]
    assert told == [
        (a, 9, ("losses", "digt", "weight")),
        (b, 9, ("seed",)),
        (b + 1, 30, ("losses", "digit", "weight")),
    ]


def test_the_baseline_of_a_section_must_be_there(load: Load) -> None:
    with pytest.raises(
        ConfigError, match=r"compare\.baseline: no setting named 'papr'; did you mean 'paper'"
    ):
        load("compare.baseline=papr")
    assert load("compare.baseline=equal").compare is not None
    settings = settings_of_config(load("compare.baseline=equal"), vary=(), allow_equal=False)
    with pytest.raises(ConfigError, match=r"no setting named 'equal'\. Settings: paper, no_digit"):
        choose_baseline(settings.settings, None, default=settings.baseline)


def test_configs_as_settings(load: Load) -> None:
    configs = {"a": load(), "b": load("losses.digit.weight=0.1"), "c": load("training.epochs=3")}
    settings = settings_of_configs(configs, allow_equal=True)
    assert [each.name for each in settings.settings] == ["a", "b", "c", "equal"]
    assert dict(settings.settings[1].changes) == {"losses.digit.weight": 0.1, "training.epochs": 1}
    assert settings.baseline == "a"


def test_totals_differ_with_what_is_summed(load: Load) -> None:
    def differ(*overrides: str) -> bool:
        configs = {"a": load(), "b": load(*overrides)}
        return totals_differ(settings_of_configs(configs, allow_equal=False).settings)

    assert differ("losses.digit.weight=0.1")
    assert differ("losses.digit.label_smoothing=0.1")
    assert differ("model.layers.hidden.kernel_regularizer={l2: 0.01}")
    assert not differ("optimizer.learning_rate=0.1")
