"""How training tells of its progress, without knowing any screen."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True)
class RunFacts:
    """What is known of a run when it starts."""

    name: str
    run: Path
    device: str
    parameters: int
    epochs: int
    steps_per_epoch: int
    batch_size: int
    train_rows: int
    validation_rows: int
    test_rows: int
    terms: tuple[str, ...]
    members: int = 1
    steps_done: int = 0
    """Before this process: more than 0 where a run goes on."""


class Reporter(Protocol):
    """Told of every stage. `step_done` comes often: it must be cheap, and asks for the terms' running
    means, by name, only when it wants to show them, because reading them waits for the device."""

    def run_started(self, facts: RunFacts) -> None: ...

    def epoch_started(self, epoch: int) -> None: ...

    def step_done(self, epoch: int, step: int, read_terms: Callable[[], Mapping[str, float]]) -> None: ...

    def epoch_done(self, epoch: int, row: Mapping[str, float], seconds: float, *, best: bool) -> None: ...

    def message(self, text: str) -> None: ...


class SilentReporter:
    """Says nothing."""

    def run_started(self, facts: RunFacts) -> None:
        """Nothing."""

    def epoch_started(self, epoch: int) -> None:
        """Nothing."""

    def step_done(self, epoch: int, step: int, read_terms: Callable[[], Mapping[str, float]]) -> None:
        """Nothing."""

    def epoch_done(self, epoch: int, row: Mapping[str, float], seconds: float, *, best: bool) -> None:
        """Nothing."""

    def message(self, text: str) -> None:
        """Nothing."""
