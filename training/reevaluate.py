"""A finished run scored again, on its own rows or on others: the function behind `mlx evaluate`."""

from __future__ import annotations

from dataclasses import dataclass

from ..data import Source, open_source
from ..records.numbers import finite_or_none
from ..records.run_folder import RunFolder
from ..specs.errors import ConfigError, DataError
from ..specs.experiment import Experiment
from ..specs.files import TableFiles
from ..specs.load import load_experiment, located
from .assemble import Workshop, open_workshop
from .blueprint import draw_blueprint
from .devices import choose_device, prepare_process
from .kept import kept_decisions, kept_preparation
from .memory import FEWER_ROWS, machine_failures_told
from .split_scores import SplitName, SplitScores, score_split
from .transfer import restore_best


@dataclass(frozen=True, eq=False)
class RunEvaluation:
    """The scores of a run's best weights. `data` is the file of the rows, None for the run's own."""

    run: str
    name: str
    split: str
    data: str | None
    rows: int
    scores: SplitScores

    def document(self) -> dict[str, object]:
        """The evaluation as plain JSON values: null for what is not a finite number."""
        return {
            "run": self.run,
            "name": self.name,
            "split": self.split,
            "data": self.data,
            "rows": self.rows,
            "metrics": {key: finite_or_none(value) for key, value in self.scores.metrics.items()},
            "labels": list(self.scores.labels),
            "values": list(self.scores.columns),
            "notes": list(self.scores.notes),
        }


def evaluate_run(
    folder: RunFolder, *, split: SplitName | None = None, data: str | None = None, device: str = "auto"
) -> RunEvaluation:
    """Score the best weights of a run on a split (default: test, else validation, else train) of its data.

    With `data`, on all rows of other files of the same columns, which the run's own preparation encodes;
    they take the place of the test rows.

    Raises:
        ConfigError: no such split, or a run whose data come from no file. DataError: the run's data have
        changed since it was trained, or cannot be read; its folder is damaged. MachineError.
    """
    experiment = load_experiment(str(folder.path / "config.yaml"))
    prepare_process(experiment.training.precision)
    chosen = choose_device(device)
    with located(experiment):
        with machine_failures_told("reading the data", fix=FEWER_ROWS):
            source = _source(folder, experiment, data)
        decisions = kept_decisions(folder, experiment)
        with machine_failures_told("reading the data", fix=FEWER_ROWS):
            workshop = open_workshop(draw_blueprint(experiment, source), chosen)
        if data is None:
            _check_fingerprint(folder, workshop)
        judged = split or _judged(workshop)
        with machine_failures_told("evaluating", fix=FEWER_ROWS):
            trainee = workshop.build([experiment], stacked=False)
            restore_best(trainee, folder)
            scores = score_split(workshop, trainee, decisions, judged)
    table = getattr(workshop.splits, judged)
    return RunEvaluation(str(folder.path), experiment.name, judged, data, len(table), scores)


def _source(folder: RunFolder, experiment: Experiment, data: str | None) -> Source:
    preparation = kept_preparation(folder, experiment)
    spec = experiment.data
    if data is None:
        return open_source(spec, preparation=preparation)
    if not isinstance(spec, TableFiles) or preparation is None:
        message = f"--data is for runs of a table; the data of '{folder.name}' are of source {spec.source}."
        raise ConfigError(message)
    from ..data.table_source import open_rows

    if _balances(experiment):
        # What balances the classes is counted in the training rows, which are read again for it.
        changed = {"test_path": data, "test_split": 0.0}
        return open_source(spec.model_copy(update=changed), preparation=preparation)
    return open_rows(spec, data, preparation)


def _balances(experiment: Experiment) -> bool:
    """Whether a loss is weighed by how often classes occur in the training rows."""
    keys = ("class_weight", "pos_weight")
    return any(getattr(loss, key, None) == "balanced" for loss in experiment.losses.values() for key in keys)


def _judged(workshop: Workshop) -> SplitName:
    if workshop.splits.test is not None:
        return "test"
    return "train" if workshop.splits.validation is None else "validation"


def _check_fingerprint(folder: RunFolder, workshop: Workshop) -> None:
    trained = folder.read_environment().get("data_fingerprint")
    if trained != workshop.splits.fingerprint:
        raise DataError(
            f"the data have changed since '{folder.name}' was trained: their fingerprint is "
            f"{workshop.splits.fingerprint[:12]}, then it was {str(trained)[:12]}; bring them back, or give "
            "the rows to be scored by --data FILE."
        )
