"""Padding: where a mask goes, who reads it, and that padded steps change nothing."""

from __future__ import annotations

import os

os.environ.setdefault("KERAS_BACKEND", "torch")

import keras
import pytest
import torch
from mlx_runner.models import InputSpec, Network, build_network
from mlx_runner.specs.layers import ModelSpec

# Keras hands PyTorch variables to NumPy 2 in a way that NumPy is about to retire.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword")

EMBEDDING = {"type": "embedding", "input_dim": 9, "output_dim": 4, "mask_zero": True}
DENSE = {"type": "dense", "units": 4}
TOKENS = torch.tensor([[5, 3, 0, 0, 2], [0, 0, 0, 0, 0], [1, 1, 8, 0, 0]])


def network(layers: dict, outputs: str | list = "out", seed: int | list[int] = 0) -> Network:
    spec = {"inputs": ["tokens", "more", "numbers"], "outputs": outputs}
    spec["layers"] = {"embedding": {**EMBEDDING, "of": "tokens"}, **layers}
    read = {name for layer in layers.values() for name in layer.get("of", [])} | {"tokens"}
    spec["inputs"] = [name for name in spec["inputs"] if name in read]
    inputs = {"tokens": InputSpec((5,), 9), "more": InputSpec((5,), 9), "numbers": InputSpec((5, 4))}
    return build_network(ModelSpec.model_validate(spec), inputs, seed=seed, dtype=torch.float64)


@pytest.mark.parametrize("through", [
    {"type": "dense", "units": 4, "activation": "relu"},
    {"type": "dropout", "rate": 0.5},
    {"type": "activation", "activation": "tanh"},
    {"type": "leaky_relu"},
    {"type": "batch_normalization"},
    {"type": "layer_normalization"},
    {"type": "stop_gradient"},
    {"type": "scale_gradient", "scale": 0.5},
    {"type": "gru", "units": 4, "return_sequences": True},
])  # fmt: skip
def test_layers_that_keep_time_pass_the_mask_on(through: dict) -> None:
    ours = network({"through": through, "out": {"type": "dense", "units": 2, "activation": "sigmoid"}})
    assert torch.equal(ours.score({"tokens": TOKENS})["out"].mask, TOKENS != 0)


@pytest.mark.parametrize("ending", [
    {"type": "flatten"},
    {"type": "reshape", "target_shape": [4, 5]},
    {"type": "conv1d", "filters": 2, "kernel_size": 3, "padding": "same"},
    {"type": "max_pooling1d"},
    {"type": "global_max_pooling1d"},
    {"type": "global_average_pooling1d"},
    {"type": "lstm", "units": 2},
])  # fmt: skip
def test_layers_that_do_not_end_it(ending: dict) -> None:
    assert network({"out": ending}).score({"tokens": TOKENS})["out"].mask is None


def test_without_mask_zero_there_is_none() -> None:
    ours = network(
        {"plain": {**EMBEDDING, "of": ["more"], "mask_zero": False}, "out": DENSE}, ["embedding", "out"]
    )
    outputs = ours.score({"tokens": TOKENS, "more": TOKENS})
    assert outputs["out"].mask is None
    assert torch.equal(outputs["embedding"].mask, TOKENS != 0)


def test_merged_sequences_count_where_any_does() -> None:
    layers = {
        "second": {**EMBEDDING, "of": ["more"]},
        "out": {"type": "add", "of": ["embedding", "second"]},
        "mixed": {"type": "concatenate", "of": ["embedding", "numbers"]},
    }
    ours = network(layers, ["out", "mixed"])
    more = TOKENS.flip(1)
    outputs = ours.score({"tokens": TOKENS, "more": more, "numbers": torch.rand(3, 5, 4).double()})
    assert torch.equal(outputs["out"].mask, (TOKENS != 0) | (more != 0))
    # Beside a sequence without a mask every step counts.
    assert outputs["mixed"].mask is None


def test_a_stack_masks_as_its_members_do() -> None:
    layers = {
        "norm": {"type": "batch_normalization"},
        "rnn": {"type": "lstm", "units": 3, "return_sequences": True},
        "out": {"type": "global_average_pooling1d"},
    }
    stack = network(layers, ["out", "rnn"], seed=[1, 2])
    both = torch.stack((TOKENS, TOKENS.flip(0)))
    shared, own = stack.score({"tokens": TOKENS}), stack.eval().score({"tokens": both})
    assert torch.equal(shared["rnn"].mask, TOKENS != 0)
    assert torch.equal(own["rnn"].mask, both != 0)
    for row, seed in enumerate((1, 2)):
        single = network(layers, ["out", "rnn"], seed=seed)
        alone = single.score({"tokens": TOKENS})["out"].value
        torch.testing.assert_close(shared["out"].value[row], alone, rtol=1e-10, atol=1e-10)
        alone = single.eval().score({"tokens": both[row]})["out"].value
        torch.testing.assert_close(own["out"].value[row], alone, rtol=1e-10, atol=1e-10)


def test_padding_does_not_change_the_last_state() -> None:
    ours = network({"out": {"type": "lstm", "units": 3}})
    padded = torch.tensor([[5, 3, 7, 0, 0], [0, 5, 0, 3, 7]])
    states = ours({"tokens": padded})["out"]
    torch.testing.assert_close(states[0], states[1], rtol=0.0, atol=0.0)


def test_global_average_equals_keras() -> None:
    ours = network({"out": {"type": "global_average_pooling1d"}})
    rows = TOKENS[[0, 2]]
    values = ours.layer("embedding")(rows)
    theirs = keras.layers.GlobalAveragePooling1D(dtype="float64")(values, mask=rows != 0)
    torch.testing.assert_close(ours({"tokens": rows})["out"], theirs, rtol=1e-6, atol=1e-7)
    assert not ours({"tokens": TOKENS})["out"][1].any()


def test_batch_normalization_equals_keras() -> None:
    ours = network({"out": {"type": "batch_normalization"}})
    values = ours.layer("embedding")(TOKENS)
    layer = keras.layers.BatchNormalization()
    theirs = layer(values.float(), training=True, mask=TOKENS != 0)
    torch.testing.assert_close(ours({"tokens": TOKENS})["out"], theirs.double(), rtol=1e-4, atol=1e-5)
    mine = ours.layer("out")
    for own, other in zip((mine.moving_mean, mine.moving_variance), layer.get_weights()[2:], strict=True):
        torch.testing.assert_close(own, torch.from_numpy(other).double(), rtol=1e-5, atol=1e-6)
