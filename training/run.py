"""One experiment from its config to its run folder: the function behind `mlx train`."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import torch

from ..data import Splits, Table, build_splits
from ..losses import build_knobs
from ..models import build_network, parameter_count
from ..records.environment import describe_environment
from ..records.run_folder import RunFolder
from ..specs.errors import DivergedError, MlxError
from ..specs.experiment import Experiment
from ..specs.load import located
from ..specs.resolved import resolved_yaml
from .blueprint import Blueprint, draw_blueprint
from .devices import DTYPES, choose_device, prepare_process
from .divergence import describe_divergence
from .final import RunResult, score_best
from .fit import FitPlan, fit, order_rows
from .members import Member
from .monitor import Watch
from .optimizers import build_optimizer
from .parameters import FlatParameters
from .reporter import Reporter, RunFacts, SilentReporter
from .schedules import build_schedule
from .step import Trainee, new_trainee


def run_experiment(
    experiment: Experiment,
    *,
    runs: Path = Path("runs"),
    device: str = "auto",
    command: Sequence[str] = (),
    reporter: Reporter | None = None,
) -> RunResult:
    """Train, evaluate and record one experiment.

    Raises:
        ConfigError: before anything is written. DataError: likewise. DivergedError: a loss or gradient
        was not finite; the run folder says so. MachineError: disk or device.
    """
    with located(experiment):
        return _Run(experiment, runs, device, command, reporter or SilentReporter()).go()


class _Run:
    """The stages of a run and the times they took."""

    def __init__(
        self, experiment: Experiment, runs: Path, device: str, command: Sequence[str], reporter: Reporter
    ) -> None:
        self.experiment = experiment
        self.runs = runs
        self.device = choose_device(device)
        self.dtype = DTYPES[experiment.training.precision]
        self.command = command
        self.reporter = reporter
        self.seconds: dict[str, float] = {}
        self.started = time.perf_counter()

    def go(self) -> RunResult:
        prepare_process()
        blueprint = draw_blueprint(self.experiment)
        splits = self._load(blueprint)
        self._lap("data")
        trainee = self._build(blueprint, len(splits.train))
        folder = self._create_folder(splits)
        member = Member(folder, Watch(blueprint.monitor))
        plan = FitPlan(
            epochs=self.experiment.training.epochs,
            batch_size=self.experiment.training.batch_size,
            shuffle=self.experiment.training.shuffle,
            seeds=(self.experiment.seed,),
            metrics=blueprint.metrics,
            evaluate_train=self.experiment.training.evaluate_train,
        )
        self._announce(blueprint, splits, folder)
        self._lap("build")
        try:
            fit(trainee, splits.train, splits.validation, plan=plan, members=[member], reporter=self.reporter)
            self._lap("train")
            return self._finish(blueprint, splits, trainee, member, plan)
        except KeyboardInterrupt:
            self._close(member, "interrupted", trainee, notes=["interrupted from the keyboard"])
            raise
        except DivergedError:
            raise
        except MlxError as error:
            self._close(member, "failed", trainee, notes=[str(error)])
            raise

    def _load(self, blueprint: Blueprint) -> Splits:
        """The splits on the device, with only the columns that this config reads."""
        splits = build_splits(self.experiment.data)
        inputs = set(blueprint.network.graph.inputs)
        references = {term.target for term in blueprint.objective.terms}

        def place(table: Table | None) -> Table | None:
            return None if table is None else table.select(inputs | references).to(self.device)

        train = place(splits.train)
        assert train is not None
        return Splits(train, place(splits.validation), place(splits.test), splits.schema, splits.fingerprint)

    def _build(self, blueprint: Blueprint, train_rows: int) -> Trainee:
        experiment = self.experiment
        network = build_network(
            experiment.model,
            blueprint.inputs,
            seed=experiment.seed,
            numerics=experiment.numerics,
            dtype=self.dtype,
            device=self.device,
        )
        parameters = FlatParameters(network, members=None)
        knobs = build_knobs(experiment.losses, learning_rate=experiment.optimizer.learning_rate)
        optimizer = build_optimizer(
            experiment.optimizer,
            parameters,
            numerics=experiment.numerics,
            learning_rates=knobs.learning_rates,
            schedule=build_schedule(
                experiment.optimizer.schedule,
                steps_per_epoch=-(-train_rows // experiment.training.batch_size),
                epochs=experiment.training.epochs,
            ),
        )
        return new_trainee(
            network, parameters, blueprint.objective, knobs.to(self.device, self.dtype), optimizer
        )

    def _create_folder(self, splits: Splits) -> RunFolder:
        experiment = self.experiment
        threads = torch.get_num_threads()
        return RunFolder.create(
            self.runs,
            experiment.name,
            config_text=resolved_yaml(experiment),
            environment=describe_environment(
                seed=experiment.seed,
                device=device_name(self.device),
                threads=threads,
                command=self.command,
                fingerprint=splits.fingerprint,
                precision=experiment.training.precision,
            ),
            plan={"engine": "single", "device": str(self.device), "threads": threads, "members": 1},
        )

    def _announce(self, blueprint: Blueprint, splits: Splits, folder: RunFolder) -> None:
        training = self.experiment.training
        facts = RunFacts(
            name=self.experiment.name,
            run=folder.path,
            device=device_name(self.device),
            parameters=parameter_count(blueprint.network),
            epochs=training.epochs,
            steps_per_epoch=-(-len(splits.train) // training.batch_size),
            batch_size=training.batch_size,
            train_rows=len(splits.train),
            validation_rows=0 if splits.validation is None else len(splits.validation),
            test_rows=0 if splits.test is None else len(splits.test),
            terms=blueprint.objective.names,
        )
        folder.log(f"started on {facts.device}: {facts.parameters} parameters, {facts.train_rows} rows")
        self.reporter.run_started(facts)

    def _finish(
        self, blueprint: Blueprint, splits: Splits, trainee: Trainee, member: Member, plan: FitPlan
    ) -> RunResult:
        if bool(trainee.frozen.all()):
            sentence = self._describe_divergence(splits.train, trainee, plan)
            self._close(member, "diverged", trainee, notes=[sentence])
            raise DivergedError(f"{sentence}; the run is in {member.folder.path}")
        member.restore_best(trainee)
        result = self._result(member, "finished", trainee)
        member.folder.write_labels(score_best(result, blueprint, splits, trainee, plan.batch_size))
        self._lap("evaluate")
        result.seconds = {**self.seconds, "total": time.perf_counter() - self.started}
        member.folder.write_summary(result.document())
        return result

    def _describe_divergence(self, table: Table, trainee: Trainee, plan: FitPlan) -> str:
        steps_per_epoch = -(-len(table) // plan.batch_size)
        before = int(trainee.frozen_at)
        epoch, step = before // steps_per_epoch + 1, before % steps_per_epoch + 1
        index = torch.split(order_rows(plan, epoch, len(table)), plan.batch_size)[step - 1]
        batch = table.gather(index.to(self.device), self.dtype)
        return describe_divergence(trainee, batch, epoch=epoch, step=step)

    def _result(self, member: Member, status: str, trainee: Trainee) -> RunResult:
        return RunResult(
            run=str(member.folder.path),
            name=self.experiment.name,
            status=status,
            parameters=parameter_count(trainee.network),
            best_epoch=member.watch.best_epoch,
            epochs=member.last_epoch,
            seconds=dict(self.seconds),
            metrics=dict(member.best_row),
        )

    def _close(self, member: Member, status: str, trainee: Trainee, *, notes: list[str]) -> None:
        """Write the summary of a run that did not come to its end."""
        result = self._result(member, status, trainee)
        result.notes = notes
        result.seconds = {**self.seconds, "total": time.perf_counter() - self.started}
        member.folder.log(f"{status}: {'; '.join(notes)}")
        member.folder.write_summary(result.document())

    def _lap(self, stage: str) -> None:
        self.seconds[stage] = time.perf_counter() - self.started - sum(self.seconds.values())


def device_name(device: torch.device) -> str:
    """The device as people know it: `cpu`, or the name of the CUDA device."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
