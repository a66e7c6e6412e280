"""The grid of `--vary`: values as YAML reads them, all combinations, names that tell them apart."""

from __future__ import annotations

import itertools

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from mlx_runner.comparison.grid import Axis, combine, parse_axes
from mlx_runner.specs.errors import ConfigError


def test_values_are_yaml() -> None:
    [axis] = parse_axes(["optimizer.x=1,0.5,1e-3,true,null,relu,'a,b',[1, 2],{type: sgd, momentum: 0.9}"])
    sgd = {"type": "sgd", "momentum": 0.9}
    assert axis == Axis("optimizer.x", (1, 0.5, 0.001, True, None, "relu", "a,b", [1, 2], sgd))


@given(
    st.lists(st.integers(-1000, 1000) | st.floats(-1, 1).map(lambda x: round(x, 4)), min_size=1, unique=True)
)
def test_numbers_are_those_of_a_yaml_list(values: list[float]) -> None:
    texts = [str(value) for value in values]
    [axis] = parse_axes([f"a.b={','.join(texts)}"])
    assert list(axis.values) == [yaml.safe_load(text) if "e" not in text else float(text) for text in texts]


def test_combinations_and_their_names() -> None:
    axes = parse_axes(["losses.aux.weight=0,0.2", "optimizer.learning_rate=1e-3,0.01"])
    grid = combine(axes)
    assert list(grid) == [
        "aux.weight=0,optimizer.learning_rate=0.001",
        "aux.weight=0,optimizer.learning_rate=0.01",
        "aux.weight=0.2,optimizer.learning_rate=0.001",
        "aux.weight=0.2,optimizer.learning_rate=0.01",
    ]
    expected = list(itertools.product([0, 0.2], [0.001, 0.01]))
    assert [tuple(changes.values()) for changes in grid.values()] == expected


def test_paths_that_end_alike_are_named_in_full() -> None:
    grid = combine(
        parse_axes(["model.layers.a.units=1", "other.a.units=2", "attributes.label_smoothing=0.05"])
    )
    assert list(grid) == ["model.layers.a.units=1,other.a.units=2,attributes.label_smoothing=0.05"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["losses.aux.weight"], "'losses.aux.weight' does not say what to vary"),
        (["=1"], "'=1' does not say what to vary"),
        (["a..b=1"], "'a..b=1' does not say what to vary"),
        (["a.b="], "names no value"),
        (["a.b=1,1"], "the value 1 is given more than once"),
        (["a.b=[1"], "a.b: "),
        (["a.b=1", "a.b=2"], "'a.b' is varied twice"),
    ],
)
def test_mistakes(options: list[str], message: str) -> None:
    with pytest.raises(ConfigError) as failure:
        parse_axes(options)
    assert str(failure.value).startswith("command line: ")
    assert message in str(failure.value)


def test_all_mistakes_at_once() -> None:
    with pytest.raises(ConfigError) as failure:
        parse_axes(["a", "b.c=", "d.e=1"])
    assert len(failure.value.problems) == 2


def test_too_many() -> None:
    axes = [Axis(f"a.{index}", tuple(range(10))) for index in range(5)]
    with pytest.raises(ConfigError, match="makes 100000 settings; at most 10000"):
        combine(axes)
