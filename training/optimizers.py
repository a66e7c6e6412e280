"""The optimizer: clips, schedules and applies an update rule to one network or to K members.

Legend: P parameters of one member, K members of a stack.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

from ..specs import optimizers as spec
from .parameters import FlatParameters
from .schedules import Schedule
from .update_rules import AdamRule, Slots, UpdateRule, build_rule

Row = int | None
"""A member of a stack, or all there is."""


class Optimizer:
    """Applies an update rule to all members: at once where they agree, row by row where they do not.

    `factors` multiply each member's learning rate beside the schedule (reduce on plateau).
    """

    def __init__(
        self,
        rule: UpdateRule,
        parameters: FlatParameters,
        *,
        learning_rates: tuple[float, ...],
        schedule: Schedule,
        clipping: Clipping | None = None,
    ) -> None:
        self._rule = rule
        self._parameters = parameters
        self._schedule = schedule
        self._clipping = clipping
        self._learning_rates = learning_rates
        self.factors = [1.0] * len(learning_rates)
        self.steps = 0
        self._rates = list(learning_rates)
        self._numbers: DeviceNumbers | None = None
        self._is_captured = False
        self.slots = {name: torch.full_like(parameters.values, start) for name, start in rule.slots.items()}

    def learning_rate(self, member: int) -> float:
        """A member's learning rate at the next step, as large as its numbers can hold."""
        rate = self._learning_rates[member] * self.factors[member] * self._schedule(self.steps)
        return min(rate, torch.finfo(self._parameters.values.dtype).max)

    def step(self, frozen: Tensor) -> None:
        """One update. frozen: float [] or (K), 1 for members that must not change any more."""
        if not self._is_captured:
            self.advance()
        if self._clipping is not None:
            self._clipping.clip(self._parameters)
        for row, rate, flag in _calls(self._rates, frozen):
            self._update(row, rate, flag)

    def advance(self) -> None:
        """On to the next step and its learning rates, which the host works out."""
        self._rates = [self.learning_rate(member) for member in range(len(self._learning_rates))]
        self.steps += 1
        if self._numbers is not None:
            self._numbers.put(self._rates, self.steps)

    @contextmanager
    def captured(self) -> Generator[None]:
        """Inside, `step` leaves the host's part, `advance`, to who replays what is captured."""
        self._is_captured = True
        try:
            yield
        finally:
            self._is_captured = False

    def keep_numbers_on_device(self) -> None:
        """Keep what changes from step to step on the device, where a captured update finds it."""
        assert isinstance(self._rule, AdamRule), "only Adam and AdamW can be captured"
        self._numbers = DeviceNumbers(self._rule, len(self._learning_rates), self._parameters.values.device)

    def companion(self, rule: UpdateRule, parameters: FlatParameters) -> Optimizer:
        """An optimizer of other parameters at this one's learning rates and schedule, without clipping."""
        return Optimizer(rule, parameters, learning_rates=self._learning_rates, schedule=self._schedule)

    def take_members(self, other: Optimizer, rows: Sequence[int]) -> None:
        """Continue for the members `rows` of another optimizer."""
        self.steps = other.steps
        self.factors = [other.factors[row] for row in rows]
        for name, slot in self.slots.items():
            slot.copy_(other.slots[name][list(rows)])

    def _update(self, row: Row, rate: float, flag: Tensor | None) -> None:
        values, gradients, slots = self._parameters.values, self._parameters.gradients, self.slots
        if row is not None:
            values, gradients = values[row], gradients[row]
            slots = {name: slot[row] for name, slot in slots.items()}
        if self._numbers is not None:
            self._numbers.update(values, gradients, slots, row=row or 0, frozen=flag)
        elif isinstance(self._rule, AdamRule):
            self._rule(values, gradients, slots, learning_rate=rate, step=self.steps, frozen=flag)
        elif flag is None:
            self._rule(values, gradients, slots, learning_rate=rate, step=self.steps)
        elif flag.device.type == "cpu":
            if not bool(flag):
                self._rule(values, gradients, slots, learning_rate=rate, step=self.steps)
        else:
            # Off the host nobody can ask without waiting: update, then take back what was frozen.
            moved = [values, *slots.values()]
            before = [each.clone() for each in moved]
            self._rule(values, gradients, slots, learning_rate=rate, step=self.steps)
            for each, kept in zip(moved, before, strict=True):
                each.copy_(torch.where(flag > 0, kept, each))


class DeviceNumbers:
    """The numbers of Adam's steps on the device: a row (rate, decay, counter) per member, float32 (K, 3)."""

    def __init__(self, rule: AdamRule, members: int, device: torch.device) -> None:
        self._rule = rule
        self._rows = torch.zeros((members, 3), device=device)

    def put(self, rates: Sequence[float], step: int) -> None:
        """Put those of a step in the place of the last one's."""
        rows = [self._rule.numbers(rate, step) for rate in rates]
        # Pinned, for the host would wait for a copy from any other memory.
        pinned = torch.tensor(rows, dtype=torch.float32, pin_memory=self._rows.device.type == "cuda")
        self._rows.copy_(pinned, non_blocking=True)

    def update(
        self, values: Tensor, gradients: Tensor, slots: Slots, *, row: int, frozen: Tensor | None
    ) -> None:
        """One update of a member, or of all where their numbers are the same."""
        rate, decay, counter = self._rows[row].unbind()
        self._rule.update(values, gradients, slots, rate=rate, decay=decay, counter=counter, frozen=frozen)


class Clipping:
    """Keras's three kinds, in place: by value, by each variable's norm, or by the norm of all."""

    def __init__(self, described: spec.OptimizerBase) -> None:
        self._value = described.clipvalue
        self._norm = described.clipnorm
        self._global_norm = described.global_clipnorm

    def clip(self, parameters: FlatParameters) -> None:
        """Clip the gradients of every member by itself."""
        gradients = parameters.gradients
        if self._value is not None:
            gradients.clamp_(-self._value, self._value)
        if self._global_norm is not None:
            _shrink(gradients, self._global_norm)
        if self._norm is not None:
            for segment in parameters.segments.values():
                _shrink(segment, self._norm)


def build_optimizer(
    described: spec.AnyOptimizer,
    parameters: FlatParameters,
    *,
    numerics: str,
    learning_rates: tuple[float, ...],
    schedule: Schedule,
) -> Optimizer:
    """The optimizer of a config, for all members of `parameters`."""
    clips = any((described.clipnorm, described.global_clipnorm, described.clipvalue))
    return Optimizer(
        build_rule(described, numerics=numerics),
        parameters,
        learning_rates=learning_rates,
        schedule=schedule,
        clipping=Clipping(described) if clips else None,
    )


def _shrink(gradients: Tensor, limit: float) -> None:
    """Scale rows (..., n) down to a norm of `limit`: g * limit / max(norm, limit)."""
    norms = gradients.square().sum(dim=-1, keepdim=True).sqrt()
    gradients.mul_(limit / norms.clamp(min=limit))


def _calls(rates: list[float], frozen: Tensor) -> Iterator[tuple[Row, float, Tensor | None]]:
    """Which rows are updated together, at which rate, and the flag that may stop them."""
    if frozen.dim() == 0:
        yield None, rates[0], frozen
        return
    # Reading a flag costs nothing on the CPU and a synchronization elsewhere.
    none_frozen = frozen.device.type == "cpu" and not bool(frozen.any())
    if none_frozen and len(set(rates)) == 1:
        yield None, rates[0], None
        return
    for row, rate in enumerate(rates):
        yield row, rate, frozen[row]
