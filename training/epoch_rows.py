"""What one epoch came to, as rows of the run's tables.

Legend: R rows of a ledger, K members of a stack.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from ..losses import Ledger
from .scores import Scores


@dataclass(frozen=True, eq=False)
class EpochScores:
    """One epoch's scores for all members, by split. `rows` were trained on in `seconds`."""

    epoch: int
    seconds: float
    rows: int
    ledgers: Mapping[str, Ledger]
    scores: Mapping[str, Scores]


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
    numbers = {f"{split}/loss": float(pick_member(ledger.total, member))}
    terms = zip(ledger.terms, raw[: len(ledger.terms)], strict=True)
    return numbers | {f"{split}/{name}/loss": value for name, value in terms}


def score_numbers(split: str, scores: Scores, member: int | None) -> dict[str, float]:
    """The metrics."""
    return {f"{split}/{name}": float(pick_member(value, member)) for name, value in scores.metrics.items()}


def ledger_rows(result: EpochScores, member: int | None) -> list[dict[str, float | int | str]]:
    """The rows of ledger.csv for one epoch; shares are of the total."""
    rows: list[dict[str, float | int | str]] = []
    for split, ledger in result.ledgers.items():
        raw, weights = _column(ledger.raw, member), _column(ledger.weights, member)
        total = float(pick_member(ledger.total, member))
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


def pick_member(values: Tensor, member: int | None) -> Tensor:
    """One member's entry of a tensor with a member axis in front; all of it for a single network."""
    return values if member is None else values[member]
