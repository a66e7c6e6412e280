"""K experiments that differ in knobs and seeds only, trained as one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..specs.experiment import Experiment
from ..specs.load import located
from .final import RunResult
from .memory import FEWER_ROWS, machine_failures_told, measure_load
from .reporter import Reporter
from .session import Session


def train_stack(
    experiments: Sequence[Experiment],
    *,
    runs: Path,
    device: str = "auto",
    command: Sequence[str] = (),
    reporter: Reporter | None = None,
) -> list[RunResult]:
    """Train experiments that differ in knobs and seeds only as one stack, a run folder for each.

    A member that diverges is frozen and comes back with status `diverged`; the others go on.

    Raises:
        ConfigError: before anything is written. DataError: likewise. MachineError: disk, memory or device.
    """
    first, members = experiments[0], len(experiments)
    with located(first):
        with machine_failures_told("reading the data", fix=FEWER_ROWS):
            session = Session(experiments, stacked=True, device=device, reporter=reporter)
        load = measure_load(first, session.blueprint.network, members=members, device=session.device)
        with machine_failures_told("training", load=load):
            return session.train(runs, command)
