"""The fixed reference of the benchmarks: each shipped network as a tidy eager PyTorch loop.

Data in memory as float32, batches by index, PyTorch's own modules, losses and Adam, denormals flushed. This
is what a careful user writes by hand; nothing of `mlx` is in it but the arrays.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Batch = dict[str, Tensor]


class Headline(nn.Module):
    """Embedding, LSTM, auxiliary output, and a dense stack that also sees the context."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(10_000, 512)
        self.lstm = nn.LSTM(512, 32, batch_first=True)
        self.aux = nn.Linear(32, 1)
        sizes = [37, 64, 64, 64]
        layers = [nn.Sequential(nn.Linear(a, b), nn.ReLU()) for a, b in itertools.pairwise(sizes)]
        self.main = nn.Sequential(*layers, nn.Linear(64, 1))

    def forward(self, headline: Tensor, context: Tensor) -> tuple[Tensor, Tensor]:
        states, _ = self.lstm(self.embedding(headline))
        last = states[:, -1]
        return self.main(torch.cat([last, context], dim=1)), self.aux(last)


def build(name: str) -> tuple[nn.Module, Callable[[nn.Module, Batch], Tensor]]:
    """The module of a shipped config, and its loss on a batch."""
    if name == "headline":
        return Headline(), _headline_loss
    if name == "autoencoder":
        sizes = [784, 128, 64, 28, 64, 128, 784]
        return _dense(sizes), lambda module, batch: F.binary_cross_entropy_with_logits(
            module(batch["image"]), batch["image"]
        )
    assert name == "multilabel_attributes"
    return _dense([784, 6, 6]), lambda module, batch: F.binary_cross_entropy_with_logits(
        module(batch["image"]), batch["attributes"]
    )


def train_epoch(
    module: nn.Module,
    loss_of: Callable[[nn.Module, Batch], Tensor],
    optimizer: torch.optim.Optimizer,
    data: Batch,
    batch_size: int,
) -> float:
    """One shuffled epoch; the mean loss."""
    rows = len(next(iter(data.values())))
    total = torch.zeros(())
    for index in torch.randperm(rows).split(batch_size):
        loss = loss_of(module, {name: values[index] for name, values in data.items()})
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.detach() * len(index)
    return float(total) / rows


def _dense(sizes: list[int]) -> nn.Module:
    layers: list[nn.Module] = []
    for inputs, outputs in itertools.pairwise(sizes):
        layers += [nn.Linear(inputs, outputs), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def _headline_loss(module: nn.Module, batch: Batch) -> Tensor:
    main, aux = module(batch["headline"], batch["context"])
    losses = [F.binary_cross_entropy_with_logits(each, batch["shared"]) for each in (main, aux)]
    return losses[0] + 0.2 * losses[1]
