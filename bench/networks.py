"""What is trained: the networks, their sizes, rows, batch sizes and epochs, and the `mlx` command of each."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Product:
    """A matrix product (m, k) x (k, n) that a training step does `times` times, one after the other."""

    m: int
    k: int
    n: int
    times: int = 1

    @property
    def flops(self) -> int:
        """Multiplications and additions in one step."""
        return 2 * self.m * self.k * self.n * self.times


@dataclass(frozen=True)
class Recurrence:
    """An LSTM: T steps, an input of `size` numbers, `units` units."""

    steps: int
    size: int
    units: int


@dataclass(frozen=True)
class Network:
    """A network and how it is trained; `layers` are the (inputs, outputs) of its dense layers.

    `columns` are the arrays a peer needs. `reads_data` says that the first dense layer's input is data, whose
    gradient nobody needs. `vary` is what sixteen settings differ in.
    """

    name: str
    title: str
    config: str
    columns: tuple[str, ...]
    rows: int
    batch_size: int
    epochs: int
    parameters: int
    layers: tuple[tuple[int, int], ...]
    reads_data: bool
    changes: tuple[str, ...]
    recurrence: Recurrence | None = None
    vary: str | None = None

    @property
    def steps(self) -> int:
        """Steps of an epoch; the last batch may be smaller."""
        return math.ceil(self.rows / self.batch_size)

    def overrides(self, *, seed: int, rows: int | None = None, epochs: int | None = None) -> list[str]:
        """The changes to the shipped config with which `mlx` trains on the rows that all peers have."""
        return [
            *self.changes,
            f"data.samples={rows or self.rows}",
            f"training.epochs={epochs or self.epochs}",
            f"seed={seed}",
        ]

    def resized(self, *, rows: int | None, epochs: int | None) -> Network:
        """The same network on the first `rows` rows, for `epochs` epochs."""
        return replace(self, rows=min(rows or self.rows, self.rows), epochs=epochs or self.epochs)


def products_of(network: Network) -> list[Product]:
    """The matrix products of one step: forward, gradients of the weights and of the inputs."""
    batch, products = network.batch_size, list[Product]()
    for position, (inputs, outputs) in enumerate(network.layers):
        needs_gradient = position > 0 or not network.reads_data
        products += _dense(batch, inputs, outputs, input_gradient=needs_gradient)
    if network.recurrence is not None:
        steps, size, units = network.recurrence.steps, network.recurrence.size, network.recurrence.units
        gates = 4 * units
        # The input's part of all steps is one product; the state's part has to wait for the step before.
        products += _dense(batch * steps, size, gates, input_gradient=True)
        products += [Product(batch, units, gates, steps), Product(batch, gates, units, steps)]
        products.append(Product(gates, batch * steps, units))
    return products


def _dense(rows: int, inputs: int, outputs: int, *, input_gradient: bool) -> list[Product]:
    products = [Product(rows, inputs, outputs), Product(outputs, rows, inputs)]
    return [*products, Product(rows, outputs, inputs)] if input_gradient else products


AUTOENCODER_SIZES = (784, 128, 64, 28, 64, 128, 784)

NETWORKS = {
    network.name: network
    for network in (
        Network(
            name="autoencoder",
            title="784-128-64-28-64-128-784, sigmoid, binary cross-entropy",
            config="autoencoder",
            columns=("image",),
            rows=60_000,
            batch_size=100,
            epochs=5,
            parameters=221_868,
            layers=tuple(itertools.pairwise(AUTOENCODER_SIZES)),
            reads_data=True,
            changes=("data.validation_split=0",),
            vary="losses.pixels.label_smoothing",
        ),
        Network(
            name="headline",
            title="embedding, LSTM, two outputs, an auxiliary loss",
            config="headline",
            columns=("headline", "context", "shared"),
            rows=20_000,
            batch_size=32,
            epochs=2,
            parameters=5_200_610,
            layers=((32, 1), (37, 64), (64, 64), (64, 64), (64, 1)),
            reads_data=False,
            changes=("data.validation_split=0", "data.test_split=0", "training.early_stopping=null"),
            recurrence=Recurrence(steps=100, size=512, units=32),
        ),
        Network(
            name="attributes",
            title="784-6-6, six labels",
            config="multilabel_attributes",
            columns=("image", "attributes"),
            rows=60_000,
            batch_size=128,
            epochs=5,
            parameters=4_752,
            layers=((784, 6), (6, 6)),
            reads_data=True,
            changes=("data.validation_split=0",),
            vary="losses.attributes.label_smoothing",
        ),
    )
}
