"""Worker processes of one thread each, for networks that train faster one by one."""

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
    experiments: Sequence[Experiment],
    *,
    workers: int,
    runs: Path,
    command: Sequence[str],
    report: Callable[[str, str], None],
) -> None:
    """Train every experiment on the CPU; worker i takes every `workers`-th, from the i-th on.

    report: told the name and status of each as it ends. Raises what a worker raised, and MachineError for
    a worker that was lost; the others are stopped then.
    """
    dealt = [tuple(experiments[first::workers]) for first in range(min(workers, len(experiments)))]
    started: list[_Worker] = []
    try:
        started.extend(_start(part, runs, tuple(command)) for part in dealt)
        _attend(started, report)
    finally:
        for worker in started:
            # After an interrupt or an error: what they were at is lost, and trained anew on resume.
            worker.process.terminate()
            worker.process.join()
            worker.receiver.close()


def train_dealt(
    experiments: Sequence[Experiment], runs: Path, command: Sequence[str], sender: Connection
) -> None:
    """The work of one process: train each experiment in turn and send its outcome."""
    # An interrupt from the keyboard reaches all processes; the parent decides what becomes of it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    import torch

    from ..training.run import run_experiment

    torch.set_num_threads(1)
    for experiment in experiments:
        try:
            result = run_experiment(experiment, runs=runs, device="cpu", command=command)
            outcome = Outcome(experiment.name, result.status)
        except DivergedError:
            outcome = Outcome(experiment.name, "diverged")
        except MlxError as error:
            sender.send(Outcome(experiment.name, "failed", type(error), error.problems))
            return
        sender.send(outcome)


def _start(experiments: Sequence[Experiment], runs: Path, command: Sequence[str]) -> _Worker:
    # Spawned, not forked: a fork of a process with torch's threads may hang.
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(
        target=train_dealt, args=(tuple(experiments), runs, tuple(command), sender), daemon=True
    )
    process.start()
    sender.close()  # else the pipe would stay open after the worker's end
    return _Worker(process, receiver, tuple(experiment.name for experiment in experiments))


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
