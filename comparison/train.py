"""A comparison from its settings to its folder: planned, trained, judged and written down."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch

from ..records.comparison_folder import ComparisonFolder
from ..records.run_folder import ENDED
from ..specs.errors import ConfigError, DataError, MachineError, MlxError
from ..specs.flat import flatten, varied_paths
from ..training.devices import planned_threads
from ..training.interruption import Interrupted
from .evidence import find_doubtful_terms
from .execute import Execution, execute_plan
from .finish import write_members, write_results
from .judge import Judgement
from .keys import judged_key, resolve_key
from .measure import Machine, Measured, describe_machine, measure_networks
from .members import spread_seeds
from .plan import Plan, Stack, plan_stacks
from .record import begun_members, create_record, expected_members, read_settings
from .settings import Settings, choose_baseline, totals_differ


@dataclass(frozen=True)
class Wish:
    """What a user asks of a comparison beside its settings: what to measure against, judge and sort by."""

    baseline: str | None = None
    metric: str | None = None
    sort: str | None = None


def plan_comparison(settings: Settings, wish: Wish, *, device: str) -> Plan:
    """Check every setting as a whole and plan its training; nothing is read or written.

    Raises ConfigError for settings that do not fit, share no metric, or lack a wished one.
    """
    measured = measure_networks(settings.settings)
    _check_keys(settings, wish, measured)
    return _plan(settings, measured, describe_machine(device))


def start_comparison(
    settings: Settings,
    plan: Plan,
    wish: Wish,
    *,
    name: str,
    execution: Execution,
) -> tuple[ComparisonFolder, Judgement]:
    """Train all that is planned in a new folder under `execution.runs`, and judge it.

    Raises what training raises; a folder in which no member has begun is removed then.
    """
    threads = torch.get_num_threads()
    folder = create_record(
        execution.runs, name, settings=settings, plan=plan, command=execution.command, threads=threads
    )
    try:
        return folder, _train(folder, settings, plan, wish, execution)
    except MlxError as error:
        if folder.discard_if_unused():
            error.outcome = None
        raise


def resume_comparison(
    folder: ComparisonFolder, wish: Wish, *, given: Settings | None, execution: Execution
) -> Judgement:
    """Train on all members that have not ended, in the stacks first planned, and judge all.

    Each has the numbers that it would have had without a stop.

    given: the settings of the command line, where it names any; they must be those of the folder.
    """
    settings = read_settings(folder)
    if given is not None:
        _require_same(settings, given, folder)
    baseline = choose_baseline(settings.settings, wish.baseline, default=settings.baseline)
    settings = replace(settings, baseline=baseline)
    folder.claim()
    try:
        begun = begun_members(folder, settings)
        ended = [name for name, run in begun.items() if run.status in ENDED]
        if len(ended) == len(expected_members(settings)):
            return write_results(folder, settings, metric=wish.metric, sort=wish.sort)
        torch.set_num_threads(planned_threads(folder.read_plan()))
        # The whole plan again: members go on in the stacks in which they began.
        plan = _plan(settings, measure_networks(settings.settings), _planned_machine(folder))
        return _train(folder, settings, plan, wish, replace(execution, device=plan.device, begun=begun))
    finally:
        folder.release()


def _plan(settings: Settings, measured: dict[str, Measured], machine: Machine) -> Plan:
    footprints = {name: each.footprint for name, each in measured.items()}
    members = spread_seeds(settings.settings, settings.seeds, footprints)
    return plan_stacks(members, device=machine.device, cores=machine.cores, memory_bytes=machine.memory_bytes)


def _check_keys(settings: Settings, wish: Wish, measured: dict[str, Measured]) -> None:
    """Said now rather than after hours: what is wished can be judged."""
    differ = totals_differ(settings.settings)
    first, *others = [each.keys for each in measured.values()]
    shared = [key for key in first if all(key in keys for keys in others)]
    if wish.metric is None:
        judged_key(shared, doubtful_terms=find_doubtful_terms(settings.settings))
    else:
        resolve_key(wish.metric, shared, totals_differ=differ, option="--metric")
    if wish.sort is not None:
        every = list(dict.fromkeys(key for each in measured.values() for key in each.keys))
        resolve_key(wish.sort, every, totals_differ=differ, option="--sort")


def _train(
    folder: ComparisonFolder, settings: Settings, plan: Plan, wish: Wish, execution: Execution
) -> Judgement:
    def after_stack(_: Stack) -> None:
        write_members(folder, settings)

    try:
        execute_plan(plan, replace(execution, runs=folder.members_path), after_stack=after_stack)
        return write_results(folder, settings, metric=wish.metric, sort=wish.sort)
    except (Interrupted, MachineError) as error:
        error.outcome = f"{folder.way_on()} goes on from what was saved"
        raise
    finally:
        folder.release()


def _require_same(recorded: Settings, given: Settings, folder: ComparisonFolder) -> None:
    """A resumed comparison is the one that was begun."""
    before = {
        setting.name: (setting.experiment.seed, flatten(setting.experiment)) for setting in recorded.settings
    }
    now = {setting.name: (setting.experiment.seed, flatten(setting.experiment)) for setting in given.settings}
    changed = [name for name in {**before, **now} if before.get(name) != now.get(name)]
    if changed or recorded.seeds != given.seeds:
        what = f"the settings {', '.join(changed)}" if changed else "the number of seeds"
        if changed and changed[0] in before and changed[0] in now:
            paths = varied_paths([before[changed[0]][1], now[changed[0]][1]])
            what += f"; changed: {', '.join(paths) or 'seed'}"
        raise ConfigError(
            f"'{folder.path}' was begun with other settings ({what}); resume it without a config, or "
            "begin anew."
        )


def _planned_machine(folder: ComparisonFolder) -> Machine:
    """The machine of the plan, so that the rule decides as it did."""
    plan = folder.read_plan()
    device, cores, memory_bytes = (plan.get(name) for name in ("device", "cores", "memory_bytes"))
    if isinstance(device, str) and isinstance(cores, int) and isinstance(memory_bytes, int):
        return Machine(describe_machine(device).device, cores, memory_bytes)
    raise DataError(f"'{folder.path / 'plan.json'}' is damaged: it names no machine.")
