"""K experiments that differ in knobs and seeds only, trained as one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..records.run_folder import RunFolder
from ..specs.experiment import Experiment
from ..specs.load import located
from .final import RunResult
from .interruption import Interruption
from .memory import FEWER_ROWS, machine_failures_told
from .reporter import Reporter
from .session import Session


def train_stack(
    experiments: Sequence[Experiment],
    *,
    runs: Path,
    device: str = "auto",
    command: Sequence[str] = (),
    reporter: Reporter | None = None,
    interruption: Interruption | None = None,
    folders: Sequence[RunFolder | None] = (),
) -> list[RunResult]:
    """Train experiments that differ in knobs and seeds only as one stack, a run folder for each.

    A member that diverges is frozen and comes back with status `diverged`; the others go on. A single
    experiment is trained as it is alone. `folders`, if any has begun before: one or None for each; all go
    on from where they were saved together.

    Raises:
        ConfigError: before anything is written. DataError: likewise. MachineError: disk, memory or device.
        Interrupted: all that goes on from here was saved.
    """
    with located(experiments[0]):
        with machine_failures_told("reading the data", fix=FEWER_ROWS):
            session = Session(
                experiments,
                stacked=len(experiments) > 1,
                device=device,
                reporter=reporter,
                interruption=interruption,
            )
        if any(folders):
            return session.resume(folders, runs, command)
        return session.train(runs, command)
