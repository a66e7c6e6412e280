"""One experiment from its config to its run folder: the function behind `mlx train`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from ..specs.errors import DivergedError
from ..specs.experiment import Experiment
from ..specs.load import located
from .assemble import Workshop
from .final import RunResult
from .interruption import Interruption
from .memory import FEWER_ROWS, machine_failures_told
from .reporter import Reporter
from .session import Session
from .step_profile import StepProfile


def run_experiment(
    experiment: Experiment,
    *,
    runs: Path = Path("runs"),
    device: str = "auto",
    command: Sequence[str] = (),
    reporter: Reporter | None = None,
    inspect: Callable[[Workshop], None] | None = None,
    interruption: Interruption | None = None,
    profile: bool = False,
) -> RunResult:
    """Train, evaluate and record one experiment.

    `inspect` is shown the data and what is built from them before anything is written or trained. `profile`
    times the first steps, into profile.csv.

    Raises:
        ConfigError: before anything is written. DataError: likewise. DivergedError: a loss or gradient
        was not finite; the run folder says so. MachineError: disk, memory or device. Interrupted: all that
        a resumed run needs was saved.
    """
    with located(experiment):
        with machine_failures_told("reading the data", fix=FEWER_ROWS):
            session = Session(
                [experiment],
                stacked=False,
                device=device,
                reporter=reporter,
                interruption=interruption,
                profile=StepProfile() if profile else None,
            )
            if inspect is not None:
                inspect(session.workshop)
        (result,) = session.train(runs, command)
    if result.status == "diverged":
        raise DivergedError(f"{'; '.join(result.notes)}; the run is in {result.run}")
    return result
