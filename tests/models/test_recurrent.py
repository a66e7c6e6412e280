"""Recurrent layers against Keras with Keras's weights, stacks against their members, and export."""

from __future__ import annotations

import os

os.environ.setdefault("KERAS_BACKEND", "torch")

import keras
import numpy as np
import pytest
import torch
from mlx_runner.models import InputSpec, Network, build_network, parameter_count
from mlx_runner.specs.layers import ModelSpec
from pydantic import ValidationError

# Keras hands PyTorch variables to NumPy 2 in a way that NumPy is about to retire.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword")

T, C, U = 6, 5, 3
# Keras's steps multiply in float32 even where its layer is float64.
KERAS_PRECISION = {"rtol": 1e-4, "atol": 2e-6}
KERAS = {"lstm": keras.layers.LSTM, "gru": keras.layers.GRU, "simple_rnn": keras.layers.SimpleRNN}


def network(layer: dict, *, seed: int | list[int] = 0, masked: bool = False, **options: object) -> Network:
    layers = {"recurrent": layer}
    inputs = {"sequence": InputSpec((T,), 9) if masked else InputSpec((T, C))}
    if masked:
        embedding = {"type": "embedding", "input_dim": 9, "output_dim": C, "mask_zero": True}
        layers = {"embedding": embedding, **layers}
    spec = {"inputs": "sequence", "layers": layers, "outputs": "recurrent"}
    return build_network(ModelSpec.model_validate(spec), inputs, seed=seed, dtype=torch.float64, **options)


def set_from_keras(ours: Network, theirs: keras.layers.Layer) -> None:
    """Random weights in the Keras layer (so that biases matter), and the same in ours."""
    generator = np.random.default_rng(0)
    theirs.set_weights([generator.normal(size=each.shape) for each in theirs.get_weights()])
    mine = list(ours.layer("recurrent").parameters())
    for parameter, values in zip(mine, theirs.get_weights(), strict=True):
        assert tuple(parameter.shape) == values.shape
        parameter.data.copy_(torch.from_numpy(values))


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("sequences", [False, True])
@pytest.mark.parametrize("cell", KERAS)
def test_equals_keras(cell: str, sequences: bool, bidirectional: bool) -> None:
    options = {"return_sequences": sequences, "go_backwards": not bidirectional and sequences}
    theirs = KERAS[cell](U, dtype="float64", **options)
    if bidirectional:
        theirs = keras.layers.Bidirectional(theirs, dtype="float64")
    ours = network({"type": cell, "units": U, "bidirectional": bidirectional, **options})
    values = torch.randn(4, T, C, dtype=torch.float64)
    theirs.build(values.shape)
    set_from_keras(ours, theirs)
    torch.testing.assert_close(ours({"sequence": values})["recurrent"], theirs(values), **KERAS_PRECISION)


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("sequences", [False, True])
@pytest.mark.parametrize("cell", KERAS)
def test_masked_steps_equal_keras(cell: str, sequences: bool, bidirectional: bool) -> None:
    theirs = KERAS[cell](U, dtype="float64", return_sequences=sequences)
    if bidirectional:
        theirs = keras.layers.Bidirectional(theirs, dtype="float64")
    layer = {"type": cell, "units": U, "bidirectional": bidirectional, "return_sequences": sequences}
    ours = network(layer, masked=True)
    indices = torch.tensor([[0, 0, 3, 4, 0, 5], [1, 2, 3, 0, 0, 0], [0, 0, 0, 0, 0, 8]])
    values = ours.layer("embedding")(indices).detach()
    theirs.build(values.shape)
    set_from_keras(ours, theirs)
    result = ours({"sequence": indices})["recurrent"]
    torch.testing.assert_close(result, theirs(values, mask=indices != 0), **KERAS_PRECISION)


@pytest.mark.parametrize("cell", KERAS)
def test_initial_weights_have_keras_shapes_and_laws(cell: str) -> None:
    theirs = KERAS[cell](U)
    theirs.build((None, T, C))
    ours = network({"type": cell, "units": U})
    layer = ours.layer("recurrent")
    assert [tuple(each.shape) for each in layer.parameters()] == [each.shape for each in theirs.get_weights()]
    assert parameter_count(ours) == theirs.count_params()
    own = layer.recurrent_kernel
    torch.testing.assert_close(own @ own.T, torch.eye(U, dtype=torch.float64), rtol=1e-5, atol=1e-5)
    # Glorot's limit over (inputs, all gates).
    assert layer.kernel.abs().max() <= (6 / (C + layer.kernel.shape[1])) ** 0.5
    np.testing.assert_array_equal(layer.bias.detach().numpy(), theirs.get_weights()[2])


def test_pytorch_numerics_start_as_pytorch_does() -> None:
    layer = network({"type": "lstm", "units": 100}, numerics="torch").layer("recurrent")
    for each in layer.parameters():
        assert each.abs().max().item() == pytest.approx(0.1, rel=0.02)


@pytest.mark.parametrize("layer", [
    {"type": "lstm", "units": U},
    {"type": "lstm", "units": U, "use_bias": False, "return_sequences": True},
    {"type": "gru", "units": U, "bidirectional": True},
    {"type": "gru", "units": U, "use_bias": False, "go_backwards": True},
    {"type": "simple_rnn", "units": U, "return_sequences": True, "bidirectional": True},
])  # fmt: skip
@pytest.mark.parametrize("masked", [False, True])
def test_stack_equals_its_members(layer: dict, masked: bool) -> None:
    seeds = [3, 4, 3]
    stack = network(layer, seed=seeds, masked=masked)
    values = torch.randint(0, 9, (4, T)) if masked else torch.randn(4, T, C, dtype=torch.float64)
    outputs = stack({"sequence": values})["recurrent"]
    outputs.square().sum().backward()
    with_axis = stack({"sequence": torch.stack([values] * 3)})["recurrent"]
    for row, seed in enumerate(seeds):
        single = network(layer, seed=seed, masked=masked)
        alone = single({"sequence": values})["recurrent"]
        alone.square().sum().backward()
        torch.testing.assert_close(outputs[row], alone, rtol=1e-10, atol=1e-10)
        torch.testing.assert_close(with_axis[row], alone, rtol=1e-10, atol=1e-10)
        for (name, own), (_, stacked) in zip(
            single.named_parameters(), stack.named_parameters(), strict=True
        ):
            torch.testing.assert_close(stacked.grad[row], own.grad, rtol=1e-9, atol=1e-10, msg=name)


@pytest.mark.parametrize("cell", KERAS)
def test_exports(cell: str) -> None:
    ours = network({"type": cell, "units": U, "bidirectional": True}, masked=True).eval()
    inputs = {"sequence": torch.tensor([[1, 2, 0, 4, 5, 6], [0, 0, 3, 0, 0, 0]])}
    with torch.no_grad():
        exported = torch.export.export(ours, (inputs,)).module()
    other = {"sequence": torch.tensor([[0, 0, 0, 4, 0, 6], [1, 8, 3, 0, 2, 0]])}
    for given in (inputs, other):
        torch.testing.assert_close(exported(given)["recurrent"], ours(given)["recurrent"])


def test_options_without_effect_are_errors() -> None:
    for options, words in (
        ({"type": "lstm", "use_bias": False, "unit_forget_bias": True}, "unit_forget_bias has no effect"),
        ({"type": "gru", "use_bias": False, "bias_initializer": "ones"}, "bias_initializer has no effect"),
        ({"type": "lstm", "bidirectional": True, "go_backwards": True}, "leave out go_backwards"),
    ):
        with pytest.raises(ValidationError, match=words):
            network({"units": U, **options})
