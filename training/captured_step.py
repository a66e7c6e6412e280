"""A training step as one CUDA graph: gathered, scored, taken back and applied by a single launch.

A step of a small network is some hundred kernels of a few microseconds, which the host launches more slowly
than the device runs them. A graph is captured once and replayed (CUDA C++ Programming Guide, CUDA Graphs);
nothing in it may change but the contents of tensors. So whatever a step reads lies on the device: the rows'
index, the numbers of the optimizer, the noise's clock, the flags of what is frozen.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor

from ..data import Table
from ..losses import Ledger, detached
from .step import Mark, Trainee, train_step, unmarked

WARM_UP_STEPS = 3
"""Steps made one operator at a time before a graph is captured: libraries choose their kernels in them."""

Act = Callable[[], Ledger]


class Capturer(Protocol):
    """Where and how a step is captured."""

    def warm_up(self, step: Act) -> Ledger:
        """Make a step as it will be captured."""
        ...

    def capture(self, step: Act) -> Act:
        """From what a step does to what does it again, into the same tensors, without making it now."""
        ...


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

    def __init__(self, trainee: Trainee, table: Table, batch_size: int, *, capturer: Capturer) -> None:
        self._trainee = trainee
        self._plain = PlainStep(trainee, table)
        self._batch_size = batch_size
        self._capturer = capturer
        self._warm_up = WARM_UP_STEPS
        self._index: Tensor | None = None
        self._replay: Act | None = None
        trainee.optimizer.keep_numbers_on_device()

    def __call__(self, index: Tensor, *, mark: Mark = unmarked) -> Ledger:
        """Train on the rows at `index`; the ledger's tensors are those of the next step too."""
        if index.shape[-1] != self._batch_size:
            return detached(self._plain(index, mark=mark))
        if self._warm_up:
            self._warm_up -= 1
            return self._capturer.warm_up(lambda: detached(self._plain(index, mark=mark)))
        if self._replay is None:
            self._index = index.clone()
            self._replay = self._capturer.capture(self._captured)
        assert self._index is not None
        self._index.copy_(index)
        self._trainee.optimizer.advance()
        ledger = self._replay()
        mark("captured step")
        return ledger

    def _captured(self) -> Ledger:
        """What is captured: all but the host's part of the optimizer."""
        assert self._index is not None
        with self._trainee.optimizer.captured():
            return detached(self._plain(self._index))


def choose_step(trainee: Trainee, table: Table, *, batch_size: int, capture: bool) -> Step:
    """The step that a training takes: captured where that is wished, and the device can."""
    device = trainee.frozen.device
    if capture and device.type == "cuda":
        return CapturedStep(trainee, table, batch_size, capturer=GraphCapturer(device))
    return PlainStep(trainee, table)


class GraphCapturer:
    """Captures CUDA graphs, on a stream of their device on which the warm-up ran too.

    Whatever of an earlier step were still alive, of autograd's graph above all, would belong to another
    stream and break the capture; so ledgers are `detached`.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._stream = torch.cuda.Stream(device)

    def warm_up(self, step: Act) -> Ledger:
        """A step on the graph's stream."""
        with torch.cuda.device(self._device):
            present = torch.cuda.current_stream()
            self._stream.wait_stream(present)
            with torch.cuda.stream(self._stream):
                ledger = step()
            present.wait_stream(self._stream)
        return ledger

    def capture(self, step: Act) -> Act:
        """A graph of the step; each replay writes into the ledger that it returns."""
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.device(self._device), torch.cuda.graph(graph, stream=self._stream):
            ledger = step()

        def replay() -> Ledger:
            with torch.cuda.device(self._device):
                graph.replay()
            return ledger

        return replay
