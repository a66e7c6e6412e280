"""Keras 3: `model.fit` on NumPy arrays, on whichever backend the process was started for."""

from __future__ import annotations

import importlib

import keras
import numpy as np
from keras import layers
from task import Stopwatch, Task

# Importing keras imports its backend in part; what is left of it belongs to the import, too.
importlib.import_module(keras.config.backend())


AUTOENCODER = {
    "encoder_1": 128,
    "encoder_2": 64,
    "code": 28,
    "decoder_1": 64,
    "decoder_2": 128,
    "pixels": 784,
}


class Watching(keras.callbacks.Callback):
    """Tells the stopwatch."""

    # Else Keras would wait for the results of every step before it begins the next.
    async_safe = True

    def __init__(self, watch: Stopwatch) -> None:
        super().__init__()
        self.watch = watch

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self.watch.epoch_started()

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        self.watch.step_done()

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        assert logs is not None
        self.watch.epoch_done(logs["loss"])


def train(task: Task, watch: Stopwatch) -> None:
    """Train a task."""
    keras.utils.set_random_seed(task.seed)
    with np.load(task.data) as arrays:
        columns = {name: arrays[name] for name in arrays.files}
    columns = {
        name: rows.astype(np.float32) / 255 if rows.dtype == np.uint8 else rows
        for name, rows in columns.items()
    }
    model, inputs, targets, weights = _build(task.network, columns)
    for name, arrays in task.weights().items():
        model.get_layer(name).set_weights(arrays)
    model.compile(
        optimizer=keras.optimizers.Adam(learning_rate=1e-3),
        loss=["binary_crossentropy"] * len(weights) if weights else "binary_crossentropy",
        loss_weights=weights,
    )
    model.fit(
        inputs,
        targets,
        batch_size=task.batch_size,
        epochs=task.epochs,
        shuffle=True,
        verbose=0,
        callbacks=[Watching(watch)],
    )


Built = tuple[keras.Model, object, object, list[float] | None]


def _build(name: str, columns: dict[str, np.ndarray]) -> Built:
    """The model, what it reads, what it is compared with, and the weights of several losses."""
    if name == "headline":
        inputs = [columns["headline"], columns["context"]]
        return _headline(), inputs, [columns["shared"]] * 2, [1.0, 0.2]
    if name == "autoencoder":
        return _dense(AUTOENCODER), columns["image"], columns["image"], None
    assert name == "attributes"
    return _dense({"hidden": 6, "attributes": 6}), columns["image"], columns["attributes"], None


def _dense(units: dict[str, int]) -> keras.Model:
    *hidden, last = units
    stack = [layers.Dense(units[name], activation="relu", name=name) for name in hidden]
    return keras.Sequential(
        [layers.Input((784,)), *stack, layers.Dense(units[last], activation="sigmoid", name=last)]
    )


def _headline() -> keras.Model:
    headline, context = layers.Input((100,), dtype="int32"), layers.Input((5,))
    last = layers.LSTM(32, name="lstm")(layers.Embedding(10_000, 512, name="embedding")(headline))
    aux = layers.Dense(1, activation="sigmoid", name="aux_output")(last)
    hidden = layers.concatenate([last, context])
    for name in ("dense_1", "dense_2", "dense_3"):
        hidden = layers.Dense(64, activation="relu", name=name)(hidden)
    main = layers.Dense(1, activation="sigmoid", name="main_output")(hidden)
    return keras.Model([headline, context], [main, aux])
