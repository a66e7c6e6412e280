"""Layers that change only what flows back, and weights that are frozen."""

from __future__ import annotations

import pytest
import torch
from mlx_runner.models import InputSpec, Network, build_network, parameter_count
from mlx_runner.specs.errors import ConfigError
from mlx_runner.specs.layers import ModelSpec

DENSE = {"type": "dense", "units": 3}


def network(layers: dict, seed: int | list[int] = 0) -> Network:
    spec = ModelSpec.model_validate({"inputs": "x", "layers": layers, "outputs": "out"})
    return build_network(spec, {"x": InputSpec((4,))}, seed=seed, dtype=torch.float64)


@pytest.mark.parametrize("seed", [0, [0, 1]])
@pytest.mark.parametrize("scale", [0.25, -1.0, 0.0])
def test_scaled_gradient(scale: float, seed: int | list[int]) -> None:
    plain = network(
        {"first": DENSE, "middle": {"type": "activation", "activation": "linear"}, "out": DENSE}, seed
    )
    scaled = network(
        {"first": DENSE, "middle": {"type": "scale_gradient", "scale": scale}, "out": DENSE}, seed
    )
    values = {"x": torch.randn(5, 4, dtype=torch.float64)}
    for each in (plain, scaled):
        each(values)["out"].square().sum().backward()
    assert torch.equal(plain(values)["out"], scaled(values)["out"])
    torch.testing.assert_close(scaled.layer("first").kernel.grad, plain.layer("first").kernel.grad * scale)
    torch.testing.assert_close(scaled.layer("out").kernel.grad, plain.layer("out").kernel.grad)


def test_stopped_gradient() -> None:
    stopped = network({"first": DENSE, "stop": {"type": "stop_gradient"}, "out": DENSE})
    stopped({"x": torch.randn(5, 4, dtype=torch.float64)})["out"].sum().backward()
    assert stopped.layer("first").kernel.grad is None
    assert stopped.layer("out").kernel.grad.any()


def test_both_export() -> None:
    layers = {"a": {"type": "scale_gradient", "scale": 2.0}, "b": {"type": "stop_gradient"}, "out": DENSE}
    ours = network(layers).eval()
    values = {"x": torch.randn(5, 4, dtype=torch.float64)}
    exported = torch.export.export(ours, (values,)).module()
    torch.testing.assert_close(exported(values)["out"], ours(values)["out"])


def test_frozen_layers_keep_their_weights_and_moments() -> None:
    norm = {"type": "batch_normalization", "trainable": False}
    layers = {"first": {**DENSE, "trainable": False}, "norm": norm, "out": DENSE}
    ours = network(layers).train()
    values = {"x": torch.randn(5, 4, dtype=torch.float64)}
    result = ours(values)["out"]
    result.sum().backward()
    assert parameter_count(ours) == 3 * 3 + 3
    assert ours.layer("first").kernel.grad is None
    assert not ours.layer("norm").moving_mean.any()
    torch.testing.assert_close(result, ours.eval()(values)["out"])


def test_a_penalty_on_frozen_weights_is_an_error() -> None:
    layer = {**DENSE, "trainable": False, "kernel_regularizer": {"l2": 0.1}}
    with pytest.raises(ConfigError) as caught:
        network({"out": layer})
    expected = "model.layers.out.kernel_regularizer: has no effect on frozen weights (trainable: false)"
    assert str(caught.value) == expected
