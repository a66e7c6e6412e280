"""Trains the members of a plan: stack by stack, each member into a run folder of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..specs.errors import DivergedError
from ..specs.experiment import Experiment
from ..training.reporter import Reporter, SilentReporter
from ..training.run import run_experiment
from .plan import Plan, Stack
from .processes import train_in_processes


@dataclass(frozen=True)
class Execution:
    """How all stacks are trained: where run folders go, on which device, as which command."""

    runs: Path
    device: str
    command: Sequence[str]
    reporter: Reporter | None = None


def execute_plan(plan: Plan, execution: Execution, *, after_stack: Callable[[Stack], None]) -> None:
    """Train every stack, one after another; what each member came to is in its run folder.

    A member that diverges stops alone. Raises ConfigError, DataError and MachineError as training does.
    """
    reporter = execution.reporter or SilentReporter()
    for number, stack in enumerate(plan.stacks, start=1):
        reporter.message(f"stack {number} of {len(plan.stacks)}: {describe_stack(stack)}")
        experiments = [member.experiment for member in stack.members]
        if stack.engine == "processes":
            _train_apart(stack, execution, reporter)
        elif stack.engine == "single":
            _train_alone(experiments[0], execution)
        else:
            _train_together(experiments, execution)
        after_stack(stack)


def describe_stack(stack: Stack) -> str:
    """How a stack is trained, in a few words."""
    count = len(stack.members)
    if stack.engine == "single":
        return f"{stack.members[0].name} alone"
    if stack.engine == "processes":
        where = "one process" if stack.workers == 1 else f"{stack.workers} processes"
        how = "one by one" if all(len(part) == 1 for part in stack.parts) else f"in {len(stack.parts)} stacks"
        return f"{count} members {how} in {where} ({stack.reason})"
    return f"{count} members together"


def _train_alone(experiment: Experiment, execution: Execution) -> None:
    try:
        run_experiment(
            experiment,
            runs=execution.runs,
            device=execution.device,
            command=execution.command,
            reporter=execution.reporter,
        )
    except DivergedError as error:
        (execution.reporter or SilentReporter()).message(str(error))


def _train_together(experiments: Sequence[Experiment], execution: Execution) -> None:
    from ..training.stack import train_stack

    train_stack(
        experiments,
        runs=execution.runs,
        device=execution.device,
        command=execution.command,
        reporter=execution.reporter,
    )


def _train_apart(stack: Stack, execution: Execution, reporter: Reporter) -> None:
    done = 0

    def report(name: str, status: str) -> None:
        nonlocal done
        done += 1
        reporter.message(f"{done} of {len(stack.members)}: {name} {status}")

    train_in_processes(
        [[member.experiment for member in part] for part in stack.parts],
        workers=stack.workers,
        runs=execution.runs,
        command=execution.command,
        report=report,
    )
