"""Owns the source `multilabel_mnist`: canvases of four cells with one to three digits in distinct cells.

The number of digits (1, 2 or 3), the digits and their cells are drawn uniformly and independently of one
another, so a digit's class may appear twice on a canvas: the ten labels are the set of classes shown.
Train, validation and test canvases are made from digits that the other two never show.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from ..specs.errors import MachineError, Problem
from ..specs.sources import MultilabelMnist
from .digit_pools import build_from_digits
from .images import image_field
from .mnist_source import DIGIT_NAMES, SIDE, Digits
from .table import Field, Schema, Splits, Table

NUM_CELLS = 4
MOST_DIGITS = 3


@dataclass(frozen=True, eq=False)
class CanvasPlan:
    """What is drawn for N canvases; only the first `counts` of the three slots are used.

    `counts` (N,) from 1 to 3; `digits` (N, 3) rows of the pool; `cells` (N, 3) distinct, 0 to 3, row by row.
    """

    counts: NDArray[np.int64]
    digits: NDArray[np.int64]
    cells: NDArray[np.int64]


def describe_canvases(spec: MultilabelMnist) -> Schema:
    """Input `image` of 56x56 pixels; target `digits`, ten binary labels."""
    return Schema(
        inputs={"image": image_field(spec, (1, 2 * SIDE, 2 * SIDE))},
        targets={"digits": Field(shape=(10,), kind="binary", labels=DIGIT_NAMES)},
    )


def build_canvases(spec: MultilabelMnist) -> Splits:
    """The canvases of `data.seed`: the same bytes on every machine.

    Raises ConfigError (shape, splits), MachineError (memory) and the errors of `build_from_digits`.
    """
    schema = describe_canvases(spec)
    shape = schema.inputs["image"].shape

    def make(pool: Digits, num_canvases: int, stream: np.random.RandomState) -> Table:
        plan = plan_canvases(num_canvases, len(pool.labels), stream)
        images = torch.from_numpy(paint_canvases(plan, pool.images)).reshape(-1, *shape)
        return Table({"image": images}, {"digits": torch.from_numpy(label_canvases(plan, pool.labels))})

    return build_from_digits(spec, schema, make)


def plan_canvases(num_canvases: int, pool_size: int, stream: np.random.RandomState) -> CanvasPlan:
    """Draw number, digits and cells of each canvas, in this order; changing it changes every canvas."""
    counts = stream.randint(1, MOST_DIGITS + 1, size=num_canvases, dtype=np.int64)
    digits = stream.randint(0, pool_size, size=(num_canvases, MOST_DIGITS), dtype=np.int64)
    order = np.argsort(stream.random_sample((num_canvases, NUM_CELLS)), axis=1, kind="stable")
    return CanvasPlan(counts=counts, digits=digits, cells=order[:, :MOST_DIGITS])


def paint_canvases(plan: CanvasPlan, images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The canvases (N, 56, 56) of a plan, from the pool's images (n, 28, 28).

    Raises MachineError where they do not fit into memory.
    """
    num_canvases = len(plan.counts)
    try:
        canvases = np.zeros((num_canvases, 2, SIDE, 2, SIDE), dtype=np.uint8)
    except MemoryError as error:
        size = num_canvases * NUM_CELLS * SIDE * SIDE / 1e9
        message = f"{num_canvases} canvases take {size:.1f} GB, more than there is memory; lower it."
        raise MachineError(Problem(message, ("data", "samples"))) from error
    for slot in range(MOST_DIGITS):
        rows = np.flatnonzero(plan.counts > slot)
        cells, digits = plan.cells[rows, slot], plan.digits[rows, slot]
        canvases[rows, cells // 2, :, cells % 2, :] = images[digits]
    return canvases.reshape(num_canvases, 2 * SIDE, 2 * SIDE)


def label_canvases(plan: CanvasPlan, labels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The ten binary labels (N, 10) of a plan: which classes are shown, from the pool's labels (n,)."""
    shown = np.zeros((len(plan.counts), 10), dtype=np.float32)
    for slot in range(MOST_DIGITS):
        rows = np.flatnonzero(plan.counts > slot)
        shown[rows, labels[plan.digits[rows, slot]]] = 1.0
    return shown
