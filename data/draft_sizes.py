"""Owns the sizes of a drafted network and its training, by how many rows there are."""

from __future__ import annotations

import math
from dataclasses import dataclass

# Steps after which a small network has learned most of what it will; early stopping ends it sooner.
_STEPS = 4000
_EPOCHS = (10, 100)


@dataclass(frozen=True)
class Sizes:
    """How large and how long: `hidden` are the units of each layer, `patience` is in epochs."""

    hidden: tuple[int, ...]
    batch_size: int
    epochs: int
    patience: int
    learning_rate: float


def choose_sizes(num_train: int) -> Sizes:
    """What suits so many training rows, one at least."""
    batch_size = min(num_train, next(size for most, size in _BATCH_SIZES if num_train < most))
    epochs = math.ceil(_STEPS / math.ceil(num_train / batch_size))
    return Sizes(
        hidden=next(units for most, units in _HIDDEN if num_train < most),
        batch_size=batch_size,
        epochs=min(_EPOCHS[1], max(_EPOCHS[0], epochs)),
        patience=10 if num_train < 5000 else 5 if num_train < 50_000 else 3,
        learning_rate=0.003 if num_train < 1000 else 0.001,
    )


def choose_fractions(num_rows: int) -> tuple[float, float]:
    """The fractions for validation and for testing: enough rows in each to say something, or none."""
    if num_rows < 10:
        return 0.0, 0.0
    if num_rows < 50:
        return 0.0, 0.2
    if num_rows < 500:
        return 0.2, 0.2
    return (0.1, 0.2) if num_rows < 20_000 else (0.1, 0.1)


def embedding_size(num_categories: int) -> int:
    """The length of a vector by which so many categories can be told apart."""
    return min(50, max(4, round(num_categories**0.5)))


# Each for fewer training rows than the number before it.
_BATCH_SIZES = ((1000, 16), (10_000, 32), (50_000, 128), (math.inf, 256))
_HIDDEN = ((500, (32,)), (5000, (64,)), (50_000, (64, 64)), (math.inf, (128, 64)))
