"""The metrics: what there is, what fits which output, and their evaluation for one network or a stack.

Legend: K members of a stack, N rows, L labels, C classes, D outputs.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..specs.errors import ConfigError, unknown_name
from ..specs.metrics import (
    BINARY_METRICS,
    CLASS_METRICS,
    LOWER_IS_BETTER,
    ORIGINAL,
    ORIGINAL_METRICS,
    PROBABILITY_METRICS,
    VALUE_METRICS,
    TargetKind,
)
from .binary_metrics import BINARY_SCORES, BinaryEvaluation, label_table
from .calibration_metrics import PROBABILITY_SCORES
from .class_metrics import CLASS_SCORES, ClassEvaluation, class_frequencies, confusion_matrix
from .metric_inputs import MetricInputs, align_classes, align_entries, flatten_rows
from .metric_scores import Score
from .value_metrics import VALUE_SCORES, ValueEvaluation, value_table

__all__ = [
    "KIND_WORDS",
    "METRICS",
    "Metric",
    "MetricResult",
    "confusion_matrix",
    "default_metrics",
    "evaluate_metrics",
    "label_table",
    "metric_problem",
    "trivial_prediction",
    "undefined_notes",
    "value_table",
]


@dataclass(frozen=True)
class Metric:
    """What is known of a metric besides its number.

    `kinds` are those of the targets it is for; `unit` is what `MetricResult.undefined` counts, `cause`
    what makes a unit 0/0.
    """

    kinds: tuple[TargetKind, ...]
    higher_is_better: bool
    unit: str
    cause: str


@dataclass(frozen=True)
class MetricResult:
    """`values` by metric: float64, [] or [K]. `undefined` by metric: bool [U] or [K, U], true where 0/0.

    The U units are labels for `_macro` and plain names, rows for `_samples`, outputs for `r2`, and one
    for all numbers pooled over entries. `undefined_notes` tells them in words.
    """

    values: dict[str, Tensor]
    undefined: dict[str, Tensor]


def evaluate_metrics(
    names: Sequence[str],
    *,
    prediction: Tensor,
    target: Tensor,
    mask: Tensor | None = None,
    sample_weight: Tensor | None = None,
    top_k: int = 5,
    thresholds: float | Tensor = 0.5,
    kind: TargetKind | None = None,
    stacked: bool = False,
) -> MetricResult:
    """The named metrics of one output, on its device, without gradients.

    `prediction` is [N, L] probabilities for binary metrics, [N, C] scores or logits for classes and
    [N, D] values for the others; `stacked` says that a member axis [K, ...] stands before. `target`
    and `mask` (bool, true where observed) have that shape with or without the member axis; further
    axes, as of images, are flattened, and (N,) is (N, 1). For classes the target may be indices [N].
    A NaN target is a missing one. `sample_weight` is [N]. `thresholds` is a number or [L]. `kind` is what
    the targets are read as by a metric for several kinds. Metrics of original units are those of numbers,
    of a prediction and a target that are in the units of the table already.

    0/0 counts as 0 and is marked in `undefined`, but AUROC and average precision of a label with a
    single class are left out of the mean over labels (NaN where no label is left), as in torchmetrics
    and scikit-learn. A member with NaN among its observed predictions gets NaN for every metric.
    Raises `ConfigError` for a metric that does not exist or fit, `DataError` where shapes do not fit.
    """
    values: dict[str, Tensor] = {}
    undefined: dict[str, Tensor] = {}
    for read_as, group in _by_kind(names, kind).items():
        align = align_classes if read_as == "classes" else align_entries
        inputs = align(prediction, target=target, mask=mask, sample_weight=sample_weight, stacked=stacked)
        _check_fit(group, read_as, inputs.prediction.shape[-1], top_k)
        broken = inputs.broken_members
        for name, score in _scores(group, read_as, inputs, top_k=top_k, thresholds=thresholds).items():
            value = score.value.masked_fill(broken, torch.nan)
            units = score.undefined.expand(len(broken), -1)
            values[name], undefined[name] = (value, units) if stacked else (value[0], units[0])
    return MetricResult({name: values[name] for name in names}, {name: undefined[name] for name in names})


def undefined_notes(result: MetricResult, *, member: int | None = None) -> tuple[str, ...]:
    """A sentence for each metric with 0/0 in it; of a stacked result, for the given `member`.

    Example: `f1_macro: 2 of 10 labels have neither positives nor predicted ones; counted as 0`.
    """
    notes: list[str] = []
    for name, undefined in result.undefined.items():
        flags = undefined if member is None else undefined[member]
        number, units, metric = int(flags.sum()), flags.numel(), METRICS[name]
        if number == 0:
            continue
        what = metric.cause if units == 1 else f"{number} of {units} {metric.unit} have {metric.cause}"
        rank = name.startswith(("auroc", "average_precision"))
        rule = ("undefined" if number == units else "left out of the mean") if rank else "counted as 0"
        notes.append(f"{name}: {what}; {rule}")
    return tuple(notes)


def trivial_prediction(
    pieces: Iterable[tuple[Tensor, Tensor | None]], kind: TargetKind, *, num_classes: int | None = None
) -> Tensor:
    """The best constant prediction for training targets, float64: the baseline a network has to beat.

    The targets and their masks come in pieces of rows, so that all of them need never be held as numbers.
    For binary targets [N, L] each label's prevalence [L] and for values [N, D] each mean [D], over
    observed entries; further axes of a target are kept. A label never observed gets 0.5, a value
    never observed 0. For classes, indices [N] or one-hot [N, C], the frequencies [C] of the classes
    (all equal if none was observed); indices need `num_classes`. Raises `DataError` without rows.
    """
    if kind == "classes":
        targets, masks = zip(*pieces, strict=True)
        mask = None if masks[0] is None else torch.cat(masks)
        return class_frequencies(torch.cat(targets), mask=mask, num_classes=num_classes)
    sums = observed = torch.zeros((), dtype=torch.float64)
    shape: tuple[int, ...] = ()
    for target, mask in pieces:
        rows, shape = flatten_rows("target", target), tuple(target.shape[1:])
        counted = align_entries(rows, target=rows, mask=mask, sample_weight=None, stacked=False).observed[0]
        sums = sums.to(rows.device) + rows.double().masked_fill(~counted, 0.0).sum(0)
        observed = observed.to(rows.device) + counted.sum(0)
    mean = sums / observed.clamp(min=1.0)
    constant = mean.masked_fill(observed == 0, 0.5 if kind == "binary" else 0.0)
    return constant.reshape(shape) if shape else constant


def default_metrics(kind: TargetKind, width: int) -> tuple[str, ...]:
    """The metrics of an output whose config names none; `width` is its number of columns."""
    if kind == "classes":
        return ("categorical_accuracy",)
    if kind == "values":
        return ("mse", "mae", "r2")
    if width == 1:
        return ("binary_accuracy", "f1", "auroc")
    return (
        "binary_accuracy",
        "subset_accuracy",
        "hamming_loss",
        "f1_micro",
        "f1_macro",
        "auroc_macro",
        "average_precision_macro",
    )


def metric_problem(name: str, kind: TargetKind, width: int, *, top_k: int = 5) -> str | None:
    """Why a metric does not fit an output of `width` columns, and what does; None where it fits."""
    if name not in METRICS:
        return unknown_name("metric", name, METRICS)
    if kind not in METRICS[name].kinds:
        of_kind = [
            other
            for other, metric in METRICS.items()
            if kind in metric.kinds and other not in ORIGINAL_METRICS
        ]
        fitting = [other for other in of_kind if metric_problem(other, kind, width, top_k=top_k) is None]
        asked, given = " or ".join(KIND_WORDS[each] for each in METRICS[name].kinds), KIND_WORDS[kind]
        return f"metric {name!r} is for {asked}, the target here is {given}; allowed: {', '.join(fitting)}."
    if name in _SINGLE_COLUMN and width > 1:
        several = [other for other in METRICS if other.rpartition("_")[0] == name]
        return f"metric {name!r} is for one column, the output has {width}; allowed: {', '.join(several)}."
    if name == "top_k_accuracy" and not 1 <= top_k < width:
        return (
            f"metric 'top_k_accuracy' with top_k {top_k} says nothing about {width} classes; "
            f"allowed: top_k from 1 to {width - 1}."
        )
    return None


_SINGLE_COLUMN = ("precision", "recall", "f1", "auroc", "average_precision")

KIND_WORDS: dict[TargetKind, str] = {
    "binary": "binary labels",
    "classes": "one class of several",
    "values": "numbers",
}

_CAUSES = {
    "precision": "no predicted positives",
    "recall": "no positives",
    "f1": "neither positives nor predicted ones",
    "auroc": "a single class",
    "average_precision": "a single class",
    "r2": "a constant target",
}


def _metric(name: str, *kinds: TargetKind) -> Metric:
    stem, _, average = name.rpartition("_")
    cause = _CAUSES.get(name) or _CAUSES.get(stem) or "no observed entries"
    unit = "outputs" if "r2" in (name, stem) else "rows" if average == "samples" else "labels"
    return Metric(kinds, name not in LOWER_IS_BETTER, unit, cause)


METRICS: dict[str, Metric] = {
    **{name: _metric(name, "binary") for name in BINARY_METRICS},
    **{name: _metric(name, "classes") for name in CLASS_METRICS},
    **{name: _metric(name, "values") for name in VALUE_METRICS},
    **{name: _metric(name, "binary", "classes") for name in PROBABILITY_METRICS},
    **{name: _metric(name, "values") for name in ORIGINAL_METRICS},
}
"""Every metric a config may name."""


def _by_kind(names: Sequence[str], kind: TargetKind | None) -> dict[TargetKind, list[str]]:
    groups: dict[TargetKind, list[str]] = {}
    for name in names:
        if name not in METRICS:
            raise ConfigError(unknown_name("metric", name, METRICS))
        kinds = METRICS[name].kinds
        groups.setdefault(kind if kind in kinds else kinds[0], []).append(name)
    return groups


def _check_fit(names: Sequence[str], kind: TargetKind, width: int, top_k: int) -> None:
    problems = [metric_problem(name, kind, width, top_k=top_k) for name in names]
    found = [problem for problem in problems if problem is not None]
    if found:
        raise ConfigError(" ".join(found))


def _scores(
    names: Sequence[str],
    kind: TargetKind,
    inputs: MetricInputs,
    *,
    top_k: int,
    thresholds: float | Tensor,
) -> dict[str, Score]:
    """One evaluation object per call: the metrics share its counts and sorts."""
    scores = {name: PROBABILITY_SCORES[name](inputs) for name in names if name in PROBABILITY_SCORES}
    others = [name for name in names if name not in scores]
    if kind == "binary":
        binary = BinaryEvaluation(inputs, thresholds)
        return scores | {name: BINARY_SCORES[name](binary) for name in others}
    if kind == "classes":
        classes = ClassEvaluation(inputs, top_k)
        return scores | {name: CLASS_SCORES[name](classes) for name in others}
    numbers = ValueEvaluation(inputs)
    return {name: VALUE_SCORES[name.removesuffix(ORIGINAL)](numbers) for name in others}
