"""The values that an output can have, against what the network gives for wild inputs."""

from __future__ import annotations

import math
from typing import Any, get_args

import pytest
import torch
from mlx_runner.inspection.output_values import Values, node_values
from mlx_runner.models import InputSpec, build_network
from mlx_runner.specs.layer_base import Activation
from mlx_runner.specs.layers import ModelSpec

WEIGHTS = {"type": "dense", "units": 4}


def values_of(layers: dict[str, Any], shape: tuple[int, ...] = (3,)) -> tuple[Values, torch.Tensor]:
    """What is said of the last layer, and what it gives for inputs of many sizes."""
    model = ModelSpec.model_validate({"inputs": "x", "layers": layers, "outputs": [list(layers)[-1]]})
    network = build_network(model, {"x": InputSpec(shape)}, seed=1, dtype=torch.float64)
    inputs = torch.randn(500, *shape, dtype=torch.float64) * torch.logspace(-2, 2, 500).reshape(
        -1, *(1 for _ in shape)
    )
    network.eval()
    with torch.no_grad():
        (given,) = network({"x": inputs}).values()
    return node_values(network, model.layers)[model.outputs[0]], given


@pytest.mark.parametrize("activation", get_args(Activation))
@pytest.mark.parametrize("below", [None, "relu", "tanh"])
def test_no_activation_leaves_its_range_and_all_come_near_its_ends(
    activation: str, below: str | None
) -> None:
    first = {} if below is None else {"first": {"type": "dense", "units": 3, "activation": below}}
    last = (
        {**WEIGHTS, "activation": activation}
        if below is None
        else {"type": "activation", "activation": activation}
    )
    found, given = values_of({**first, "out": last})
    assert found.low is not None
    assert found.high is not None
    assert found.low - 1e-3 <= given.min() <= given.max() <= found.high + 1e-9
    if activation == "softmax":
        return
    if math.isfinite(found.low):
        assert given.min() < found.low + 0.1
    if math.isfinite(found.high):
        assert given.max() > found.high - 0.1


@pytest.mark.parametrize(
    ("layers", "activation", "layer", "size"),
    [
        ({"out": WEIGHTS}, "linear", "out", 0),
        ({"out": {**WEIGHTS, "activation": "softmax"}}, "softmax", "out", 4),
        (
            {"a": {**WEIGHTS, "activation": "softmax"}, "b": {"type": "dropout", "rate": 0.5},
             "c": {"type": "stop_gradient"}, "out": {"type": "reshape", "target_shape": [2, 2]}},
            "softmax", "a", 4,
        ),
        ({"a": {**WEIGHTS, "activation": "sigmoid"}, "out": WEIGHTS}, "linear", "out", 0),
        ({"a": WEIGHTS, "out": {"type": "activation", "activation": "softmax"}}, "softmax", "out", 4),
        ({"out": {"type": "binary_softmax_heads", "units": 4}}, "sigmoid", "out", 4),
        (
            {"a": {**WEIGHTS, "activation": "softmax"}, "b": {"type": "dense", "of": "x", "units": 2,
             "activation": "softmax"}, "out": {"type": "concatenate", "of": ["a", "b"]}},
            "softmax", "a", 4,
        ),
        (
            {"a": {**WEIGHTS, "activation": "softmax"}, "b": {"type": "dense", "of": "x", "units": 2},
             "out": {"type": "concatenate", "of": ["a", "b"]}},
            "linear", "out", 0,
        ),
        (
            {"out": {"type": "replicate", "n": 3, "layers": {
                "a": {"type": "dense", "units": 1, "activation": "softmax"}}}},
            "softmax", "out", 1,
        ),
        (
            {"out": {"type": "replicate", "n": 3, "layers": {
                "a": {"type": "dense", "units": 1, "activation": "sigmoid"}, "b": {"type": "flatten"}}}},
            "sigmoid", "out", 1,
        ),
        (
            {"a": {**WEIGHTS, "activation": "sigmoid"}, "b": {"shares": "a", "of": "x"},
             "c": {"type": "add", "of": ["a", "b"]}},
            "linear", "c", 0,
        ),
        (
            {"a": {"type": "dense", "units": 3, "activation": "sigmoid"}, "b": {"shares": "a", "of": "a"}},
            "sigmoid", "a", 3,
        ),
    ],
)  # fmt: skip
def test_the_last_activation_is_seen_through_what_only_rearranges(
    layers: dict[str, Any], activation: str, layer: str, size: int
) -> None:
    found, given = values_of(layers)
    assert (found.activation, found.layer, found.size) == (activation, layer, size)
    if found.low is not None and found.high is not None:
        assert found.low <= given.min() <= given.max() <= found.high


def test_recurrent_layers_stay_between_their_tanh() -> None:
    found, given = values_of({"out": {"type": "lstm", "units": 3}}, (5, 2))
    assert (found.low, found.high, found.activation) == (-1.0, 1.0, "linear")
    assert given.abs().max() <= 1.0


@pytest.mark.parametrize("slope", [0.0, 0.5, 1.5])
def test_a_leaky_layer_scales_what_is_negative(slope: float) -> None:
    layers = {"a": {**WEIGHTS, "activation": "tanh"}, "out": {"type": "leaky_relu", "negative_slope": slope}}
    found, given = values_of(layers)
    assert (found.low, found.high) == (-slope, 1.0)
    assert -slope <= given.min() <= given.max() <= 1.0


def test_what_the_data_decide_is_not_known() -> None:
    found, _ = values_of({"out": {"type": "flatten"}})
    assert (found.low, found.high) == (None, None)
    assert found.within(0.0, 1.0) is None
    assert found.written() == "unknown values"


@pytest.mark.parametrize(
    ("low", "high", "text"),
    [
        (0.0, 1.0, "values from 0 to 1"),
        (-math.inf, math.inf, "any number"),
        (0.0, math.inf, "values from 0 up"),
        (-math.inf, 0.5, "values up to 0.5"),
    ],
)
def test_ranges_in_words(low: float, high: float, text: str) -> None:
    assert Values(low, high).written() == text
