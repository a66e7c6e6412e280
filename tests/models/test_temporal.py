"""Convolution and pooling over time against Keras, and stacks against their members."""

from __future__ import annotations

import os

os.environ.setdefault("KERAS_BACKEND", "torch")

import keras
import pytest
import torch
from mlx_runner.models import InputSpec, Network, build_network
from mlx_runner.specs.errors import ConfigError
from mlx_runner.specs.layers import ModelSpec

# Keras hands PyTorch variables to NumPy 2 in a way that NumPy is about to retire.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword")

C = 4


def network(layer: dict, steps: int, seed: int | list[int] = 0) -> Network:
    spec = ModelSpec.model_validate({"inputs": "x", "layers": {"out": layer}, "outputs": "out"})
    return build_network(spec, {"x": InputSpec((steps, C))}, seed=seed, dtype=torch.float64)


@pytest.mark.parametrize("steps", [7, 8])
@pytest.mark.parametrize("padding", ["valid", "same", "causal"])
@pytest.mark.parametrize(
    "options", [{}, {"strides": 2}, {"dilation_rate": 2}, {"groups": 2}, {"use_bias": False}]
)
def test_convolution_equals_keras(steps: int, padding: str, options: dict) -> None:
    options = {"filters": 6, "kernel_size": 3, "padding": padding, **options}
    ours = network({"type": "conv1d", **options}, steps)
    theirs = keras.layers.Conv1D(**options, dtype="float64")
    values = torch.randn(2, steps, C, dtype=torch.float64)
    theirs.build(values.shape)
    kernel, *bias = [torch.randn(each.shape, dtype=torch.float64) for each in theirs.get_weights()]
    theirs.set_weights([each.numpy() for each in (kernel, *bias)])
    layer = ours.layer("out")
    layer.kernel.data.copy_(kernel.permute(2, 1, 0))
    if bias:
        layer.bias.data.copy_(bias[0])
    torch.testing.assert_close(ours({"x": values})["out"], theirs(values), rtol=1e-10, atol=1e-10)


def test_initial_kernel_follows_glorot_over_the_window() -> None:
    kernel = network({"type": "conv1d", "filters": 50, "kernel_size": 3}, 5).layer("out").kernel
    limit = (6 / (3 * C + 3 * 50)) ** 0.5
    assert 0.98 * limit < kernel.abs().max().item() <= limit


@pytest.mark.parametrize("steps", [7, 8])
@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize("strides", [None, 1, 3])
@pytest.mark.parametrize("kind", ["max", "average"])
def test_pooling_equals_keras(steps: int, padding: str, strides: int | None, kind: str) -> None:
    options = {"pool_size": 3, "strides": strides, "padding": padding}
    ours = network({"type": f"{kind}_pooling1d", **options}, steps)
    theirs = {"max": keras.layers.MaxPooling1D, "average": keras.layers.AveragePooling1D}[kind](
        **options, dtype="float64"
    )
    values = torch.randn(2, steps, C, dtype=torch.float64)
    if kind == "average" and padding == "same":
        # Keras's torch backend counts the padding in the mean, its other backends do not.
        window = torch.ones(1, 1, 3, dtype=torch.float64)
        stride = strides or 3
        total = max((-(-steps // stride) - 1) * stride + 3 - steps, 0)
        padded = torch.nn.functional.pad(values.mT.reshape(-1, 1, steps), (total // 2, total - total // 2))
        present = torch.nn.functional.pad(torch.ones(1, 1, steps).double(), (total // 2, total - total // 2))
        sums, counts = (torch.conv1d(each, window, stride=stride) for each in (padded, present))
        expected = (sums / counts).view(2, C, -1).mT
    else:
        expected = theirs(values)
    torch.testing.assert_close(ours({"x": values})["out"], expected, rtol=1e-10, atol=1e-10)


def test_global_pooling() -> None:
    values = torch.randn(2, 5, C, dtype=torch.float64)
    largest = network({"type": "global_max_pooling1d"}, 5)({"x": values})["out"]
    mean = network({"type": "global_average_pooling1d"}, 5)({"x": values})["out"]
    torch.testing.assert_close(largest, values.max(dim=1).values)
    torch.testing.assert_close(mean, values.mean(dim=1))


@pytest.mark.parametrize("layer", [
    {"type": "conv1d", "filters": 6, "kernel_size": 3, "padding": "causal"},
    {"type": "conv1d", "filters": 6, "kernel_size": 3, "padding": "same", "strides": 2, "use_bias": False},
    {"type": "max_pooling1d", "padding": "same"},
    {"type": "average_pooling1d", "padding": "same"},
    {"type": "global_max_pooling1d"},
    {"type": "global_average_pooling1d"},
])  # fmt: skip
def test_stack_equals_its_members(layer: dict) -> None:
    values = torch.randn(2, 7, C, dtype=torch.float64)
    stack = network(layer, 7, seed=[1, 2])
    for inputs in (values, torch.stack([values, values])):
        outputs = stack({"x": inputs})["out"]
        for row, seed in enumerate((1, 2)):
            alone = network(layer, 7, seed=seed)({"x": values})["out"]
            torch.testing.assert_close(outputs[row], alone, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(("layer", "expected"), [
    (
        {"type": "conv1d", "filters": 6, "kernel_size": 9},
        "model.layers.out.kernel_size: a window of 9 does not fit into 7; use padding: same",
    ),
    (
        {"type": "conv1d", "filters": 6, "kernel_size": 3, "groups": 3},
        "model.layers.out.groups: 3 groups do not divide the 4 channels of the input",
    ),
])  # fmt: skip
def test_exact_messages(layer: dict, expected: str) -> None:
    with pytest.raises(ConfigError) as caught:
        network(layer, 7)
    assert str(caught.value) == expected
