"""Regularization terms: by hand, against Keras's layers, and member by member."""

from __future__ import annotations

import os

os.environ.setdefault("KERAS_BACKEND", "torch")

from typing import Any

import keras
import pytest
import torch
from mlx_runner.losses import regularization_terms
from mlx_runner.models import InputSpec, Network, build_network
from mlx_runner.specs.layers import ModelSpec
from torch import Tensor

# Keras hands PyTorch variables to NumPy 2 in a way that NumPy is about to retire.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

BOTH = {"l1": 0.01, "l2": 0.1}


def network(layers: dict[str, Any], inputs: InputSpec, *, seed: int | list[int] = 0) -> Network:
    described = {"inputs": "x", "layers": layers, "outputs": list(layers)[-1]}
    return build_network(ModelSpec.model_validate(described), {"x": inputs}, seed=seed, dtype=torch.float64)


def terms(ours: Network, values: Tensor, factors: Tensor | None = None) -> dict[str, Tensor]:
    """Every penalty's value on a batch, by name."""
    if factors is None:
        factors = torch.tensor([each.factor for each in ours.penalties], dtype=torch.float64)
        factors = factors if ours.members is None else factors.unsqueeze(-1).expand(-1, ours.members)
    result = regularization_terms(
        ours.penalties,
        parameter=ours.get_parameter,
        activities=ours.walk({"x": values}).activities,
        factors=factors,
        stacked=ours.members is not None,
    )
    return dict(zip((each.name for each in ours.penalties), result, strict=True))


def normal(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def copy_weights(theirs: keras.layers.Layer, ours: Network, name: str) -> None:
    """Random weights in both, so that biases are not all zero."""
    mine = dict(ours.layer(name).named_parameters())
    for position, variable in enumerate(theirs.weights):
        values = normal(position + 1, *variable.shape)[position]
        variable.assign(values)
        mine[variable.name].data.copy_(values)


def test_by_hand() -> None:
    layer = {
        "type": "dense",
        "units": 1,
        "kernel_regularizer": {"l1": 0.1, "l2": 0.5},
        "bias_regularizer": {"l2": 2.0},
        "activity_regularizer": {"l1": 3.0, "l2": 1.0},
    }
    ours = network({"out": layer}, InputSpec((2,)))
    ours.layer("out").kernel.data.copy_(torch.tensor([[1.0], [-2.0]]))
    ours.layer("out").bias.data.fill_(0.5)
    found = terms(ours, torch.tensor([[1.0, 0.0], [0.0, 1.0]], dtype=torch.float64))
    # The outputs are 1.5 and -1.5: their sums over the batch are divided by its 2 rows.
    expected = {
        "out/kernel/l1": 0.1 * 3.0,
        "out/kernel/l2": 0.5 * 5.0,
        "out/bias/l2": 2.0 * 0.25,
        "out/activity/l1": 3.0 * 3.0 / 2,
        "out/activity/l2": 1.0 * 4.5 / 2,
    }
    assert {name: value.item() for name, value in found.items()} == pytest.approx(expected, rel=1e-12)


def test_the_gradient_of_l2_has_no_half() -> None:
    ours = network({"out": {"type": "dense", "units": 3, "kernel_regularizer": {"l2": 0.1}}}, InputSpec((4,)))
    kernel = ours.layer("out").kernel
    (gradient,) = torch.autograd.grad(terms(ours, normal(5, 4))["out/kernel/l2"], kernel)
    torch.testing.assert_close(gradient, 2 * 0.1 * kernel.detach())


@pytest.mark.parametrize(
    ("layer", "theirs", "shape"),
    [
        ({"type": "dense", "units": 3, "activation": "relu"}, keras.layers.Dense, (4,)),
        ({"type": "dense", "units": 3, "activation": "tanh"}, keras.layers.Dense, (6, 4)),
        ({"type": "lstm", "units": 3}, keras.layers.LSTM, (6, 4)),
        ({"type": "gru", "units": 3, "return_sequences": True}, keras.layers.GRU, (6, 4)),
    ],
)
def test_same_sum_as_keras(
    layer: dict[str, Any], theirs: type[keras.layers.Layer], shape: tuple[int, ...]
) -> None:
    fields = ["kernel_regularizer", "bias_regularizer", "activity_regularizer"]
    fields += ["recurrent_regularizer"] if layer["type"] != "dense" else []
    ours = network({"out": {**layer, **dict.fromkeys(fields, BOTH)}}, InputSpec(shape))
    options = {name: value for name, value in layer.items() if name != "type"}
    regularizers = {name: keras.regularizers.L1L2(**BOTH) for name in fields}
    other = theirs(**options, **regularizers, dtype="float64")
    values = normal(5, *shape)
    other.build(values.shape)
    copy_weights(other, ours, "out")
    other(values)
    found = terms(ours, values)
    assert len(found) == 2 * len(fields)
    # Keras's matrix products are float32, whatever the layer's type.
    torch.testing.assert_close(sum(found.values()), sum(other.losses).double(), rtol=1e-6, atol=0)


def test_same_sum_as_keras_for_embeddings() -> None:
    ours = network(
        {"out": {"type": "embedding", "input_dim": 9, "output_dim": 3, "embeddings_regularizer": BOTH}},
        InputSpec((6,), 9),
    )
    regularizer = keras.regularizers.L1L2(**BOTH)
    other = keras.layers.Embedding(9, 3, embeddings_regularizer=regularizer, dtype="float64")
    other.build((5, 6))
    copy_weights(other, ours, "out")
    found = terms(ours, torch.zeros(5, 6, dtype=torch.int64))
    torch.testing.assert_close(sum(found.values()), sum(other.losses).double(), rtol=1e-6, atol=0)


def test_members_have_penalties_and_factors_of_their_own() -> None:
    layers = {
        "hidden": {
            "type": "dense",
            "units": 5,
            "activation": "tanh",
            "kernel_regularizer": BOTH,
            "activity_regularizer": BOTH,
        },
        "out": {
            "type": "dense",
            "units": 2,
            "bias_regularizer": {"l1": 1.0},
            "kernel_regularizer": {"l1": 1.0},
        },
    }
    seeds = [3, 1, 2]
    stack = network(layers, InputSpec((4,)), seed=seeds)
    factors, values = normal(len(stack.penalties), len(seeds)).abs(), normal(7, 4)
    found = terms(stack, values, factors)
    own = terms(stack, values.expand(len(seeds), 7, 4), factors)
    for member, seed in enumerate(seeds):
        alone = terms(network(layers, InputSpec((4,)), seed=seed), values, factors[:, member])
        for name, value in alone.items():
            torch.testing.assert_close(found[name][member], value)
            torch.testing.assert_close(own[name][member], value)
    assert len(found["hidden/kernel/l2"].detach().unique()) == len(seeds)


def test_an_activity_is_penalized_at_every_use() -> None:
    layers = {
        "dense": {"type": "dense", "units": 4, "activity_regularizer": {"l2": 0.3}},
        "again": {"shares": "dense", "of": "dense"},
    }
    ours = network(layers, InputSpec((4,)))
    other = keras.layers.Dense(4, activity_regularizer=keras.regularizers.L2(0.3), dtype="float64")
    x = keras.Input((4,), dtype="float64")
    model = keras.Model(x, other(other(x)))
    copy_weights(other, ours, "dense")
    values = normal(5, 4)
    model(values)
    found = terms(ours, values)
    assert list(found) == ["dense/activity/l2", "again/activity/l2"]
    torch.testing.assert_close(sum(found.values()), sum(model.losses).double(), rtol=1e-5, atol=0)
