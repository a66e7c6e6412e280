"""Where the time of a training step goes: its stages, the layers of its forward pass, its operators."""

from __future__ import annotations

import os
import time
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

import torch
from torch import nn
from torch.autograd import DeviceType  # pyright: ignore[reportPrivateImportUsage]
from torch.profiler import ProfilerActivity, profile
from torch.utils.hooks import RemovableHandle

from ..models import Network

WARM_UP_STEPS = 10
TIMED_STEPS = 200
OPERATOR_STEPS = 20
_MOST_OPERATORS = 20


@dataclass(frozen=True)
class ProfileRow:
    """A part of a step.

    `kind` is `step` (the whole, whose `calls` are the steps that were timed), `stage`, `layer` or `operator`.
    `calls` and `seconds` are per step; `share` is of the step, and of an operator that of all operators.
    """

    kind: str
    name: str
    calls: float
    seconds: float
    share: float


class StepProfile:
    """A stopwatch for the first steps of a training, whose numbers are what they are without it.

    After ten steps of warming up, the stages and the layers' forward passes of 200 steps are timed, then the
    operators of 20 more by PyTorch's profiler, which slows them down; fewer where the training has fewer, and
    operators within one epoch only. On CUDA each mark waits for the device, so that a stage's time is that of
    its kernels and their launch.
    """

    def __init__(self) -> None:
        self._step = 0
        self._last = 0.0
        self._stages: dict[str, float] = defaultdict(float)
        self._stage_calls: dict[str, int] = defaultdict(int)
        self._layers: dict[str, float] = defaultdict(float)
        self._calls: dict[str, int] = defaultdict(int)
        self._entered: dict[str, float] = {}
        self._hooks: list[RemovableHandle] = []
        self._watch: profile | None = None
        self._operators: list[tuple[float, str, int]] = []
        self._operator_steps = 0
        self._device = torch.device("cpu")

    def open_step(self, network: Network) -> None:
        """Before the rows of a step are gathered."""
        if self._step == WARM_UP_STEPS:
            self._hook(network)
        elif self._step == WARM_UP_STEPS + TIMED_STEPS:
            self._unhook()
            self._watch_operators()
        elif self._operator_steps == OPERATOR_STEPS:
            self.close_epoch()
        self._step += 1
        self._operator_steps += self._watch is not None
        self._last = self._now()

    def mark(self, stage: str) -> None:
        """The end of a stage of the present step."""
        if self._is_timing:
            now = self._now()
            self._stages[stage] += now - self._last
            self._stage_calls[stage] += 1
            self._last = now

    def close_epoch(self) -> None:
        """Watch no operators any more: those of an evaluation would be counted too."""
        if self._watch is not None:
            self._watch.stop()
            # On CUDA the operators that launch a kernel have its time as well, and a replayed graph has none.
            wanted = DeviceType.CUDA if self._is_cuda else DeviceType.CPU
            for each in cast("Iterable[Any]", self._watch.key_averages()):
                if each.device_type != wanted:
                    continue
                microseconds = each.self_device_time_total if self._is_cuda else each.self_cpu_time_total
                self._operators.append((microseconds / 1e6, each.key, each.count))
            self._watch = None

    def rows(self) -> list[ProfileRow]:
        """What was measured, the largest parts first; nothing where there were too few steps."""
        self._unhook()
        self.close_epoch()
        steps = min(self._step - WARM_UP_STEPS, TIMED_STEPS)
        if steps <= 0:
            return []
        whole = sum(self._stages.values())
        rows = [ProfileRow("step", "whole", steps, whole / steps, 1.0)]
        # In the order of a step.
        rows += [
            ProfileRow("stage", name, self._stage_calls[name] / steps, each / steps, each / whole)
            for name, each in self._stages.items()
        ]
        rows += [
            ProfileRow("layer", name, self._calls[name] / steps, each / steps, each / whole)
            for name, each in sorted(self._layers.items(), key=lambda item: -item[1])
        ]
        every = sum(seconds for seconds, _, _ in self._operators)
        operator_steps = max(self._operator_steps, 1)
        rows += [
            ProfileRow("operator", name, count / operator_steps, seconds / operator_steps, seconds / every)
            for seconds, name, count in sorted(self._operators, reverse=True)[:_MOST_OPERATORS]
            if seconds
        ]
        return rows

    @property
    def _is_cuda(self) -> bool:
        return self._device.type == "cuda"

    @property
    def _is_timing(self) -> bool:
        return WARM_UP_STEPS < self._step <= WARM_UP_STEPS + TIMED_STEPS

    def _now(self) -> float:
        if self._is_cuda:
            torch.cuda.synchronize(self._device)
        return time.perf_counter()

    def _hook(self, network: Network) -> None:
        self._device = next(network.parameters()).device
        for name in {node.owner: None for node in network.graph.nodes}:
            layer = network.layer(name)
            self._hooks.append(layer.register_forward_pre_hook(partial(self._enter, name)))
            self._hooks.append(layer.register_forward_hook(partial(self._leave, name)))

    def _unhook(self) -> None:
        for hook in self._hooks:
            hook.remove()
        self._hooks.clear()

    def _enter(self, name: str, _: nn.Module, __: object) -> None:
        self._entered[name] = self._now()

    def _leave(self, name: str, layer: nn.Module, _: object, __: object) -> None:
        # An evaluation between two epochs is no step.
        if self._is_timing and layer.training:
            self._layers[name] += self._now() - self._entered[name]
            self._calls[name] += 1

    def _watch_operators(self) -> None:
        # It writes lines of its own to the terminal otherwise.
        os.environ.setdefault("KINETO_LOG_LEVEL", "99")
        activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if self._is_cuda else [])]
        self._watch = profile(activities=activities)
        self._watch.start()
