"""PyTorch as a careful user writes it: data in memory, batches by index, denormals flushed, nothing read in
a step. It is what the other benchmarks of this folder measure against, too."""

from __future__ import annotations

import torch
from task import Stopwatch, Task
from torch import nn

from .torch_networks import Batch, LossOf, begin, load_columns, make_optimizer


def train(task: Task, watch: Stopwatch) -> None:
    """Train a task."""
    torch.set_flush_denormal(True)
    torch.manual_seed(task.seed)
    columns = load_columns(task)
    module, loss_of = begin(task)
    optimizer = make_optimizer(module)
    for _ in range(task.epochs):
        watch.epoch_started()
        watch.epoch_done(train_epoch(module, loss_of, optimizer, columns, task.batch_size, watch))


def train_epoch(
    module: nn.Module,
    loss_of: LossOf,
    optimizer: torch.optim.Optimizer,
    columns: Batch,
    batch_size: int,
    watch: Stopwatch,
) -> float:
    """One shuffled epoch; the mean loss."""
    rows = len(next(iter(columns.values())))
    total = torch.zeros(())
    for index in torch.randperm(rows).split(batch_size):
        loss = loss_of(module, {name: values[index] for name, values in columns.items()})
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.detach() * len(index)
        watch.step_done()
    return float(total) / rows
