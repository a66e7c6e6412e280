"""What the outputs on a whole split are worth: metrics, and the tables of labels and of columns.

Legend: N rows of the split, L labels, K members of a stack.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import cast

import torch
from torch import Tensor

from ..data import Table
from ..specs.metrics import ORIGINAL, ORIGINAL_METRICS
from .evaluate import Collected, Evaluation, reference_rows
from .metric_plan import OutputMetrics
from .metrics import MetricResult, evaluate_metrics, label_table, undefined_notes, value_table


@dataclass(frozen=True, eq=False)
class Scores:
    """`metrics` by `{output}/{metric}`, each [] or (K); `notes` say which of them met 0/0."""

    metrics: dict[str, Tensor]
    notes: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class JudgedRows:
    """What one output is judged by: its values (N, ...) or (K, N, ...), and the target, mask and sample
    weights of the same N rows."""

    prediction: Tensor
    target: Tensor
    mask: Tensor | None
    sample_weight: Tensor | None


def score_metrics(
    plans: Sequence[OutputMetrics],
    evaluation: Collected | Evaluation,
    table: Table,
    *,
    members: int | None,
    thresholds: Mapping[str, Tensor] | None = None,
) -> Scores:
    """Every planned metric of the collected values; outputs without thresholds (L) are decided at 0.5."""
    metrics: dict[str, Tensor] = {}
    notes: list[str] = []
    for plan in plans:
        judged = judged_rows(plan, evaluation, table)
        threshold = (thresholds or {}).get(plan.output, 0.5)
        result = _score_output(plan, judged, threshold, stacked=members is not None)
        metrics |= {f"{plan.output}/{name}": result.values[name] for name in plan.names}
        if members is None:
            notes += [f"{plan.output}/{note}" for note in undefined_notes(result)]
    return Scores(metrics, tuple(notes))


def _score_output(
    plan: OutputMetrics, judged: JudgedRows, thresholds: float | Tensor, *, stacked: bool
) -> MetricResult:
    results = [
        evaluate_metrics(
            [name for name in plan.names if (name in ORIGINAL_METRICS) == (suffix == ORIGINAL)],
            prediction=rows.prediction,
            target=rows.target,
            mask=rows.mask,
            sample_weight=rows.sample_weight,
            thresholds=thresholds,
            kind=plan.kind,
            stacked=stacked,
        )
        for suffix, rows in _in_all_units(plan, judged, stacked=stacked).items()
    ]
    return MetricResult(
        {name: value for result in results for name, value in result.values.items()},
        {name: value for result in results for name, value in result.undefined.items()},
    )


def score_labels(
    plan: OutputMetrics, judged: JudgedRows, thresholds: float | Tensor = 0.5
) -> list[dict[str, float | str]]:
    """One row per label: support, prevalence, the threshold it is decided at, and the label's own metrics."""
    columns = label_table(
        judged.prediction, judged.target, judged.mask, judged.sample_weight, thresholds=thresholds
    )
    columns["threshold"] = torch.as_tensor(thresholds, dtype=torch.float64).expand(plan.width)
    lists = {name: cast("list[float]", column.tolist()) for name, column in columns.items()}
    return [
        {"output": plan.output, "label": label, **{name: column[index] for name, column in lists.items()}}
        for index, label in enumerate(plan.labels)
    ]


def score_columns(plan: OutputMetrics, judged: JudgedRows) -> list[dict[str, float | str]]:
    """One row per column of a target of numbers: its own metrics, in both units where there are two."""
    columns: dict[str, list[float]] = {}
    for suffix, rows in _in_all_units(plan, judged, stacked=False).items():
        table = value_table(rows.prediction, rows.target, rows.mask, rows.sample_weight)
        columns["observed"] = table.pop("observed").tolist()
        columns |= {f"{name}{suffix}": column.tolist() for name, column in table.items()}
    return [
        {"output": plan.output, "column": label, **{name: column[index] for name, column in columns.items()}}
        for index, label in enumerate(plan.columns)
    ]


def judged_rows(plan: OutputMetrics, evaluation: Collected | Evaluation, table: Table) -> JudgedRows:
    """What the metrics of one output are computed from."""
    return JudgedRows(
        prediction=evaluation.values[plan.output],
        target=reference_rows(table, plan.target, torch.float32),
        mask=_observed(plan, evaluation, table),
        sample_weight=None if plan.sample_weight is None else table.weights[plan.sample_weight],
    )


def _in_all_units(plan: OutputMetrics, judged: JudgedRows, *, stacked: bool) -> dict[str, JudgedRows]:
    """The rows in the units of the network and in those of the table, by the suffix of their metrics."""
    if plan.unit is None:
        return {"": judged}
    # One column may stand in an axis of its own or in none.
    lead = judged.prediction.shape[: 2 if stacked else 1]
    prediction = plan.unit.restore(judged.prediction.reshape(*lead, -1))
    target = plan.unit.restore(judged.target.reshape(len(judged.target), -1))
    return {"": judged, ORIGINAL: replace(judged, prediction=prediction, target=target)}


def _observed(plan: OutputMetrics, evaluation: Collected | Evaluation, table: Table) -> Tensor | None:
    """Entries that have a label and belong to a step that counts."""
    given, steps = table.masks.get(plan.target), evaluation.masks.get(plan.output)
    if given is None or steps is None:
        return steps if given is None else given
    rank = max(given.dim(), steps.dim())
    given, steps = (mask.reshape(mask.shape + (1,) * (rank - mask.dim())) for mask in (given, steps))
    return given & steps
