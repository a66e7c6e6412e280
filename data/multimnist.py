"""Owns the source `multimnist`: two overlapping digits in one image, each to be named.

After Sabour et al. (2017, arXiv:1710.09829) in the form of Sener and Koltun (2018, arXiv:1810.04650): the
left digit is pasted at (0, 0) and the right one at (6, 6) of a 36x36 canvas, with the larger pixel where
they overlap, and the canvas is resized to 28x28. Both digits are drawn uniformly and independently, so
they may be of one class.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from ..specs.errors import MachineError, Problem
from ..specs.sources import MultiMnist
from .digit_pools import build_from_digits
from .images import image_field
from .mnist_source import DIGIT_NAMES, SIDE, Digits
from .table import Field, Schema, Splits, Table

CANVAS_SIDE = 36
OFFSETS = (0, 6)
# Canvases painted at a time: few enough to stay in the processor's cache.
CHUNK = 1_000


def describe_multimnist(spec: MultiMnist) -> Schema:
    """Input `image` of 28x28 pixels; targets `left` and `right`, each one of ten classes."""
    digit = Field(shape=(), kind="classes", size=10, labels=DIGIT_NAMES)
    return Schema(
        inputs={"image": image_field(spec, (1, SIDE, SIDE))}, targets={"left": digit, "right": digit}
    )


def build_multimnist(spec: MultiMnist) -> Splits:
    """The images of `data.seed`: the same bytes on every machine.

    Raises ConfigError (shape, splits), MachineError (memory) and the errors of `build_from_digits`.
    """
    schema = describe_multimnist(spec)
    shape = schema.inputs["image"].shape

    def make(pool: Digits, num_images: int, stream: np.random.RandomState) -> Table:
        pairs = stream.randint(0, len(pool.labels), size=(num_images, 2), dtype=np.int64)
        images = torch.from_numpy(overlay_pairs(pairs, pool.images)).reshape(-1, *shape)
        labels = torch.from_numpy(pool.labels[pairs].astype(np.int64))
        return Table(
            {"image": images}, {"left": labels[:, 0].contiguous(), "right": labels[:, 1].contiguous()}
        )

    return build_from_digits(spec, schema, make)


def overlay_pairs(pairs: NDArray[np.int64], images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The images (N, 28, 28) of pairs (N, 2) of rows, left and right, of the pool's images (n, 28, 28).

    Raises MachineError where they do not fit into memory.
    """
    try:
        overlaid = np.zeros((len(pairs), SIDE, SIDE), dtype=np.uint8)
    except MemoryError as error:
        size = len(pairs) * SIDE * SIDE / 1e9
        message = f"{len(pairs)} images take {size:.1f} GB, more than there is memory; lower it."
        raise MachineError(Problem(message, ("data", "samples"))) from error
    for start in range(0, len(pairs), CHUNK):
        chunk = pairs[start : start + CHUNK]
        canvases = np.zeros((len(chunk), CANVAS_SIDE, CANVAS_SIDE), dtype=np.uint8)
        for offset, rows in zip(OFFSETS, chunk.T, strict=True):
            window = canvases[:, offset : offset + SIDE, offset : offset + SIDE]
            np.maximum(window, images[rows], out=window)
        overlaid[start : start + CHUNK] = shrink_canvases(canvases)
    return overlaid


def shrink_canvases(canvases: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Canvases (N, 36, 36) resized to (N, 28, 28): bilinear, pixel centres aligned, no smoothing before.

    Pixel i of 28 lies at (i + 1/2) 36/28 - 1/2 = (9 i + 1) / 7 of 36, so every weight is a number of
    49ths. Integers make it exact; a sum of 49ths never lies halfway between two pixel values.
    """
    position = 9 * np.arange(SIDE) + 1
    before, share = position // 7, (position % 7).astype(np.uint16)
    wide = canvases.astype(np.uint16)
    rows = wide[:, before] * (7 - share)[:, None] + wide[:, before + 1] * share[:, None]
    values = rows[:, :, before] * (7 - share) + rows[:, :, before + 1] * share
    return ((values + 24) // 49).astype(np.uint8)
