"""Saves a training within its epochs: when it is time, and when it is to stop."""

from __future__ import annotations

import time
from collections.abc import Sequence

from .evaluate import LedgerMeans
from .gradient_report import GradientReport
from .interruption import Interruption
from .member_checkpoint import Position
from .members import Member
from .step import Trainee

_MINUTE = 60.0


class Saver:
    """Asked after every step. `minutes` is how long training goes on at most without a checkpoint."""

    def __init__(
        self, interruption: Interruption, *, minutes: float, gradients: GradientReport | None = None
    ) -> None:
        self._interruption = interruption
        self._seconds = minutes * _MINUTE
        self._gradients = gradients
        self._saved = time.monotonic()

    def after_step(
        self, trainee: Trainee, members: Sequence[Member], position: Position, means: LedgerMeans
    ) -> None:
        """Save all members if it is time or a signal waits. Raises Interrupted then, all being saved."""
        if self._interruption.signal is None and time.monotonic() - self._saved < self._seconds:
            return
        for member in members:
            member.save(trainee, position, means=means, gradients=self._gradients)
        self.after_epoch()

    def after_epoch(self) -> None:
        """All has just been saved. Raises Interrupted if a signal waits."""
        self._saved = time.monotonic()
        self._interruption.heed()
