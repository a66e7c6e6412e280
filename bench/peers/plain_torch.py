"""PyTorch as its tutorials write it: a Dataset of rows, a DataLoader, the loss read in every step."""

from __future__ import annotations

import torch
from task import Stopwatch, Task
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from .torch_networks import Batch, begin, load_columns, make_optimizer


class Rows(Dataset[Batch]):
    """The rows, one at a time."""

    def __init__(self, columns: Batch) -> None:
        self.columns = columns

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        return {name: values[index] for name, values in self.columns.items()}


def train(task: Task, watch: Stopwatch) -> None:
    """Train a task."""
    train_rows(Rows(load_columns(task)), task, watch)


def train_rows(rows: Dataset[Batch], task: Task, watch: Stopwatch) -> None:
    """The loop over a dataset that gives a row of named tensors at a time."""
    torch.manual_seed(task.seed)
    loader = DataLoader(rows, batch_size=task.batch_size, shuffle=True)
    module, loss_of = begin(task)
    optimizer = make_optimizer(module)
    for _ in range(task.epochs):
        watch.epoch_started()
        total = 0.0
        for batch in loader:
            optimizer.zero_grad()
            loss = loss_of(module, batch)
            loss.backward()
            optimizer.step()
            total += loss.item() * len(next(iter(batch.values())))
            watch.step_done()
        watch.epoch_done(total / len(loader.dataset))
