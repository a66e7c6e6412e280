"""What is kept for each member of a stack, or for the one run: its epochs, its best weights, its folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from torch import Tensor

from ..losses import Ledger
from ..records.run_folder import RunFolder
from .checkpoint import member_state, save_checkpoint
from .gradient_report import GradientReport
from .monitor import Watch
from .scores import Scores
from .step import Trainee
from .weighting import KeptWeights, keep_weights


@dataclass(frozen=True, eq=False)
class EpochScores:
    """One epoch's scores for all members, by split."""

    epoch: int
    seconds: float
    rows: int
    ledgers: Mapping[str, Ledger]
    scores: Mapping[str, Scores]
    gradients: GradientReport | None = None


@dataclass(frozen=True, eq=False)
class Divergence:
    """Where a member stopped: the step, counted from 0 over the whole run, and its weights before it."""

    step: int
    state: dict[str, Tensor]


@dataclass(eq=False)
class Member:
    """One run: `index` is its row in the stack, None for a single network."""

    folder: RunFolder
    watch: Watch
    index: int | None = None
    best: dict[str, Tensor] = field(default_factory=dict[str, Tensor])
    best_weights: KeptWeights = field(default_factory=dict[str, dict[str, float]])
    best_row: dict[str, float] = field(default_factory=dict[str, float])
    last_row: dict[str, float] = field(default_factory=dict[str, float])
    last_epoch: int = 0
    stopped: bool = False
    diverged: Divergence | None = None

    def note_divergence(self, trainee: Trainee) -> bool:
        """Whether this member was frozen in the epoch that ends; it has stopped then."""
        if not bool(_pick(trainee.frozen, self.index)):
            return False
        step = int(_pick(trainee.frozen_at, self.index))
        self.diverged = Divergence(step, member_state(trainee.network, self.index))
        self.stopped = True
        return True

    def close_epoch(self, trainee: Trainee, result: EpochScores) -> bool:
        """Write an epoch down; true if it is the best so far."""
        row = epoch_row(result, self.index)
        self.last_row, self.last_epoch = row, result.epoch
        # Tables before checkpoints: a resumed run cuts the tables back to its checkpoint's epoch.
        self.folder.append_metrics({"epoch": result.epoch, **row})
        self.folder.append_ledger(ledger_rows(result, self.index))
        if result.gradients is not None:
            rows = result.gradients.take_rows(self.index)
            self.folder.append_gradients(rows, columns=result.gradients.columns())
        rate = result.rows / result.seconds
        timings = {"epoch": result.epoch, "seconds": result.seconds, "examples_per_second": rate}
        self.folder.append_timings(timings)
        improved = self.watch.update(result.epoch, row)
        trainee.optimizer.factors[self.index or 0] = self.watch.learning_rate_factor(row)
        if improved or not self.watch.monitor.restore_best:
            self.best = member_state(trainee.network, self.index)
            self.best_weights = keep_weights(trainee, self.index)
            self.best_row = row
            facts = {"epoch": result.epoch, "monitor": self.watch.monitor.best.name, **self.best_weights}
            save_checkpoint(self.folder.checkpoint_path("best"), _named("model", self.best), facts)
        self._save_last(trainee, result.epoch)
        self.stopped = self.watch.exhausted
        return improved

    def _save_last(self, trainee: Trainee, epoch: int) -> None:
        states = {"optimizer": trainee.optimizer.slots, "weighting": trainee.weighting.state()}
        tensors = _named("model", member_state(trainee.network, self.index))
        for prefix, state in states.items():
            tensors |= _named(prefix, {name: _pick(each, self.index) for name, each in state.items()})
        facts = {
            "epoch": epoch,
            "steps": trainee.optimizer.steps,
            **keep_weights(trainee, self.index),
        }
        save_checkpoint(self.folder.checkpoint_path("last"), tensors, facts)


def epoch_row(result: EpochScores, member: int | None) -> dict[str, float]:
    """An epoch's numbers by key: `{split}/loss`, `{split}/{term}/loss`, `{split}/{output}/{metric}`."""
    row: dict[str, float] = {}
    for split, ledger in result.ledgers.items():
        row |= ledger_numbers(split, ledger, member)
        if split in result.scores:
            row |= score_numbers(split, result.scores[split], member)
    return row


def ledger_numbers(split: str, ledger: Ledger, member: int | None) -> dict[str, float]:
    """The total and the unweighted terms."""
    raw = _column(ledger.raw, member)
    numbers = {f"{split}/loss": float(_pick(ledger.total, member))}
    terms = zip(ledger.terms, raw[: len(ledger.terms)], strict=True)
    return numbers | {f"{split}/{name}/loss": value for name, value in terms}


def score_numbers(split: str, scores: Scores, member: int | None) -> dict[str, float]:
    """The metrics."""
    return {f"{split}/{name}": float(_pick(value, member)) for name, value in scores.metrics.items()}


def ledger_rows(result: EpochScores, member: int | None) -> list[dict[str, float | int | str]]:
    """The rows of ledger.csv for one epoch; shares are of the total."""
    rows: list[dict[str, float | int | str]] = []
    for split, ledger in result.ledgers.items():
        raw, weights = _column(ledger.raw, member), _column(ledger.weights, member)
        total = float(_pick(ledger.total, member))
        for name, value, weight in zip(ledger.names, raw, weights, strict=True):
            rows.append(
                {
                    "epoch": result.epoch,
                    "split": split,
                    "term": name,
                    "kind": "loss" if name in ledger.terms else "regularization",
                    "raw": value,
                    "weight": weight,
                    "weighted": value * weight,
                    "share": value * weight / total if total else 0.0,
                }
            )
    return rows


def _column(values: Tensor, member: int | None) -> list[float]:
    column = values if member is None else values[:, member]
    return [float(value) for value in column]


def _pick(values: Tensor, member: int | None) -> Tensor:
    return values if member is None else values[member]


def _named(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {f"{prefix}/{name}": tensor for name, tensor in tensors.items()}
