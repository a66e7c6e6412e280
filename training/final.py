"""The end of a run: the best weights scored on every split, beside the baseline and the floors."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import torch
from torch import Tensor

from ..data import Splits, Table
from ..losses import LossTerm, floor
from ..models import Network, Output
from ..records.numbers import finite_or_none
from ..specs.errors import DataError
from .assemble import Workshop
from .decisions import Decisions
from .epoch_rows import ledger_numbers, score_numbers
from .evaluate import Collected, LedgerMeans, reference_pieces, reference_rows, trivial_outputs
from .metrics import trivial_prediction
from .scores import Scores, score_metrics
from .split_scores import SplitScores, score_split
from .step import Trainee

# Arguments of a loss that move its minimum.
_WEIGHTED = ("pos_weight", "ignore_class")


_HEAD = ("run", "name", "status", "parameters")
_NUMBERS = ("seconds", "metrics", "baseline", "floors", "optima")


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
    is_new: bool = True
    """Whether this process came to it; no part of the document."""

    @classmethod
    def load(cls, document: Mapping[str, object], *, run: str) -> RunResult:
        """The result whose `document` this is, of the run that is now at `run`; NaN for what was no number.

        Raises DataError for what is none.
        """
        known = cast("dict[str, Any]", dict(document))
        try:
            for name in _NUMBERS:
                numbers = known[name].items()
                known[name] = {key: math.nan if value is None else float(value) for key, value in numbers}
            result = cls(**known)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise DataError(f"summary.json is damaged: {error!r}.") from None
        result.run, result.is_new = run, False
        return result

    def document(self) -> dict[str, object]:
        """The result as plain JSON values: null for what is not a finite number."""
        numbers = {
            name: {key: finite_or_none(value) for key, value in getattr(self, name).items()}
            for name in _NUMBERS
        }
        head = {name: getattr(self, name) for name in _HEAD}
        return {**head, "best_epoch": self.best_epoch, "epochs": self.epochs, **numbers, "notes": self.notes}


@dataclass(frozen=True, eq=False)
class Yardstick:
    """What all members are measured against alike, found once: the trivial outputs on the judged split,
    their metrics, and the floors by term and label smoothing."""

    split: str
    table: Table
    outputs: dict[str, Output]
    scores: Scores
    floors: dict[tuple[str, float], float | None] = field(
        default_factory=dict[tuple[str, float], float | None]
    )


def make_yardstick(workshop: Workshop) -> Yardstick:
    """The trivial prediction is what is most common, or the mean, in the training rows.

    A constant is decided at 0.5 and has nothing to calibrate, whatever is decided for the network.
    """
    blueprint, train = workshop.blueprint, workshop.splits.train
    split, table = judged_split(workshop.splits)
    constants: dict[str, Tensor] = {
        plan.output: trivial_prediction(
            reference_pieces(train, plan.target, workshop.dtype),
            plan.kind,
            num_classes=plan.classes,
        )
        for plan in blueprint.metrics
    }
    outputs = trivial_outputs(constants, blueprint.network.activations, len(table), workshop.dtype)
    values = {name: output.value for name, output in outputs.items()}
    scores = score_metrics(blueprint.metrics, Collected(values), table, members=None)
    return Yardstick(split, table, outputs, scores)


def score_best(
    result: RunResult, workshop: Workshop, trainee: Trainee, *, decisions: Decisions, yardstick: Yardstick
) -> list[SplitScores]:
    """Add the scores of the weights that `trainee` has now to `result`; returns them by split too.

    Validation and test are scored anew, under the decisions. Of train a run tells what its epoch came to,
    whose metrics, if it has any, are made to agree with the others.
    """
    splits = workshop.splits
    scored: list[SplitScores] = []
    if splits.validation is not None:
        scored.append(score_split(workshop, trainee, decisions, "validation"))
    if splits.test is not None:
        scored.append(score_split(workshop, trainee, decisions, "test"))
    for scores in scored:
        result.metrics |= scores.metrics
        result.notes += scores.notes
    if decisions and workshop.blueprint.experiment.training.evaluate_train:
        train = score_split(workshop, trainee, decisions, "train").metrics
        result.metrics |= {key: value for key, value in train.items() if not key.endswith("/loss")}
    result.baseline = _baseline(yardstick, trainee)
    result.floors = _floors(yardstick, trainee)
    result.optima = dict(splits.optima)
    return scored


def judged_split(splits: Splits) -> tuple[str, Table]:
    """The split that a run is judged by: test, else validation, else train."""
    if splits.test is not None:
        return "test", splits.test
    return ("train", splits.train) if splits.validation is None else ("validation", splits.validation)


def _baseline(yardstick: Yardstick, trainee: Trainee) -> dict[str, float]:
    """The terms of the trivial outputs under this member's knobs, and their metrics."""
    table, dtype = yardstick.table, trainee.parameters.values.dtype
    references = table.select({term.target for term in trainee.objective.terms}).batch(0, len(table), dtype)
    means = LedgerMeans()
    means.add(trainee.objective(yardstick.outputs, references, trainee.knobs), len(table))
    numbers = ledger_numbers(yardstick.split, means.ledger(), None)
    return numbers | score_numbers(yardstick.split, yardstick.scores, None)


def _floors(yardstick: Yardstick, trainee: Trainee) -> dict[str, float]:
    """The lowest value each term can reach on these targets, where it is known."""
    known: dict[str, float] = {}
    for term in trainee.objective.terms:
        key = term.name, term.loss.label_smoothing
        if key not in yardstick.floors:
            network, dtype = trainee.network, trainee.parameters.values.dtype
            yardstick.floors[key] = term_floor(term, yardstick.table, network, dtype)
        value = yardstick.floors[key]
        if value is not None:
            known[term.name] = value
    return known


def term_floor(term: LossTerm, table: Table, network: Network, dtype: torch.dtype) -> float | None:
    """The lowest value that any prediction can make of a term on the rows of `table`; None where it is not
    known, as for a divergence from outputs that need not sum to 1."""
    if term.loss.type == "kl_divergence" and network.activations[term.output] != "softmax":
        return None
    value = floor(
        term.loss.type,
        reference_rows(table, term.target, dtype),
        label_smoothing=term.loss.label_smoothing,
        mask=table.masks.get(term.target),
        sample_weight=None if term.sample_weight is None else table.weights[term.sample_weight],
        num_classes=network.shapes[term.output][-1],
    )
    # Class weights move every minimum but zero.
    return None if value is None or (moves_minimum(term) and float(value) != 0.0) else float(value)


def moves_minimum(term: LossTerm) -> bool:
    """Whether a term weighs classes or leaves some out, so that its minimum is another one."""
    return term.entry_weights is not None or any(term.loss.own.get(name) is not None for name in _WEIGHTED)
