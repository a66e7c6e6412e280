"""A training step as one CUDA graph: gathered, scored, taken back and applied by a single launch.

A step of a small network is some hundred kernels of a few microseconds, which the host launches more slowly
than the device runs them. A graph is recorded once and replayed (CUDA C++ Programming Guide, CUDA Graphs);
nothing in it may change but the contents of tensors. So whatever a step reads lies on the device: the rows'
index, the numbers of the optimizer, the noise's clock, the flags of what is frozen.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor

from ..data import Table
from ..losses import Ledger
from .step import Mark, Trainee, train_step, unmarked
from .weighting import FixedWeighting

WARM_UP_STEPS = 3
"""Steps made one operator at a time before a graph is recorded: libraries choose their kernels in them."""

Record = Callable[[Callable[[], Ledger]], Callable[[], Ledger]]
"""From what a step does to what does it again, into the same tensors, without running it."""


class Step(Protocol):
    """One step on the rows at `index`, [B] or [K, B]; `mark` is told of its stages."""

    def __call__(self, index: Tensor, *, mark: Mark = unmarked) -> Ledger: ...


class PlainStep:
    """A step operator by operator."""

    def __init__(self, trainee: Trainee, table: Table) -> None:
        self._trainee = trainee
        self._table = table

    def __call__(self, index: Tensor, *, mark: Mark = unmarked) -> Ledger:
        """Train on the rows at `index`."""
        batch = self._table.gather(index, self._trainee.parameters.values.dtype)
        mark("batch")
        return train_step(self._trainee, batch, mark=mark)


class CapturedStep:
    """The same step from a graph, but for the first ones and for batches of another size."""

    def __init__(self, trainee: Trainee, table: Table, batch_size: int, *, record: Record) -> None:
        self._trainee = trainee
        self._plain = PlainStep(trainee, table)
        self._batch_size = batch_size
        self._record = record
        self._warm_up = WARM_UP_STEPS
        self._index: Tensor | None = None
        self._replay: Callable[[], Ledger] | None = None
        trainee.optimizer.hold_numbers()

    def __call__(self, index: Tensor, *, mark: Mark = unmarked) -> Ledger:
        """Train on the rows at `index`; the ledger's tensors are those of the next step too."""
        if index.shape[-1] != self._batch_size or self._warm_up:
            self._warm_up -= index.shape[-1] == self._batch_size
            return self._plain(index, mark=mark)
        if self._replay is None:
            self._index = index.clone()
            self._replay = self._record(self._step)
        assert self._index is not None
        self._index.copy_(index)
        self._trainee.optimizer.advance()
        ledger = self._replay()
        mark("captured step")
        return ledger

    def _step(self) -> Ledger:
        """What is recorded: all but the host's part of the optimizer."""
        assert self._index is not None
        with self._trainee.optimizer.recorded():
            return self._plain(self._index, mark=unmarked)


def choose_step(trainee: Trainee, table: Table, *, batch_size: int, capture: bool) -> Step:
    """The step that a training takes: captured where that is wished and possible."""
    if capture and why_not_captured(trainee) is None:
        return CapturedStep(trainee, table, batch_size, record=record_graph)
    return PlainStep(trainee, table)


def why_not_captured(trainee: Trainee) -> str | None:
    """What stands in the way of a captured step, for its user; None where nothing does."""
    if trainee.frozen.device.type != "cuda":
        return "only a CUDA device captures steps"
    if not trainee.optimizer.can_be_captured:
        return "only steps of adam and adamw are captured"
    if type(trainee.weighting) is not FixedWeighting:
        return "only steps under fixed loss weights are captured"
    if trainee.parameters.values.dtype != torch.float32:
        return "only steps in float32 are captured"
    return None


def record_graph(step: Callable[[], Ledger]) -> Callable[[], Ledger]:
    """Record a step on the current CUDA device; running it again writes into the same ledger."""
    graph = torch.cuda.CUDAGraph()
    torch.cuda.synchronize()
    with torch.cuda.graph(graph):
        ledger = step()

    def replay() -> Ledger:
        graph.replay()
        return ledger

    return replay
