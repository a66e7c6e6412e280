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
from torch.utils.data import DataLoader
from torchvision.datasets import MNIST
from torchvision.transforms import Compose, Lambda, ToTensor

from .torch_networks import begin, make_optimizer

SIDE = 28


def train(task: Task, watch: Stopwatch) -> None:
    """Train a task."""
    torch.manual_seed(task.seed)
    with tempfile.TemporaryDirectory() as folder:
        _write_files(task, Path(folder) / "MNIST" / "raw")
        to_vector = Compose([ToTensor(), Lambda(torch.flatten)])
        rows = MNIST(folder, train=True, transform=to_vector)
    loader = DataLoader(rows, batch_size=task.batch_size, shuffle=True)
    module, loss_of = begin(task)
    optimizer = make_optimizer(module)
    for _ in range(task.epochs):
        watch.epoch_started()
        total = 0.0
        for image, _ in loader:
            optimizer.zero_grad()
            loss = loss_of(module, {"image": image})
            loss.backward()
            optimizer.step()
            total += loss.item() * len(image)
            watch.step_done()
        watch.epoch_done(total / len(rows))


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
