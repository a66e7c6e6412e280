"""The shipped configs, started from Keras's own weights on the same batches, follow Keras step by step.

Keras's losses, gradients and optimizers run on its torch backend. In float64 Keras promotes like JAX,
whose default knows no 64-bit numbers, and so multiplies matrices in float32; `keras_in_float64` lifts
that one rule and leaves the rest of Keras as it is. Its learning rate stays a float32, as it stores it.
`make parity` adds the headline model in full length and width.
"""

from __future__ import annotations

import os

os.environ.setdefault("KERAS_BACKEND", "torch")

from collections.abc import Iterator

import keras
import numpy as np
import pytest
import torch
from keras.src.backend.common import dtypes
from mlx_runner.data import Table
from mlx_runner.specs.load import load_experiment
from mlx_runner.training.assemble import open_workshop
from mlx_runner.training.blueprint import draw_blueprint
from mlx_runner.training.fit import order_rows
from mlx_runner.training.step import Trainee, train_step

# Keras hands PyTorch variables to NumPy 2 in a way that NumPy is about to retire.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

OPTIMIZERS = {"adam": keras.optimizers.Adam, "rmsprop": keras.optimizers.RMSprop, "sgd": keras.optimizers.SGD}
EXACT = {"steps": 200, "rtol": 1e-5}
ROUNDED = {"steps": 50, "rtol": 1e-3}


@pytest.fixture(autouse=True)
def the_same_initial_weights() -> None:
    """Drawn from one seed: from some weights Adam carries float32's rounding to 3e-3 within 50 steps, where a
    gradient is nearly 0, whoever computes it; float64 follows from all of them."""
    keras.utils.set_random_seed(0)


@pytest.fixture
def keras_in_float64(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(dtypes.BIT64_TO_BIT32_DTYPE, "float64", "float64")


def autoencoder(dtype: str, activation: str = "sigmoid") -> keras.Model:
    image = values = keras.Input((784,), dtype=dtype, name="image")
    sizes = {"encoder_1": 128, "encoder_2": 64, "code": 28, "decoder_1": 64, "decoder_2": 128}
    for name, units in sizes.items():
        values = keras.layers.Dense(units, activation="relu", dtype=dtype, name=name)(values)
    pixels = keras.layers.Dense(784, activation=activation, dtype=dtype, name="pixels")(values)
    return compiled(keras.Model({"image": image}, {"pixels": pixels}), dtype)


def attributes(dtype: str) -> keras.Model:
    image = keras.Input((784,), dtype=dtype, name="image")
    hidden = keras.layers.Dense(6, activation="relu", dtype=dtype, name="hidden")(image)
    scores = keras.layers.Dense(6, activation="sigmoid", dtype=dtype, name="attributes")(hidden)
    return compiled(keras.Model({"image": image}, {"attributes": scores}), dtype)


def headline(dtype: str, *, length: int, width: int) -> keras.Model:
    words = keras.Input((length,), dtype="int64", name="headline")
    context = keras.Input((5,), dtype=dtype, name="context")
    values = keras.layers.Embedding(10_000, width, dtype=dtype, name="embedding")(words)
    state = keras.layers.LSTM(32, dtype=dtype, name="lstm")(values)
    aux = keras.layers.Dense(1, activation="sigmoid", dtype=dtype, name="aux_output")(state)
    values = keras.layers.Concatenate(dtype=dtype)([state, context])
    for name in ("dense_1", "dense_2", "dense_3"):
        values = keras.layers.Dense(64, activation="relu", dtype=dtype, name=name)(values)
    main = keras.layers.Dense(1, activation="sigmoid", dtype=dtype, name="main_output")(values)
    outputs = {"main_output": main, "aux_output": aux}
    weights = {"main_output": 1.0, "aux_output": 0.2}
    return compiled(keras.Model({"headline": words, "context": context}, outputs), dtype, weights)


def compiled(model: keras.Model, dtype: str, weights: dict[str, float] | None = None) -> keras.Model:
    losses = {name: keras.losses.BinaryCrossentropy(dtype=dtype) for name in model.output_names}
    model.compile(loss=losses, loss_weights=weights)
    return model


def assert_follows(
    config: str, model: keras.Model, optimizer: str, overrides: list[str], *, steps: int, rtol: float
) -> None:
    """Train the config from the model's weights beside the model, and compare every step's total."""
    rule = OPTIMIZERS[optimizer]()
    # The rate of the config, as the float32 that Keras keeps it in.
    rate = float(np.float32(rule.get_config()["learning_rate"]))
    changes = [*overrides, f"optimizer.type={optimizer}", f"optimizer.learning_rate={rate!r}"]
    trainee, batches = assemble(config, changes, steps)
    copy_weights(model, trainee)
    rule.build(model.trainable_variables)
    ours, theirs = [], []
    for batch in batches:
        theirs.append(keras_step(model, rule, trainee, batch))
        ours.append(float(train_step(trainee, batch).total.detach()))
    assert len(ours) == steps
    np.testing.assert_allclose(ours, theirs, rtol=rtol, atol=0)


def assemble(config: str, overrides: list[str], steps: int) -> tuple[Trainee, Iterator[Table]]:
    experiment = load_experiment(config, overrides)
    workshop = open_workshop(draw_blueprint(experiment), torch.device("cpu"))
    size, train = experiment.training.batch_size, workshop.splits.train
    epochs = -(-steps // workshop.steps_per_epoch)
    orders = [order_rows(epoch, len(train), seeds=(0,), shuffle=True) for epoch in range(1, epochs + 1)]
    indices = [index for order in orders for index in torch.split(order, size)]
    batches = (train.gather(index, workshop.dtype) for index in indices[:steps])
    return workshop.build([experiment], stacked=False), batches


def copy_weights(model: keras.Model, trainee: Trainee) -> None:
    """Keras's weights into our layers of the same names, all of them and nothing else."""
    copied = 0
    with torch.no_grad():
        for layer in model.layers:
            ours = dict(trainee.network.layer(layer.name).named_parameters()) if layer.weights else {}
            for variable in layer.weights:
                ours[variable.name].copy_(variable.value)
                copied += variable.value.numel()
    assert copied == trainee.parameters.values.numel() == model.count_params()


def keras_step(model: keras.Model, rule: keras.Optimizer, trainee: Trainee, batch: Table) -> float:
    """One step as Keras trains: its total before the update."""
    targets = {term.output: batch.reference(term.target) for term in trainee.objective.terms}
    total = model.compute_loss(batch.inputs, targets, model(batch.inputs, training=True))
    gradients = torch.autograd.grad(total, [variable.value for variable in model.trainable_variables])
    with torch.no_grad():
        rule.apply(list(gradients), model.trainable_variables)
    return float(total.detach())


FLOAT64 = ["training.precision=float64"]
IMAGES = ["data.samples=4000", "data.test_samples=10"]
SHORT = ["data.samples=4000", "data.length=20"]
LONG = ["data.samples=8000"]
BY_VALUE = ["losses.main.from_logits=false", "losses.aux.from_logits=false"]


every_optimizer = pytest.mark.parametrize("optimizer", OPTIMIZERS)
in_float64 = pytest.mark.usefixtures("keras_in_float64")


@every_optimizer
@in_float64
def test_autoencoder_in_float64(optimizer: str) -> None:
    overrides = [*FLOAT64, *IMAGES, "losses.pixels.from_logits=false"]
    assert_follows("autoencoder", autoencoder("float64"), optimizer, overrides, **EXACT)


@every_optimizer
def test_autoencoder_in_float32(optimizer: str) -> None:
    assert_follows("autoencoder", autoencoder("float32"), optimizer, IMAGES, **ROUNDED)


@in_float64
def test_softmax_autoencoder_in_float64() -> None:
    """The loss reads the softmax's own values, clipped, so it is as broken here as it is there."""
    model = autoencoder("float64", "softmax")
    assert_follows("autoencoder_softmax", model, "adam", [*FLOAT64, *IMAGES], **EXACT)


def test_softmax_autoencoder_in_float32() -> None:
    assert_follows("autoencoder_softmax", autoencoder("float32", "softmax"), "adam", IMAGES, **ROUNDED)


@every_optimizer
@in_float64
def test_attributes_in_float64(optimizer: str) -> None:
    overrides = [*FLOAT64, *IMAGES, "losses.attributes.from_logits=false"]
    assert_follows("multilabel_attributes", attributes("float64"), optimizer, overrides, **EXACT)


@every_optimizer
def test_attributes_in_float32(optimizer: str) -> None:
    assert_follows("multilabel_attributes", attributes("float32"), optimizer, IMAGES, **ROUNDED)


@every_optimizer
@in_float64
def test_narrow_headline_in_float64(optimizer: str) -> None:
    overrides = [*FLOAT64, *SHORT, *BY_VALUE, "model.layers.embedding.output_dim=32"]
    assert_follows("headline", headline("float64", length=20, width=32), optimizer, overrides, **EXACT)


@every_optimizer
def test_headline_in_float32(optimizer: str) -> None:
    assert_follows("headline", headline("float32", length=20, width=512), optimizer, SHORT, **ROUNDED)


@every_optimizer
@in_float64
@pytest.mark.parity
def test_full_headline_in_float64(optimizer: str) -> None:
    overrides = [*FLOAT64, *LONG, *BY_VALUE]
    assert_follows("headline", headline("float64", length=100, width=512), optimizer, overrides, **EXACT)


@every_optimizer
@pytest.mark.parity
def test_full_headline_in_float32(optimizer: str) -> None:
    assert_follows("headline", headline("float32", length=100, width=512), optimizer, LONG, **ROUNDED)
