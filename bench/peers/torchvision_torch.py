"""PyTorch as its tutorials write it for MNIST: torchvision's dataset, ToTensor, a DataLoader.

Every image becomes a PIL image and a tensor each time it is read. The rows are the bench's own, written to
the four files that torchvision looks for.
"""

from __future__ import annotations

import struct
import tempfile
from pathlib import Path

import numpy as np
import torch
from task import Stopwatch, Task
from torchvision.datasets import MNIST
from torchvision.transforms import Compose, Lambda, ToTensor

from .plain_torch import train_rows
from .torch_networks import Batch

SIDE = 28


class Images(MNIST):
    """torchvision's dataset, whose labels nobody reads."""

    def __getitem__(self, index: int) -> Batch:
        image, _ = super().__getitem__(index)
        return {"image": image}


def train(task: Task, watch: Stopwatch) -> None:
    """Train a task."""
    with tempfile.TemporaryDirectory() as folder:
        _write_files(task, Path(folder) / Images.__name__ / "raw")
        to_vector = Compose([ToTensor(), Lambda(torch.flatten)])
        rows = Images(folder, train=True, transform=to_vector)
    train_rows(rows, task, watch)


def _write_files(task: Task, folder: Path) -> None:
    folder.mkdir(parents=True)
    with np.load(task.data) as arrays:
        images = arrays["image"].reshape(-1, SIDE, SIDE)
    assert images.dtype == np.uint8, "torchvision reads bytes"
    for split, rows in (("train", images), ("t10k", images[:1])):
        sizes = struct.pack(">4I", 0x803, *rows.shape)
        (folder / f"{split}-images-idx3-ubyte").write_bytes(sizes + rows.tobytes())
        labels = struct.pack(">2I", 0x801, len(rows)) + bytes(len(rows))
        (folder / f"{split}-labels-idx1-ubyte").write_bytes(labels)
