"""One run that was stopped, trained on to its end: the function behind `mlx train --resume`."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..records.run_folder import RunFolder
from ..specs.errors import ConfigError, DataError, DivergedError
from ..specs.experiment import Experiment
from ..specs.flat import flatten, varied_paths
from ..specs.load import load_experiment, located
from ..specs.optimizers import CosineSchedule, OneCycleSchedule
from ..specs.weighting import Scheduled
from .assemble import Workshop
from .devices import planned_threads
from .final import RunResult
from .interruption import Interruption
from .reporter import Reporter, SilentReporter
from .resume import LENGTHENING
from .session import Session
from .step_profile import StepProfile

_MOST_SHOWN = 10


def resume_experiment(
    folder: RunFolder,
    *,
    given: Experiment | None = None,
    overrides: Sequence[str] = (),
    command: Sequence[str] = (),
    reporter: Reporter | None = None,
    interruption: Interruption | None = None,
    inspect: Callable[[Workshop], None] | None = None,
    profile: bool = False,
) -> RunResult:
    """Train on from the last checkpoint: the tables and weights are those of a run that was never stopped.

    `given` is a config that the run must have been begun with; it, or `overrides`, may ask for more epochs.
    A run that has finished comes back as it is, unless it is to be longer. `profile`: as `run_experiment`.

    Raises:
        ConfigError: another config, a member of a stack, or a run that another process works on.
        DataError: the data have changed, or the folder is damaged. DivergedError, MachineError, Interrupted
        as training does.
    """
    begun = load_experiment(str(folder.path / "config.yaml"))
    wanted = load_experiment(str(folder.path / "config.yaml"), overrides) if overrides else given or begun
    with located(wanted):
        _check_same(folder, begun, wanted)
    plan = folder.read_plan()
    if plan.get("engine") == "stack":
        raise ConfigError(
            f"run '{folder.name}' was trained in one stack with others; resume their comparison: "
            f"{folder.way_on()}"
        )
    is_longer = wanted.training.epochs > begun.training.epochs
    status = folder.status
    if status == "diverged" or (status == "finished" and not is_longer):
        ended = RunResult.load(folder.read_summary() or {}, run=str(folder.path))
        (reporter or SilentReporter()).message(f"run '{folder.name}' has {_describe_end(ended)}")
        return _checked(ended)
    with located(wanted):
        session = Session(
            [wanted.model_copy(update={"name": begun.name})],
            stacked=False,
            device=str(plan.get("device")),
            reporter=reporter,
            interruption=interruption,
            threads=planned_threads(plan),
            profile=StepProfile() if profile else None,
        )
        _check_data(folder, session.workshop)
        if inspect is not None:
            inspect(session.workshop)
        (result,) = session.resume([folder], folder.path.parent, command)
    return _checked(result)


def _check_same(folder: RunFolder, begun: Experiment, wanted: Experiment) -> None:
    """Nothing but the length may be another one."""
    before, now = ({**flatten(each), "seed": each.seed} for each in (begun, wanted))
    changed = [path for path in varied_paths([before, now]) if path not in LENGTHENING]
    if changed:
        listed = [f"{path} was {before.get(path)!r}, now {now.get(path)!r}" for path in changed[:_MOST_SHOWN]]
        more = [f"and {len(changed) - _MOST_SHOWN} more"] if len(changed) > _MOST_SHOWN else []
        raise ConfigError(
            f"run '{folder.name}' was begun with another config: {'; '.join([*listed, *more])}. Resume it "
            "with its own, longer if you like (training.epochs), or begin a new run."
        )
    if wanted.training.epochs < begun.training.epochs:
        raise ConfigError(
            f"run '{folder.name}' was begun for {begun.training.epochs} epochs; a resumed run may be longer, "
            f"not end after {wanted.training.epochs}."
        )
    if wanted.training.epochs > begun.training.epochs and (reason := _why_of_fixed_length(begun)):
        raise ConfigError(
            f"run '{folder.name}' cannot be made longer than {begun.training.epochs} epochs: {reason}, so "
            "that the epochs trained so far are not those of a longer run. Begin a new run."
        )


def _why_of_fixed_length(experiment: Experiment) -> str | None:
    schedule = experiment.optimizer.schedule
    if isinstance(schedule, CosineSchedule | OneCycleSchedule):
        return f"its {schedule.type} schedule of the learning rate depends on their number"
    weighting = experiment.weighting
    if isinstance(weighting, Scheduled) and any(
        getattr(each, "last_epoch", 0) is None for each in weighting.terms.values()
    ):
        return "its schedule of loss weights depends on their number"
    return None


def _check_data(folder: RunFolder, workshop: Workshop) -> None:
    fingerprint = workshop.splits.fingerprint
    trained = str(folder.read_environment().get("data_fingerprint"))
    if trained != fingerprint:
        raise DataError(
            f"the data have changed since '{folder.name}' was begun: their fingerprint is "
            f"{fingerprint[:12]}, then it was {trained[:12]}; bring them back, or begin a new run."
        )


def _describe_end(result: RunResult) -> str:
    if result.status == "diverged":
        return "diverged, and would again"
    return f"finished after epoch {result.epochs}; nothing is left to train"


def _checked(result: RunResult) -> RunResult:
    if result.status == "diverged":
        raise DivergedError(f"{'; '.join(result.notes)}; the run is in {result.run}")
    return result
