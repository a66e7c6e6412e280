"""Worker processes of one thread each, which train single experiments or stacks."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, cast

from ..records.run_folder import RunFolder
from ..specs.errors import MachineError, MlxError, Problem
from ..specs.experiment import Experiment

if TYPE_CHECKING:
    from ..training.interruption import Interruption

_POLL_SECONDS = 1.0


@dataclass(frozen=True)
class Part:
    """A stack, or one experiment, with the run of each that had begun before."""

    experiments: Sequence[Experiment]
    folders: Sequence[RunFolder | None]


@dataclass(frozen=True)
class Outcome:
    """What a worker says of one member: how it ended, or the error that a user caused."""

    name: str
    status: str
    error: type[MlxError] | None = None
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True)
class _Worker:
    process: SpawnProcess
    receiver: Connection
    names: tuple[str, ...]


def train_in_processes(
    parts: Sequence[Part],
    *,
    workers: int,
    runs: Path,
    command: Sequence[str],
    report: Callable[[str, str], None],
) -> None:
    """Train every part, a stack or one experiment, on the CPU; worker i takes every `workers`-th part.

    report: told the name and status of each as it ends. Raises what a worker raised, and MachineError for
    a worker that was lost; the others are stopped then, after they have saved.
    """
    dealt = [tuple(parts[first::workers]) for first in range(min(workers, len(parts)))]
    started: list[_Worker] = []
    try:
        started.extend(_start(own, runs, tuple(command)) for own in dealt)
        _attend(started, report)
    finally:
        _stop(started)


def train_dealt(parts: Sequence[Part], runs: Path, command: Sequence[str], sender: Connection) -> None:
    """The work of one process: train each part in turn and send its members' outcomes."""
    from ..training.interruption import Interrupted, Interruption

    interruption = Interruption()
    # An interrupt from the keyboard reaches all processes; the parent decides what becomes of it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def receive(number: int, _: FrameType | None) -> None:
        # One is enough: a signal to all processes comes beside that of the parent, which can kill as well.
        if interruption.signal is None:
            interruption.receive(number)

    signal.signal(signal.SIGTERM, receive)
    threading.Thread(target=_stop_with_parent, daemon=True).start()
    try:
        import torch

        torch.set_num_threads(1)
        for part in parts:
            outcomes = _train_part(part, runs, command, interruption)
            for outcome in outcomes:
                sender.send(outcome)
            if any(outcome.error for outcome in outcomes):
                break
    except (Interrupted, BrokenPipeError):
        pass  # all is saved, or nobody listens any more
    sender.close()
    # The interpreter would take a third of a second to put PyTorch away.
    os._exit(0)


def _stop_with_parent() -> None:
    """A worker whose parent was killed saves and ends, so that whoever resumes finds its runs free."""
    parent = multiprocessing.parent_process()
    assert parent is not None, "a worker is somebody's child"
    parent.join()
    os.kill(os.getpid(), signal.SIGTERM)


def _train_part(part: Part, runs: Path, command: Sequence[str], interruption: Interruption) -> list[Outcome]:
    from ..training.stack import train_stack

    try:
        results = train_stack(
            part.experiments,
            runs=runs,
            device="cpu",
            command=command,
            interruption=interruption,
            folders=part.folders,
        )
    except MlxError as error:
        return [Outcome(part.experiments[0].name, "failed", type(error), error.problems)]
    return [Outcome(result.name, result.status) for result in results]


def _start(parts: Sequence[Part], runs: Path, command: Sequence[str]) -> _Worker:
    # Spawned, not forked: a fork of a process with torch's threads may hang.
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(
        target=train_dealt, args=(tuple(parts), runs, tuple(command), sender), daemon=True
    )
    process.start()
    sender.close()  # else the pipe would stay open after the worker's end
    names = tuple(each.name for part in parts for each in part.experiments)
    return _Worker(process, receiver, names)


def _attend(workers: Sequence[_Worker], report: Callable[[str, str], None]) -> None:
    """Receive outcomes until every worker has ended."""
    open_workers = {worker.receiver: worker for worker in workers}
    done: set[str] = set()
    while open_workers:
        for ready in wait(list(open_workers), timeout=_POLL_SECONDS):
            receiver = cast("Connection", ready)
            worker = open_workers[receiver]
            try:
                outcome = cast("Outcome", receiver.recv())
            except EOFError:
                del open_workers[receiver]
                _require_end(worker, done)
                continue
            if outcome.error is not None:
                raise outcome.error(outcome.problems)
            done.add(outcome.name)
            report(outcome.name, outcome.status)


def _stop(workers: Sequence[_Worker]) -> None:
    """End all processes, each after the step it is at; at once where that is interrupted too."""
    try:
        for worker in workers:
            worker.process.terminate()
        for worker in workers:
            worker.process.join()
            worker.receiver.close()
    except KeyboardInterrupt:
        for worker in workers:
            worker.process.kill()
        raise


def _require_end(worker: _Worker, done: set[str]) -> None:
    worker.process.join()
    lost = [name for name in worker.names if name not in done]
    if lost:
        code = worker.process.exitcode
        raise MachineError(
            f"the process that trained '{lost[0]}' ended unexpectedly (exit code {code}); memory may have "
            "run out. What has finished is kept: resume the comparison."
        )
