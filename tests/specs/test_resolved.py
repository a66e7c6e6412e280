"""A resolved config reads back to the experiment it was written from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from mlx_runner.specs.experiment import Experiment
from mlx_runner.specs.load import load_experiment, shipped_configs
from mlx_runner.specs.resolved import resolved_yaml
from mlx_runner.specs.validation import validate
from mlx_runner.specs.yaml_reader import read_yaml

NAMES = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_\-]{0,8}", fullmatch=True) | st.sampled_from(
    ["1", "010", "1e-3", "1_000", "no", "yes", "on", "true", "null", "0x1F", "0o17", "2020-01-01", "n", "_"]
)
FREE_TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=30) | st.sampled_from(
    [
        "",
        "~",
        "no",
        "1e-3",
        "1:30",
        "0o17",
        ".inf",
        "<<",
        "=",
        "!x",
        "&a",
        "*a",
        "a: b",
        "a #b",
        "- a",
        " a",
        "a ",
        "\n",
        "a\n",
        "a\n b",
        "\t",
        "\x1b",
        "\ufeff",
        "\u2028",
        "\x85",
        "'",
        '"',
        "\\",
        "x " * 80,
        "{}",
        "[",
        "%",
        "@",
        "`",
        "|",
    ]
)


def experiment(**changes: object) -> Experiment:
    data: dict[str, Any] = {
        "name": "demo",
        "data": {"source": "mnist"},
        "model": {
            "inputs": ["image"],
            "layers": {"flat": {"type": "flatten"}, "digits": {"type": "dense", "units": 10}},
            "outputs": ["digits"],
        },
        "losses": {"main": {"type": "binary_crossentropy", "output": "digits", "target": "digits"}},
        **changes,
    }
    return Experiment.model_validate(data)


def read_back(text: str) -> Experiment:
    return validate(Experiment, read_yaml(text, file="config.yaml"))


@given(
    NAMES,
    st.floats(min_value=0, allow_infinity=False, allow_nan=False),
    st.floats(min_value=0, exclude_min=True, allow_infinity=False, allow_nan=False),
    st.integers(0, 2**32 - 1),
)
def test_names_and_numbers_read_back(name: str, weight: float, rate: float, seed: int) -> None:
    loss = {"type": "binary_crossentropy", "output": "digits", "target": "digits", "weight": weight}
    written = experiment(
        name=name, losses={name: loss}, optimizer={"type": "adam", "learning_rate": rate}, seed=seed
    )
    again = read_back(resolved_yaml(written))
    assert again == written
    assert again.losses[name].weight.hex() == weight.hex()


@given(FREE_TEXT)
def test_any_text_reads_back(text: str) -> None:
    written = experiment(data={"source": "mnist", "root": text})
    assert read_back(resolved_yaml(written)) == written


@pytest.mark.parametrize("name", shipped_configs())
def test_a_shipped_config_reads_back_from_a_file(name: str, tmp_path: Path) -> None:
    written = load_experiment(name)
    path = tmp_path / "config.yaml"
    path.write_text(resolved_yaml(written), encoding="utf-8")
    assert load_experiment(str(path)) == written
    assert resolved_yaml(load_experiment(str(path))) == resolved_yaml(written)


def test_the_order_of_layers_is_kept_and_defaults_are_filled_in() -> None:
    text = resolved_yaml(experiment())
    assert list(read_yaml(text, file="x").data["model"]["layers"]) == ["flat", "digits"]
    assert text.index("name:") < text.index("data:") < text.index("model:") < text.index("training:")
    assert "learning_rate: 0.001" in text


@pytest.mark.parametrize("name", ["no", "1e-3", "010", "1_000", "2020-01-01", "null", "0o17"])
def test_a_yaml_1_1_reader_sees_the_same_text(name: str) -> None:
    assert yaml.safe_load(resolved_yaml(experiment(name=name)))["name"] == name
