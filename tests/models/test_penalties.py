"""What is penalized: names, tensors, factors; and the same sum as Keras's."""

from __future__ import annotations

import os

os.environ.setdefault("KERAS_BACKEND", "torch")

import keras
import pytest
import torch
from mlx_runner.models import InputSpec, Network, build_network
from mlx_runner.specs.errors import ConfigError
from mlx_runner.specs.layers import ModelSpec
from pydantic import ValidationError

# Keras hands PyTorch variables to NumPy 2 in a way that NumPy is about to retire.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword")


def network(layers: dict, shape: tuple[int, ...] = (4,), seed: int | list[int] = 0) -> Network:
    spec = ModelSpec.model_validate({"inputs": "x", "layers": layers, "outputs": list(layers)[-1]})
    return build_network(spec, {"x": InputSpec(shape)}, seed=seed)


def penalty_sum(ours: Network, values: torch.Tensor) -> torch.Tensor:
    """By the words of `Penalty`'s docstring, for one network."""
    activities = ours.walk({"x": values}).activities
    total = torch.zeros(())
    for each in ours.penalties:
        tensor = activities[each.activity] if each.parameter is None else ours.get_parameter(each.parameter)
        entries = tensor.abs() if each.kind == "l1" else tensor.square()
        total = total + each.factor * entries.sum() / (len(values) if each.parameter is None else 1)
    return total


def test_sum_equals_keras() -> None:
    regularizers = {
        "kernel_regularizer": {"l1": 0.1, "l2": 0.2},
        "bias_regularizer": {"l2": 0.3},
        "activity_regularizer": {"l1": 0.4, "l2": 0.5},
    }
    ours = network({"out": {"type": "dense", "units": 3, "activation": "sigmoid", **regularizers}})
    theirs = keras.layers.Dense(
        3,
        activation="sigmoid",
        **{name: keras.regularizers.L1L2(**each) for name, each in regularizers.items()},
    )
    values = torch.randn(5, 4)
    theirs.build(values.shape)
    kernel, bias = torch.randn(4, 3), torch.randn(3)
    theirs.set_weights([kernel.numpy(), bias.numpy()])
    ours.layer("out").kernel.data.copy_(kernel)
    ours.layer("out").bias.data.copy_(bias)
    theirs(values)
    torch.testing.assert_close(penalty_sum(ours, values), sum(theirs.losses))


def test_names() -> None:
    l2 = {"l2": 0.5}
    layers = {
        "values": {"type": "lstm", "units": 2, "bidirectional": True, "recurrent_regularizer": l2},
        "out": {"type": "dense", "units": 3, "activity_regularizer": {"l1": 0.0}},
    }
    ours = network(layers, (6, 2), seed=[0, 1])
    first, second, third = ours.penalties
    assert first.name == "values/forward_layer/recurrent_kernel/l2"
    assert second.name == "values/backward_layer/recurrent_kernel/l2"
    assert ours.get_parameter(second.parameter) is ours.layer("values").backward_layer.recurrent_kernel
    assert (third.name, third.kind, third.factor, third.parameter) == ("out/activity/l1", "l1", 0.0, None)
    activities = ours.walk({"x": torch.rand(5, 6, 2)}).activities
    assert {name: each.shape for name, each in activities.items()} == {"out": (2, 5, 3)}


def test_a_shared_layer_is_penalized_once_and_its_activity_at_every_use() -> None:
    both = {"kernel_regularizer": {"l2": 1.0}, "activity_regularizer": {"l2": 1.0}}
    layers = {
        "dense": {"type": "dense", "units": 4, **both},
        "again": {"shares": "dense", "of": "dense"},
        "out": {"type": "add", "of": ["dense", "again"]},
    }
    names = [each.name for each in network(layers).penalties]
    assert names == ["dense/kernel/l2", "dense/activity/l2", "again/activity/l2"]


def test_embeddings_have_their_own() -> None:
    layer = {"type": "embedding", "input_dim": 3, "output_dim": 2, "embeddings_regularizer": {"l1": 1.0}}
    spec = ModelSpec.model_validate({"inputs": "x", "layers": {"out": layer}, "outputs": "out"})
    (penalty,) = build_network(spec, {"x": InputSpec((4,), 3)}, seed=0).penalties
    assert penalty.name == "out/embeddings/l1"


def test_without_regularizers_nothing_is_kept() -> None:
    ours = network({"out": {"type": "dense", "units": 3}})
    assert ours.penalties == ()
    assert ours.walk({"x": torch.rand(2, 4)}).activities == {}


def test_errors() -> None:
    with pytest.raises(ValidationError, match="needs l1, l2, or both"):
        network({"out": {"type": "dense", "units": 3, "kernel_regularizer": {}}})
    with pytest.raises(ValidationError, match="bias_regularizer has no effect with use_bias: false"):
        network({"out": {"type": "dense", "units": 3, "use_bias": False, "bias_regularizer": {"l1": 1.0}}})
    inner = {"last": {"type": "dense", "units": 1, "activity_regularizer": {"l1": 1.0}}}
    with pytest.raises(ConfigError) as caught:
        network({"out": {"type": "replicate", "n": 2, "layers": inner}})
    assert (
        str(caught.value)
        == "model.layers.out.layers: activity_regularizer is not for the layers of a replicate"
    )
