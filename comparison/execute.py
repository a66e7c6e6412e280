"""Trains the members of a plan: stack by stack, each member into a run folder of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..records.run_folder import ENDED, RunFolder
from ..training.interruption import Interruption
from ..training.reporter import Reporter, SilentReporter
from .members import Member
from .plan import Plan, Stack
from .processes import Part, train_in_processes


@dataclass(frozen=True)
class Execution:
    """How all stacks are trained: where run folders go, on which device, as which command.

    `begun` are the runs of members that had begun before, by the member's name.
    """

    runs: Path
    device: str
    command: Sequence[str]
    reporter: Reporter | None = None
    interruption: Interruption | None = None
    begun: Mapping[str, RunFolder] = field(default_factory=dict[str, RunFolder])

    def folders(self, members: Sequence[Member]) -> list[RunFolder | None]:
        """The run of each member that had begun."""
        return [self.begun.get(member.name) for member in members]

    def has_ended(self, members: Sequence[Member]) -> bool:
        """Whether nothing is left to train of these members."""
        return all(run is not None and run.status in ENDED for run in self.folders(members))


def execute_plan(plan: Plan, execution: Execution, *, after_stack: Callable[[Stack], None]) -> None:
    """Train every stack that has not ended, one after another; what members came to is in their folders.

    A member that diverges stops alone. Raises ConfigError, DataError, MachineError and Interrupted as
    training does.
    """
    reporter = execution.reporter or SilentReporter()
    for number, stack in enumerate(plan.stacks, start=1):
        if execution.has_ended(stack.members):
            continue
        reporter.message(f"stack {number} of {len(plan.stacks)}: {describe_stack(stack)}")
        if stack.engine == "processes":
            _train_apart(stack, execution, reporter)
        else:
            _train_here(stack, execution)
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


def _train_here(stack: Stack, execution: Execution) -> None:
    from ..training.stack import train_stack

    train_stack(
        [member.experiment for member in stack.members],
        runs=execution.runs,
        device=execution.device,
        command=execution.command,
        reporter=execution.reporter,
        interruption=execution.interruption,
        folders=execution.folders(stack.members),
    )


def _train_apart(stack: Stack, execution: Execution, reporter: Reporter) -> None:
    going = [part for part in stack.parts if not execution.has_ended(part)]
    total = sum(map(len, going))
    done = 0

    def report(name: str, status: str) -> None:
        nonlocal done
        done += 1
        reporter.message(f"{done} of {total}: {name} {status}")

    train_in_processes(
        [Part([each.experiment for each in part], execution.folders(part)) for part in going],
        workers=stack.workers,
        runs=execution.runs,
        command=execution.command,
        report=report,
    )
