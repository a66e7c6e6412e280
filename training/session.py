"""The stages of a training: data, build, fit, evaluation and the run folders, for one run or a stack."""

from __future__ import annotations

import time
from collections.abc import Generator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import asdict
from pathlib import Path
from signal import Signals

import torch

from ..records.run_folder import ENDED, RunFolder
from ..specs.errors import MachineError, MlxError
from ..specs.experiment import Experiment
from ..specs.resolved import resolved_yaml
from .assemble import Workshop, narrow, open_workshop
from .blueprint import draw_blueprint
from .devices import choose_device, keeping_freed_memory, prepare_process, settled_threads
from .ending import Ending
from .evaluate import LedgerMeans
from .final import RunResult
from .fit import FitPlan, fit
from .gradient_report import GradientReport
from .interruption import Interrupted, Interruption
from .member_checkpoint import Position, restore_means, restore_moving
from .members import Member
from .memory import machine_failures_told, measure_load
from .monitor import Watch
from .opening import create_run, describe_run
from .reporter import Reporter, SilentReporter
from .resume import FRESH, Resumption, identify, resume_members
from .saver import Saver
from .step import Trainee
from .step_profile import StepProfile


class Session:
    """The stages of training some experiments together, and the times they took.

    `threads` are those of a run that goes on; a new one has as many as suit its network. What `profile`
    finds is written into every folder.
    """

    def __init__(
        self,
        experiments: Sequence[Experiment],
        *,
        stacked: bool,
        device: str,
        reporter: Reporter | None = None,
        interruption: Interruption | None = None,
        threads: int | None = None,
        profile: StepProfile | None = None,
    ) -> None:
        self.started = time.perf_counter()
        self.seconds: dict[str, float] = {}
        prepare_process(experiments[0].training.precision)
        self.experiments = experiments
        self.stacked = stacked
        self.threads = threads
        self.profile = profile
        self.device = choose_device(device)
        self.reporter = reporter or SilentReporter()
        self.interruption = interruption or Interruption()
        self.blueprint = draw_blueprint(experiments[0])
        self.workshop: Workshop = open_workshop(self.blueprint, self.device)
        self.ending = Ending(self.workshop, experiments)
        # Asked before anything is built, which will have taken its part.
        members = len(experiments)
        self.load = measure_load(experiments[0], self.blueprint.network, members=members, device=self.device)
        self._lap("data")

    def train(self, runs: Path, command: Sequence[str]) -> list[RunResult]:
        """Train all to their end in new folders; one result each, in order."""
        with machine_failures_told("building the network", load=self.load):
            trainee = self.workshop.build(self.experiments, stacked=self.stacked)
        with self._closing() as members, self._threads(trainee):
            for experiment in self.experiments:
                members.append(self._member(experiment, self._create(experiment, runs, command)))
            return self._complete(trainee, members, FRESH)

    def resume(
        self, folders: Sequence[RunFolder | None], runs: Path, command: Sequence[str]
    ) -> list[RunResult]:
        """Train on from what lies in the folders, one for each experiment, to the end that all would have
        come to without a stop. A member without a folder gets a new one; one that has ended stays so."""
        taken, resumption = self._take_over(folders, runs, command)
        for note in resumption.notes:
            self.reporter.message(note)
        with self._closing() as members:
            members.extend(taken)
            going = [position for position, member in enumerate(members) if not member.stopped]
            experiments = [self.experiments[position] for position in going]
            begins = not resumption.saved
            trainee = self.workshop.build(
                experiments or self.experiments[:1], stacked=self.stacked, initial=begins
            )
            with self._threads(trainee):
                if begins or not going:
                    return self._complete(trainee, members, resumption)
                saved = [each for position in going if (each := resumption.saved[position]) is not None]
                restore_moving(trainee, saved)
                means = restore_means(trainee, saved) if resumption.position.step else None
                return self._complete(trainee, members, resumption, means)

    def _threads(self, trainee: Trainee) -> AbstractContextManager[None]:
        rows = self.blueprint.experiment.training.batch_size
        return settled_threads(trainee.network, self.device, rows=rows, threads=self.threads)

    def _take_over(
        self, folders: Sequence[RunFolder | None], runs: Path, command: Sequence[str]
    ) -> tuple[list[Member], Resumption]:
        """The members at the position that all share; what cannot go on is left as it was."""
        taken: list[Member] = []
        try:
            for experiment, folder in zip(self.experiments, folders, strict=True):
                kept = folder or self._create(experiment, runs, command)
                member = self._member(experiment, kept)
                member.take_over(is_longer=kept.config_text() != resolved_yaml(experiment))
                taken.append(member)
            resumption = resume_members(taken)
            for member, experiment in zip(taken, self.experiments, strict=True):
                if not member.ended:
                    member.folder.lengthen(resolved_yaml(experiment))
        except (MlxError, KeyboardInterrupt):
            for member in taken:
                with suppress(MachineError):
                    member.folder.release()
            raise
        return taken, resumption

    @contextmanager
    def _closing(self) -> Generator[list[Member]]:
        """The members of this session; whatever stops it is written into their folders."""
        members: list[Member] = []
        try:
            with machine_failures_told("training", load=self.load):
                yield members
        except KeyboardInterrupt as error:
            with self.interruption.ignored():
                self.ending.close_all(members, "interrupted", _describe(error), self._times())
            if isinstance(error, Interrupted):
                error.outcome = self._outcome(members)
            raise
        except MlxError as error:
            with self.interruption.ignored():
                self.ending.close_all(members, "failed", str(error), self._times())
            if isinstance(error, MachineError):
                error.outcome = self._outcome(members)
            raise

    def _outcome(self, members: Sequence[Member]) -> str | None:
        """What is left of a run that was stopped, for its user."""
        if self.stacked or not members or not members[0].folder.path.is_dir():
            return None
        folder = members[0].folder
        if folder.status in ENDED:
            return f"the run is complete: {folder.path}"
        return f"{folder.way_on()} goes on from what was saved"

    def _create(self, experiment: Experiment, runs: Path, command: Sequence[str]) -> RunFolder:
        members = len(self.experiments) if self.stacked else None
        return create_run(self.workshop, experiment, runs=runs, command=command, members=members)

    def _member(self, experiment: Experiment, folder: RunFolder) -> Member:
        return Member(
            folder,
            Watch(self.blueprint.monitor, experiment.optimizer.learning_rate),
            identity=identify(experiment, self.workshop.splits.fingerprint),
        )

    def _complete(
        self,
        trainee: Trainee,
        members: Sequence[Member],
        resumption: Resumption,
        means: LedgerMeans | None = None,
    ) -> list[RunResult]:
        self.reporter.run_started(describe_run(self.workshop, members, resumption))
        for note in self.workshop.splits.notes:
            self.reporter.message(note)
        self._lap("build")
        for note in _notes_of_the_device(self.blueprint.experiment, self.device):
            self.reporter.message(note)
        with self.interruption.deferred():
            try:
                self._fit(trainee, members, resumption.position, means)
            finally:
                self._write_profile(members)
        self._lap("train")
        self.seconds["train"] += resumption.seconds
        self.started -= resumption.seconds
        return [self.ending.finish(each, index, self._times()) for index, each in enumerate(members)]

    def _write_profile(self, members: Sequence[Member]) -> None:
        if self.profile is not None:
            rows = [asdict(row) for row in self.profile.rows()]
            for member in members:
                member.folder.write_profile(rows)

    def _fit(
        self, trainee: Trainee, members: Sequence[Member], start: Position, means: LedgerMeans | None
    ) -> None:
        running = [position for position, member in enumerate(members) if not member.stopped]
        for row, position in enumerate(running):
            members[position].index = row if self.stacked else None

        def narrower(current: Trainee, rows: Sequence[int], kept: Sequence[int]) -> Trainee:
            experiments = [self.experiments[position] for position in kept]
            return narrow(current, self.workshop.build(experiments, stacked=True, initial=False), rows)

        training, splits = self.blueprint.experiment.training, self.workshop.splits
        gradients = self._gradient_report(trainee)
        plan = FitPlan(
            epochs=training.epochs,
            batch_size=training.batch_size,
            shuffle=training.shuffle,
            seeds=tuple(self.experiments[position].seed for position in running),
            metrics=self.blueprint.metrics,
            reporter=self.reporter,
            saver=Saver(self.interruption, minutes=training.checkpoint_minutes, gradients=gradients),
            evaluate_train=training.evaluate_train,
            gradient_report=gradients,
            profile=self.profile,
            capture=training.capture_step,
            start=start,
            means=means,
        )
        # What is kept may lie in the way of what is needed, where memory is short.
        keeps = self.device.type == "cpu" and self.load.is_light
        with keeping_freed_memory() if keeps else nullcontext():
            fit(trainee, splits.train, splits.validation, plan=plan, members=members, narrower=narrower)

    def _gradient_report(self, trainee: Trainee) -> GradientReport | None:
        described = self.blueprint.experiment.training.gradient_report
        return None if described is None else GradientReport(self.blueprint, trainee, every=described.every)

    def _times(self) -> dict[str, float]:
        """The seconds of every stage so far, and of all."""
        return {**self.seconds, "total": time.perf_counter() - self.started}

    def _lap(self, stage: str) -> None:
        self.seconds[stage] = time.perf_counter() - self.started - sum(self.seconds.values())


def _notes_of_the_device(experiment: Experiment, device: torch.device) -> list[str]:
    """What a config asks of a CUDA device that it is not trained on: the same config serves both."""
    notes: list[str] = []
    if device.type != "cuda" and experiment.training.capture_step:
        notes.append("training.capture_step has no effect here: only a CUDA device captures steps")
    if device.type != "cuda" and experiment.training.precision == "tf32":
        notes.append(f"training.precision tf32 is float32 here: {device.type} has no products of tf32")
    return notes


def _describe(error: KeyboardInterrupt) -> str:
    return f"by {Signals(error.signal).name}" if isinstance(error, Interrupted) else "from the keyboard"
