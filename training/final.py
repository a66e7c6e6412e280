"""The end of a run: the best weights scored on every split, beside the baseline and the floors."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor

from ..data import Splits, Table
from ..losses import floor
from ..records.numbers import finite_or_none
from .assemble import Workshop
from .blueprint import Blueprint
from .evaluate import (
    Evaluation,
    LedgerMeans,
    evaluate,
    reference_rows,
    score_labels,
    score_metrics,
    trivial_outputs,
)
from .members import evaluation_row
from .metrics import trivial_prediction
from .step import Trainee

LabelRow = dict[str, float | int | str]


@dataclass(eq=False)
class RunResult:
    """What a run came to.

    Keys of `metrics` and `baseline` are `{split}/...` metric keys; `floors` are by term; `optima` are
    the best values any network could reach, where the source knows them.
    """

    run: str
    name: str
    status: str
    parameters: int
    best_epoch: int
    epochs: int
    seconds: dict[str, float]
    metrics: dict[str, float]
    baseline: dict[str, float] = field(default_factory=dict[str, float])
    floors: dict[str, float] = field(default_factory=dict[str, float])
    optima: dict[str, float] = field(default_factory=dict[str, float])
    notes: list[str] = field(default_factory=list[str])

    def document(self) -> dict[str, object]:
        """The result as plain JSON values: null for what is not a finite number."""
        numbers = {
            name: {key: finite_or_none(value) for key, value in getattr(self, name).items()}
            for name in ("seconds", "metrics", "baseline", "floors", "optima")
        }
        head = {name: getattr(self, name) for name in ("run", "name", "status", "parameters")}
        return {**head, "best_epoch": self.best_epoch, "epochs": self.epochs, **numbers, "notes": self.notes}


def score_best(result: RunResult, workshop: Workshop, trainee: Trainee) -> list[LabelRow]:
    """Add the scores of the weights that `trainee` has now to `result`; returns the rows of labels.csv."""
    blueprint, splits = workshop.blueprint, workshop.splits
    label_rows: list[LabelRow] = []
    for split, table in (("validation", splits.validation), ("test", splits.test)):
        if table is None:
            continue
        evaluation = evaluate(
            trainee.network,
            trainee.objective,
            trainee.knobs,
            table,
            batch_size=blueprint.experiment.training.batch_size,
            keep=[plan.output for plan in blueprint.metrics],
        )
        scores = score_metrics(blueprint.metrics, evaluation, table, members=None)
        result.metrics |= evaluation_row(split, evaluation, scores, None)
        result.notes += [f"{split}/{note}" for note in scores.notes]
        for plan in blueprint.metrics:
            if plan.kind == "binary":
                rows = score_labels(plan, evaluation, table)
                label_rows += [{"split": split, **row} for row in rows]
    split, table = judged_split(splits)
    result.baseline = _baseline(split, table, blueprint, splits.train, trainee)
    result.floors = _floors(table, trainee)
    result.optima = dict(splits.optima)
    return label_rows


def judged_split(splits: Splits) -> tuple[str, Table]:
    """The split that a run is judged by: test, else validation, else train."""
    if splits.test is not None:
        return "test", splits.test
    return ("train", splits.train) if splits.validation is None else ("validation", splits.validation)


def _baseline(
    split: str, table: Table, blueprint: Blueprint, train: Table, trainee: Trainee
) -> dict[str, float]:
    """The scores of always predicting what is most common, or the mean, in the training rows."""
    dtype = trainee.parameters.values.dtype
    constants: dict[str, Tensor] = {
        plan.output: trivial_prediction(
            reference_rows(train, plan.target, dtype),
            train.masks.get(plan.target),
            plan.kind,
            num_classes=plan.classes,
        )
        for plan in blueprint.metrics
    }
    outputs = trivial_outputs(constants, trainee.network.activations, len(table), dtype)
    references = table.select({term.target for term in trainee.objective.terms}).batch(0, len(table), dtype)
    means = LedgerMeans()
    means.add(trainee.objective(outputs, references, trainee.knobs), len(table))
    values = {name: output.value for name, output in outputs.items()}
    evaluation = Evaluation(means.ledger(), values)
    scores = score_metrics(blueprint.metrics, evaluation, table, members=None)
    return evaluation_row(split, evaluation, scores, None)


def _floors(table: Table, trainee: Trainee) -> dict[str, float]:
    """The lowest value each term can reach on these targets, where it is known."""
    dtype = trainee.parameters.values.dtype
    floors: dict[str, float] = {}
    for term in trainee.objective.terms:
        target = reference_rows(table, term.target, dtype)
        value = floor(
            term.loss.type,
            target,
            label_smoothing=term.loss.label_smoothing,
            mask=table.masks.get(term.target),
            sample_weight=None if term.sample_weight is None else table.weights[term.sample_weight],
            num_classes=trainee.network.shapes[term.output][-1],
        )
        if value is not None:
            floors[term.name] = float(value)
    return floors
