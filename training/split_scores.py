"""All that is reported of one split: terms and metrics under decisions, notes, and rows of tables."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ..data import Splits, Table
from ..specs.errors import ConfigError
from .assemble import Workshop
from .decisions import Decisions
from .epoch_rows import ledger_numbers, score_numbers
from .evaluate import evaluate
from .scores import judged_rows, score_columns, score_labels, score_metrics
from .step import Trainee

SplitName = Literal["train", "validation", "test"]

TableRow = dict[str, float | int | str]


@dataclass(frozen=True, eq=False)
class SplitScores:
    """One split of a run: terms and metrics by metric key, `{split}/...`, and what there is to say of them;
    `labels` and `columns` are the rows of labels.csv and values.csv."""

    metrics: dict[str, float]
    notes: tuple[str, ...]
    labels: tuple[TableRow, ...]
    columns: tuple[TableRow, ...]


def score_split(workshop: Workshop, trainee: Trainee, decisions: Decisions, split: SplitName) -> SplitScores:
    """The scores of the weights that `trainee` has now on a split.

    Terms are those of the outputs as they are; metrics and tables are under the decisions.

    Raises:
        ConfigError: the data have no such split. DataError: the decisions are of other labels.
    """
    table = _table(workshop.splits, split)
    plans = workshop.blueprint.metrics
    thresholds = decisions.label_thresholds({plan.output: plan.labels for plan in plans})
    evaluation = evaluate(
        trainee,
        table,
        batch_size=workshop.blueprint.experiment.training.batch_size,
        keep=[plan.output for plan in plans],
        view=decisions.apply,
    )
    scores = score_metrics(plans, evaluation, table, members=None, thresholds=thresholds)
    labels: list[TableRow] = []
    columns: list[TableRow] = []
    for plan in plans:
        judged = judged_rows(plan, evaluation, table)
        if plan.kind == "binary":
            labels += score_labels(plan, judged, thresholds.get(plan.output, 0.5))
        elif plan.columns:
            columns += score_columns(plan, judged)
    return SplitScores(
        metrics=ledger_numbers(split, evaluation.ledger, None) | score_numbers(split, scores, None),
        notes=tuple(f"{split}/{note}" for note in scores.notes),
        labels=tuple({"split": split, **row} for row in labels),
        columns=tuple({"split": split, **row} for row in columns),
    )


def _table(splits: Splits, split: SplitName) -> Table:
    tables = {"train": splits.train, "validation": splits.validation, "test": splits.test}
    table = tables[split]
    if table is None:
        there = ", ".join(name for name, each in tables.items() if each is not None)
        raise ConfigError(f"the data have no {split} rows. Splits: {there}.")
    return table
