"""The rules that a config may name, and what naming them changes: nothing that is trained."""

from __future__ import annotations

from typing import get_args

import pytest
from mlx_runner.specs.errors import ConfigError
from mlx_runner.specs.flat import flatten
from mlx_runner.specs.load import load_experiment
from mlx_runner.specs.resolved import resolved_yaml
from mlx_runner.specs.rules import RULES, RuleCode, Severity
from mlx_runner.specs.validation import validate
from mlx_runner.specs.yaml_reader import read_yaml


def test_every_code_has_a_rule() -> None:
    assert tuple(RULES) == get_args(RuleCode)
    assert all(code == rule.code for code, rule in RULES.items())
    assert {rule.severity for rule in RULES.values()} == set(get_args(Severity))
    assert len({rule.name for rule in RULES.values()}) == len(RULES)
    assert RULES["MLX107"].page == "docs/rules/MLX107.md"


def test_what_is_ignored_is_read_back() -> None:
    written = load_experiment("headline", ["ignore=[MLX107, MLX202]"])
    assert written.ignore == ["MLX107", "MLX202"]
    again = validate(type(written), read_yaml(resolved_yaml(written), file="config.yaml"))
    assert again == written
    assert load_experiment("headline").ignore == []
    assert "ignore: []" in resolved_yaml(load_experiment("headline"))


def test_ignoring_makes_no_other_setting() -> None:
    """Members of one stack may come from configs that ignore other rules."""
    assert flatten(load_experiment("headline", ["ignore=[MLX107]"])) == flatten(load_experiment("headline"))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("MLX107", "command line: ignore: must be a list, not the text 'MLX107'"),
        ("[107]", "command line: ignore.0: must be one of MLX101, "),
    ],
)
def test_only_a_list_of_codes_is_taken(given: str, message: str) -> None:
    with pytest.raises(ConfigError) as failure:
        load_experiment("headline", [f"ignore={given}"])
    assert str(failure.value).startswith(message)
