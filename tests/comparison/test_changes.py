"""Changes are overrides with places of their own; two configs differ where their values do."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from mlx_runner.comparison.changes import change
from mlx_runner.specs.errors import ConfigError
from mlx_runner.specs.experiment import Experiment
from mlx_runner.specs.flat import flatten, telling_paths, varied_paths
from mlx_runner.specs.places import Place, Places

Load = Callable[..., Experiment]


@pytest.mark.parametrize(
    ("path", "value", "text"),
    [
        ("losses.digit.weight", 0.25, "0.25"),
        ("losses.digit.label_smoothing", 1e-05, "1e-05"),
        ("optimizer", {"type": "sgd", "momentum": 0.5}, "{type: sgd, momentum: 0.5}"),
        ("metrics.digit", ["top_k_accuracy"], "[top_k_accuracy]"),
        ("metrics.digit.0", "top_k_accuracy", "top_k_accuracy"),
        ("model.layers.hidden.activation", "tanh", "tanh"),
        ("training.early_stopping.patience", 3, "3"),
        ("data.shape", None, "null"),
    ],
)
def test_a_change_is_the_override(load: Load, path: str, value: object, text: str) -> None:
    changed = change(load(), {path: value})
    assert flatten(changed) == flatten(load(f"{path}={text}"))
    assert changed.compare is None


def test_another_type_forgets_what_the_first_one_left_unsaid(load: Load) -> None:
    """Defaults of adam are no keys of sgd."""
    assert flatten(change(load(), {"optimizer.type": "sgd"}))["optimizer.learning_rate"] == 0.01


def test_problems_stand_where_the_change_is_written(load: Load) -> None:
    given = Places(key=Place("file.yaml", 7, 3), value=Place("file.yaml", 7, 9))
    changes: dict[str, object] = {
        "losses.digit.weight": "heavy",
        "losses.digt.weight": 1.0,
        "seed": 3,
        "training.epochs.x": 1,
    }
    with pytest.raises(ConfigError) as failure:
        change(load(), changes, places=dict.fromkeys(changes, given))
    told = {(problem.path, problem.file, problem.line) for problem in failure.value.problems}
    assert told == {
        (("losses", "digt", "weight"), "file.yaml", 7),
        (("seed",), "file.yaml", 7),
        (("training", "epochs"), "file.yaml", 7),
        (("losses", "digit", "weight"), "file.yaml", 7),
    }
    said = {problem.message for problem in failure.value.problems}
    assert "no loss named 'digt'; did you mean 'digit'? Losses: attributes, digit." in said


def test_name_seed_and_sections_belong_to_no_setting(load: Load) -> None:
    for path in ("name", "seed", "compare.seeds", "ignore"):
        with pytest.raises(ConfigError, match="cannot be changed by a setting"):
            change(load(), {path: 1})


def test_varied_paths(load: Load) -> None:
    flats = [flatten(load()), flatten(load("losses.digit.weight=0.1", "seed=4", "name=other"))]
    assert varied_paths(flats) == ["losses.digit.weight"]
    assert varied_paths([flats[0]]) == []
    assert varied_paths([flats[0], flatten(load("ignore=[MLX107]"))]) == []
    assert change(load("ignore=[MLX107]"), {"losses.digit.weight": 0.1}).ignore == ["MLX107"]
    with_sgd = [flats[0], flatten(load("optimizer.type=sgd"))]
    assert "optimizer.beta_1" in varied_paths(with_sgd)
    assert telling_paths(varied_paths(with_sgd)) == ["optimizer.type"]
