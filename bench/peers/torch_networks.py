"""The networks as plain PyTorch modules, named as in the configs, and what they begin with.

Shared by the peers that are written in PyTorch, so that they differ in their loops alone.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import numpy as np
import torch
from task import Task
from torch import Tensor, nn
from torch.nn import functional as F

Batch = dict[str, Tensor]
LossOf = Callable[[nn.Module, Batch], Tensor]

AUTOENCODER = ("encoder_1", "encoder_2", "code", "decoder_1", "decoder_2", "pixels")


class Headline(nn.Module):
    """Embedding, LSTM, auxiliary output, and a dense stack that also sees the context."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(10_000, 512)
        self.lstm = nn.LSTM(512, 32, batch_first=True)
        # PyTorch adds two biases where Keras has one; two that learn would learn twice as fast.
        nn.init.zeros_(self.lstm.bias_hh_l0).requires_grad_(False)
        self.aux_output = nn.Linear(32, 1)
        self.main = _dense([37, 64, 64, 64, 1], ("dense_1", "dense_2", "dense_3", "main_output"))

    def forward(self, headline: Tensor, context: Tensor) -> tuple[Tensor, Tensor]:
        states, _ = self.lstm(self.embedding(headline))
        last = states[:, -1]
        return self.main(torch.cat([last, context], dim=1)), self.aux_output(last)


def build(name: str) -> tuple[nn.Module, LossOf]:
    """A network with fresh weights of PyTorch's own, and its loss on a batch."""
    if name == "headline":
        return Headline(), _headline_loss
    if name == "autoencoder":
        return _dense(
            [784, 128, 64, 28, 64, 128, 784], AUTOENCODER
        ), lambda module, batch: F.binary_cross_entropy_with_logits(module(batch["image"]), batch["image"])
    assert name == "attributes"
    return _dense(
        [784, 6, 6], ("hidden", "attributes")
    ), lambda module, batch: F.binary_cross_entropy_with_logits(module(batch["image"]), batch["attributes"])


def begin(task: Task) -> tuple[nn.Module, LossOf]:
    """The network of a task with the weights that all peers begin with, and its loss."""
    module, loss_of = build(task.network)
    layers = {name: [torch.from_numpy(each) for each in arrays] for name, arrays in task.weights().items()}
    with torch.no_grad():
        for name, layer in module.named_modules():
            arrays = layers.get(name.rpartition(".")[2], [])
            if isinstance(layer, nn.Embedding):
                layer.weight.copy_(arrays[0])
            elif isinstance(layer, nn.Linear):
                layer.weight.copy_(arrays[0].T)
                layer.bias.copy_(arrays[1])
            elif isinstance(layer, nn.LSTM):
                layer.weight_ih_l0.copy_(arrays[0].T)
                layer.weight_hh_l0.copy_(arrays[1].T)
                layer.bias_ih_l0.copy_(arrays[2])
    return module, loss_of


def make_optimizer(module: nn.Module) -> torch.optim.Optimizer:
    """Adam with the numbers of Keras."""
    return torch.optim.Adam(module.parameters(), lr=1e-3, eps=1e-7)


def load_columns(task: Task) -> Batch:
    """All rows in memory, as tensors; images as float32 between 0 and 1."""
    with np.load(task.data) as arrays:
        columns = {name: torch.from_numpy(arrays[name]) for name in arrays.files}
    return {name: rows / 255 if rows.dtype == torch.uint8 else rows for name, rows in columns.items()}


def _dense(sizes: Sequence[int], names: Sequence[str]) -> nn.Sequential:
    """Layers with those names, and between them ReLUs."""
    stack = nn.Sequential()
    for name, (inputs, outputs) in zip(names, itertools.pairwise(sizes), strict=True):
        stack.add_module(name, nn.Linear(inputs, outputs))
        if name != names[-1]:
            stack.add_module(f"{name}_relu", nn.ReLU())
    return stack


def _headline_loss(module: nn.Module, batch: Batch) -> Tensor:
    main, aux = module(batch["headline"], batch["context"])
    losses = [F.binary_cross_entropy_with_logits(each, batch["shared"]) for each in (main, aux)]
    return losses[0] + 0.2 * losses[1]
