"""Worker processes of one thread each, which train single experiments or stacks."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import cast

from ..specs.errors import DivergedError, MachineError, MlxError, Problem
from ..specs.experiment import Experiment

_POLL_SECONDS = 1.0


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
    parts: Sequence[Sequence[Experiment]],
    *,
    workers: int,
    runs: Path,
    command: Sequence[str],
    report: Callable[[str, str], None],
) -> None:
    """Train every part, a stack or one experiment, on the CPU; worker i takes every `workers`-th part.

    report: told the name and status of each as it ends. Raises what a worker raised, and MachineError for
    a worker that was lost; the others are stopped then.
    """
    dealt = [tuple(parts[first::workers]) for first in range(min(workers, len(parts)))]
    started: list[_Worker] = []
    try:
        started.extend(_start(own, runs, tuple(command)) for own in dealt)
        _attend(started, report)
    finally:
        for worker in started:
            # After an interrupt or an error: what they were at is lost, and trained anew on resume.
            worker.process.terminate()
            worker.process.join()
            worker.receiver.close()


def train_dealt(
    parts: Sequence[Sequence[Experiment]], runs: Path, command: Sequence[str], sender: Connection
) -> None:
    """The work of one process: train each part in turn and send its members' outcomes."""
    # An interrupt from the keyboard reaches all processes; the parent decides what becomes of it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    import torch

    torch.set_num_threads(1)
    for part in parts:
        try:
            for outcome in _train_part(part, runs, command):
                sender.send(outcome)
        except MlxError as error:
            sender.send(Outcome(part[0].name, "failed", type(error), error.problems))
            return


def _train_part(part: Sequence[Experiment], runs: Path, command: Sequence[str]) -> list[Outcome]:
    from ..training.run import run_experiment
    from ..training.stack import train_stack

    if len(part) > 1:
        results = train_stack(part, runs=runs, device="cpu", command=command)
        return [Outcome(result.name, result.status) for result in results]
    try:
        result = run_experiment(part[0], runs=runs, device="cpu", command=command)
    except DivergedError:
        return [Outcome(part[0].name, "diverged")]
    return [Outcome(result.name, result.status)]


def _start(parts: Sequence[Sequence[Experiment]], runs: Path, command: Sequence[str]) -> _Worker:
    # Spawned, not forked: a fork of a process with torch's threads may hang.
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(
        target=train_dealt, args=(tuple(parts), runs, tuple(command), sender), daemon=True
    )
    process.start()
    sender.close()  # else the pipe would stay open after the worker's end
    return _Worker(process, receiver, tuple(experiment.name for part in parts for experiment in part))


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


def _require_end(worker: _Worker, done: set[str]) -> None:
    worker.process.join()
    lost = [name for name in worker.names if name not in done]
    if lost:
        code = worker.process.exitcode
        raise MachineError(
            f"the process that trained '{lost[0]}' ended unexpectedly (exit code {code}); memory may have "
            "run out. What has finished is kept: resume the comparison."
        )
