"""The stages of a training: data, build, fit, evaluation and the run folders, for one run or a stack."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from ..models import parameter_count
from ..records.environment import describe_environment
from ..records.run_folder import EndStatus, RunFolder
from ..specs.errors import MlxError
from ..specs.experiment import Experiment
from ..specs.resolved import resolved_yaml
from .assemble import Workshop, narrow, open_workshop
from .blueprint import draw_blueprint
from .checkpoint import load_member_state
from .decision_search import find_decisions
from .devices import choose_device, prepare_process
from .divergence import describe_divergence
from .final import RunResult, Yardstick, make_yardstick, score_best
from .fit import FitPlan, fit, order_rows
from .gradient_report import GradientReport
from .members import Member
from .monitor import Watch
from .reconstructions import keep_reconstructions
from .reporter import Reporter, RunFacts, SilentReporter
from .step import Trainee
from .weighting import restore_weights


class Session:
    """The stages of training some experiments together, and the times they took."""

    def __init__(
        self, experiments: Sequence[Experiment], *, stacked: bool, device: str, reporter: Reporter | None
    ) -> None:
        self.started = time.perf_counter()
        self.seconds: dict[str, float] = {}
        prepare_process()
        self.experiments = experiments
        self.stacked = stacked
        self.device = choose_device(device)
        self.reporter = reporter or SilentReporter()
        self.blueprint = draw_blueprint(experiments[0])
        self.workshop: Workshop = open_workshop(self.blueprint, self.device)
        self.yardstick: Yardstick | None = None
        self._lap("data")

    def train(self, runs: Path, command: Sequence[str]) -> list[RunResult]:
        """Train all to their end; one result each, in order."""
        trainee = self.workshop.build(self.experiments, stacked=self.stacked)
        members = [
            Member(
                self._create_folder(experiment, runs, command),
                Watch(self.blueprint.monitor, experiment.optimizer.learning_rate),
                index,
            )
            for index, experiment in enumerate(self.experiments)
        ]
        self._announce(members)
        self._lap("build")
        try:
            self._fit(trainee, members)
            self._lap("train")
            return [self._finish(member, index) for index, member in enumerate(members)]
        except KeyboardInterrupt:
            self._close_all(members, "interrupted", "interrupted from the keyboard")
            raise
        except MlxError as error:
            self._close_all(members, "failed", str(error))
            raise

    def _fit(self, trainee: Trainee, members: Sequence[Member]) -> None:
        if not self.stacked:
            members[0].index = None

        def narrower(current: Trainee, rows: Sequence[int], kept: Sequence[int]) -> Trainee:
            experiments = [self.experiments[position] for position in kept]
            return narrow(current, self.workshop.build(experiments, stacked=True), rows)

        splits = self.workshop.splits
        fit(
            trainee,
            splits.train,
            splits.validation,
            plan=replace(self._plan(), gradient_report=self._gradient_report(trainee)),
            members=members,
            reporter=self.reporter,
            narrower=narrower,
        )

    def _gradient_report(self, trainee: Trainee) -> GradientReport | None:
        described = self.blueprint.experiment.training.gradient_report
        return None if described is None else GradientReport(self.blueprint, trainee, every=described.every)

    def _plan(self) -> FitPlan:
        training = self.blueprint.experiment.training
        return FitPlan(
            epochs=training.epochs,
            batch_size=training.batch_size,
            shuffle=training.shuffle,
            seeds=tuple(experiment.seed for experiment in self.experiments),
            metrics=self.blueprint.metrics,
            evaluate_train=training.evaluate_train,
        )

    def _create_folder(self, experiment: Experiment, runs: Path, command: Sequence[str]) -> RunFolder:
        threads = torch.get_num_threads()
        members = len(self.experiments)
        preparation = self.blueprint.source.preparation
        return RunFolder.create(
            runs,
            experiment.name,
            config_text=resolved_yaml(experiment),
            environment=describe_environment(
                seed=experiment.seed,
                device=device_name(self.device),
                threads=threads,
                command=command,
                fingerprint=self.workshop.splits.fingerprint,
                precision=experiment.training.precision,
            ),
            plan={
                "engine": "stack" if self.stacked else "single",
                "device": str(self.device),
                "threads": threads,
                "members": members,
            },
            preparation=None if preparation is None else preparation.document(),
        )

    def _announce(self, members: Sequence[Member]) -> None:
        splits, training = self.workshop.splits, self.blueprint.experiment.training
        facts = RunFacts(
            name=self.blueprint.experiment.name,
            run=members[0].folder.path,
            device=device_name(self.device),
            parameters=parameter_count(self.blueprint.network),
            epochs=training.epochs,
            steps_per_epoch=self.workshop.steps_per_epoch,
            batch_size=training.batch_size,
            train_rows=len(splits.train),
            validation_rows=0 if splits.validation is None else len(splits.validation),
            test_rows=0 if splits.test is None else len(splits.test),
            terms=self.blueprint.objective.names,
            members=len(members),
        )
        for member in members:
            member.folder.log(f"started on {facts.device}: {facts.parameters} parameters")
            for note in splits.notes:
                member.folder.log(note)
        self.reporter.run_started(facts)
        for note in splits.notes:
            self.reporter.message(note)

    def _finish(self, member: Member, position: int) -> RunResult:
        """Score a member's best weights in a network of its own, and close its folder."""
        trainee = self.workshop.build([self.experiments[position]], stacked=False)
        if member.diverged is not None:
            sentence = self._describe_divergence(member, trainee, position)
            return self._close(member, position, "diverged", [sentence])
        load_member_state(trainee.network, None, member.best)
        restore_weights(trainee, member.best_weights)
        result = self._result(member, position, "finished")
        started = time.perf_counter()
        self._score(result, member.folder, trainee)
        self.seconds["evaluate"] = self.seconds.get("evaluate", 0.0) + time.perf_counter() - started
        result.seconds = {**self.seconds, "total": time.perf_counter() - self.started}
        member.folder.write_summary(result.document())
        return result

    def _score(self, result: RunResult, folder: RunFolder, trainee: Trainee) -> None:
        """Decide what is to be decided with these weights, score them, and write both down."""
        yardstick = self.yardstick = self.yardstick or make_yardstick(self.workshop)
        keep_reconstructions(folder, self.blueprint, trainee.network, yardstick.table, self.workshop.dtype)
        decisions, notes = find_decisions(self.workshop, trainee)
        result.notes += notes
        if decisions:
            folder.write_decisions(decisions.document())
        scored = score_best(result, self.workshop, trainee, decisions=decisions, yardstick=yardstick)
        folder.write_labels([row for scores in scored for row in scores.labels])
        if columns := [row for scores in scored for row in scores.columns]:
            folder.write_values(columns)

    def _describe_divergence(self, member: Member, trainee: Trainee, position: int) -> str:
        assert member.diverged is not None
        load_member_state(trainee.network, None, member.diverged.state)
        train, plan = self.workshop.splits.train, self._plan()
        epoch, batch_number = divmod(member.diverged.step, self.workshop.steps_per_epoch)
        seeds = (self.experiments[position].seed,)
        order = order_rows(epoch + 1, len(train), seeds=seeds, shuffle=plan.shuffle)
        index = torch.split(order, plan.batch_size)[batch_number]
        trainee.network.noise.step.fill_(member.diverged.step)
        batch = train.gather(index.to(self.device), self.workshop.dtype)
        return describe_divergence(trainee, batch, epoch=epoch + 1, step=batch_number + 1)

    def _result(self, member: Member, position: int, status: EndStatus) -> RunResult:
        return RunResult(
            run=str(member.folder.path),
            name=self.experiments[position].name,
            status=status,
            parameters=parameter_count(self.blueprint.network),
            best_epoch=member.watch.best_epoch,
            epochs=member.last_epoch,
            seconds=dict(self.seconds),
            metrics=dict(member.best_row),
        )

    def _close(self, member: Member, position: int, status: EndStatus, notes: list[str]) -> RunResult:
        """Write the summary of a run that did not come to its end."""
        result = self._result(member, position, status)
        result.notes = notes
        result.seconds = {**self.seconds, "total": time.perf_counter() - self.started}
        member.folder.log(f"{status}: {'; '.join(notes)}")
        member.folder.write_summary(result.document())
        return result

    def _close_all(self, members: Sequence[Member], status: EndStatus, note: str) -> None:
        for position, member in enumerate(members):
            if member.folder.read_summary() is None:
                self._close(member, position, status, [note])

    def _lap(self, stage: str) -> None:
        self.seconds[stage] = time.perf_counter() - self.started - sum(self.seconds.values())


def device_name(device: torch.device) -> str:
    """The device as people know it: `cpu`, or the name of the CUDA device."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
