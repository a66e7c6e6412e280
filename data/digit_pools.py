"""Owns how images composed of MNIST digits are split: each split from digits the other two never show."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..specs.errors import ConfigError, Problem
from ..specs.sources import MultilabelMnist, MultiMnist
from .fingerprint import fingerprint_tables
from .images import image_scale
from .mnist_source import Digits, read_digits
from .splits import floor_of, split_sizes
from .table import Scale, Schema, Splits, Table

# A stream for each split, so that the test images depend on neither `samples` nor `validation_split`.
STREAMS = {"train": 0, "validation": 1, "test": 2}

MakeTable = Callable[[Digits, int, np.random.RandomState], Table]


def build_from_digits(spec: MultilabelMnist | MultiMnist, schema: Schema, make: MakeTable) -> Splits:
    """The splits that `make(pool, num_rows, stream)` composes, with input `image`, scaled as `spec` says.

    Validation images show the last floor(n v) of the training file's n digits, train images the rest,
    test images the test file's. Raises ConfigError (splits) and the errors of `read_digits` and `make`.
    """
    sizes = split_sizes(spec.samples, validation_split=spec.validation_split)
    training, testing = read_digits(spec, "train"), read_digits(spec, "t10k")
    train_pool, validation_pool = _divide(training, spec.validation_split, needed=sizes.validation > 0)
    train = make(train_pool, sizes.train, _stream(spec.seed, "train"))
    scale = image_scale(spec, train.inputs["image"])
    validation = None
    if sizes.validation:
        validation = make(validation_pool, sizes.validation, _stream(spec.seed, "validation"))
    test = make(testing, spec.test_samples, _stream(spec.seed, "test"))
    fingerprint = fingerprint_tables((train, validation, test))
    scaled_validation = None if validation is None else _with_scale(validation, scale)
    return Splits(_with_scale(train, scale), scaled_validation, _with_scale(test, scale), schema, fingerprint)


def _divide(digits: Digits, validation_split: float, *, needed: bool) -> tuple[Digits, Digits]:
    num_validation = floor_of(len(digits.labels), validation_split)
    if needed and num_validation == 0:
        message = (
            f"{validation_split} of {len(digits.labels)} digits is none to make validation canvases from; "
            "raise it, or set it to 0."
        )
        raise ConfigError(Problem(message, ("data", "validation_split")))
    first = len(digits.labels) - num_validation
    return Digits(digits.images[:first], digits.labels[:first]), Digits(
        digits.images[first:], digits.labels[first:]
    )


def _stream(seed: int, split: str) -> np.random.RandomState:
    # RandomState, not Generator: NumPy promises never to change its streams.
    return np.random.RandomState([seed, STREAMS[split]])


def _with_scale(table: Table, scale: Scale | None) -> Table:
    return table if scale is None else Table(table.inputs, table.targets, scales={"image": scale})
