"""What results say: numbers of a network by contender and round, their medians and ratios."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

Document = dict[str, Any]
Quantity = Callable[[Document, Document], float | None]
"""A number of a turn, given the turn and the round's import of PyTorch; None where it has none."""

TOLERANCE = 0.03
"""By how much a final loss may differ from the median of all."""

DISTURBED = 0.2
"""Cores that others may have during a turn. Threads that wait for each other suffer most: with one core of
two taken, a step of PyTorch on two threads was seen to take a hundred times as long."""


@dataclass(frozen=True)
class Spread:
    """A number over the rounds."""

    median: float
    low: float
    high: float


def spread_of(values: Sequence[float]) -> Spread | None:
    """Median, lowest and highest; None of no values."""
    return Spread(statistics.median(values), min(values), max(values)) if values else None


def whole(turn: Document, _: Document) -> float | None:
    """Seconds of the whole process."""
    return turn.get("whole_seconds")


def processor(turn: Document, _: Document) -> float | None:
    """Processor seconds, of all cores together."""
    return turn.get("cpu_seconds")


def others(turn: Document, _: Document) -> float | None:
    """Cores that other processes had during the turn, on average."""
    return turn.get("others_cores")


def startup(turn: Document, _: Document) -> float | None:
    """Seconds from the start of the process to the end of the first step."""
    return turn.get("startup_seconds")


def startup_beyond_import(turn: Document, imported: Document) -> float | None:
    """Of these, what a process that imports PyTorch alone does not take."""
    seconds = startup(turn, imported)
    return None if seconds is None else seconds - imported["whole_seconds"]


def first_epoch(turn: Document, _: Document) -> float | None:
    """Seconds of the first epoch; the limit knows no first one."""
    epochs = turn.get("epoch_seconds")
    return epochs[0] if isinstance(epochs, list) and epochs else None


def later_epoch(turn: Document, _: Document) -> float | None:
    """Seconds of an epoch after the first, their median; of the limit, of any."""
    epochs = turn.get("epoch_seconds")
    if not isinstance(epochs, list):
        return epochs
    return statistics.median(epochs[1:]) if len(epochs) > 1 else None


def peak(turn: Document, _: Document) -> float | None:
    """Bytes at the most."""
    return turn.get("peak_bytes")


def peak_beyond_import(turn: Document, imported: Document) -> float | None:
    """Of these, what importing the framework did not take; that of `mlx` is PyTorch."""
    if "peak_bytes" not in turn:
        return None
    return turn["peak_bytes"] - turn.get("import_peak_bytes", imported["peak_bytes"])


def final_loss(turn: Document, _: Document) -> float | None:
    """The mean over the last epoch's training rows."""
    losses = turn.get("epoch_losses")
    return losses[-1] if losses else None


def values_of(results: Document, network: str, contender: str, quantity: Quantity) -> list[float | None]:
    """A number of each round."""
    turns = results["networks"][network]["contenders"].get(contender, [])
    return (
        [quantity(turn, imported) for turn, imported in zip(turns, results["imports"], strict=True)]
        if turns
        else []
    )


def spread(results: Document, network: str, contender: str, quantity: Quantity) -> Spread | None:
    """A number over the rounds that have it."""
    values = values_of(results, network, contender, quantity)
    return spread_of([value for value in values if value is not None])


def ratio(results: Document, network: str, contender: str, quantity: Quantity) -> Spread | None:
    """That of `mlx` in parts of the contender's, round by round."""
    ours = values_of(results, network, "mlx", quantity)
    theirs = values_of(results, network, contender, quantity)
    return spread_of([a / b for a, b in zip(ours, theirs, strict=False) if a is not None and b])


def settings_ratio(results: Document, network: str) -> Spread | None:
    """`mlx compare` in parts of as many processes of Keras on jax, round by round."""
    return spread_of(
        [
            turn["whole_seconds"] / (turn["settings"] * turn["keras_whole_seconds"])
            for turn in results["networks"][network]["settings"]
            if "keras_whole_seconds" in turn
        ]
    )


def stray_losses(results: Document, network: str) -> dict[str, float]:
    """By contender, how far its final loss is from the median of all, where that is too far or no number.

    Compared within a round, whose contenders begin with the same weights; what is judged is the median of its
    rounds, since each takes the rows in an order of its own, from which a small network may come to nothing.
    """
    found = results["networks"][network]
    losses = {name: values_of(results, network, name, final_loss) for name in found["contenders"]}
    losses["mlx compare"] = [turn.get("loss") for turn in found["settings"]]
    middles = [_middle(in_round) for in_round in zip_longest(*losses.values())]
    off = {
        name: [loss / middle - 1 for loss, middle in zip(each, middles, strict=False) if loss is not None]
        for name, each in losses.items()
    }
    judged = {
        name: math.nan if any(map(math.isnan, each)) else statistics.median(each)
        for name, each in off.items()
        if each
    }
    # Not `>`: what is no number is out of line, too.
    return {name: value for name, value in judged.items() if not abs(value) <= TOLERANCE}


def _middle(losses: Sequence[float | None]) -> float:
    known = [loss for loss in losses if loss is not None and math.isfinite(loss)]
    return statistics.median(known) if known else math.nan
