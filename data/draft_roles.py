"""Owns what each column of a draft is used for: target, input, identifier, weight, split, or nothing.

Legend: N rows.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ..specs.errors import DataError, quoted
from .cells import CellReader
from .draft_numbers import rank_correlation
from .draft_sizes import choose_fractions
from .draft_sketch import Sketch, is_named_as_id
from .draft_targets import Target, choose_targets, plan_targets
from .frame import Frame
from .splits import floor_of

_SURE_WEIGHT = re.compile(r"(sample|case|row|instance|sampling|freq|frequency)[_\s.-]?weights?|fnlwgt")
_MAYBE_WEIGHT = re.compile(r"weights?|wt|w")

_SPLITS = {
    "train": ("train", "training", "trn"),
    "validation": ("valid", "validation", "val", "dev"),
    "test": ("test", "testing", "holdout", "eval"),
}

_USELESS = ("constant", "empty", "identifier", "group", "unreadable")

# So many cells are in the training rows, some of them, however the rows are drawn.
_ENOUGH = 20

# Rank correlations. Amounts with heavy tails, such as counts of clicks, are often counted together.
_SUSPICIOUS, _SUSPICIOUS_COUNTS = 0.9, 0.6
_MOST_PAIRS, _MOST_ROWS = 400, 5000


Role = Literal["input", "target", "id", "split", "sample weight", "left out"]


@dataclass(frozen=True)
class ColumnOfSplits:
    """A column that says the split of each row: the values of each, by the name of the split."""

    sketch: Sketch
    values: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class Roles:
    """What columns are used for. `guess` says how the targets were guessed, if they were.

    `fractions` are those of validation and test, and `num_train` are the rows that are left.
    """

    targets: tuple[Target, ...]
    inputs: tuple[Sketch, ...]
    left_out: tuple[Sketch, ...]
    guess: str | None
    identifier: Sketch | None
    weight: Sketch | None
    maybe_weight: Sketch | None
    splits: ColumnOfSplits | None
    fractions: tuple[float, float]
    num_train: int

    def role_of(self, column: str) -> Role:
        """What a column is used for."""
        singles: dict[Role, Sketch | None] = {
            "id": self.identifier,
            "sample weight": self.weight,
            "split": self.splits and self.splits.sketch,
        }
        for role, sketch in singles.items():
            if sketch is not None and sketch.column == column:
                return role
        if any(sketch.column == column for target in self.targets for sketch in target.sketches):
            return "target"
        return "input" if any(sketch.column == column for sketch in self.inputs) else "left out"


def assign_roles(sketches: Sequence[Sketch], frame: Frame, patterns: Sequence[str]) -> Roles:
    """What each column is used for, the targets being those that `patterns` name, or else a guess.

    Raises ConfigError for a pattern that no column matches, DataError where no target or no input is left.
    """
    splits = None if patterns else _find_splits(sketches)
    weight = None if patterns else _find_weight(sketches)
    apart = [each for each in (weight, splits and splits.sketch) if each is not None]
    choice = choose_targets([sketch for sketch in sketches if sketch not in apart], patterns)
    targets = plan_targets(choice)
    taken = {sketch.column for target in targets for sketch in target.sketches}
    rest = [sketch for sketch in sketches if sketch.column not in taken]
    splits, weight = _find_splits(rest), _find_weight(rest)
    apart = [each for each in (weight, splits and splits.sketch) if each is not None]
    rest = [sketch for sketch in rest if sketch not in apart]
    trained = _training_rows(frame, splits)
    fractions = (0.0, 0.0) if splits else choose_fractions(len(frame))
    num_train = int(trained.sum()) - sum(floor_of(len(frame), fraction) for fraction in fractions)
    judged = [_judged(sketch, frame, trained, num_held_out=len(frame) - num_train) for sketch in rest]
    _require_labels(targets, frame, trained, num_held_out=len(frame) - num_train)
    inputs = [sketch for sketch in judged if sketch.kind not in _USELESS]
    if not inputs:  # names of groups are better than nothing
        inputs = [replace(each, kind="categorical") for each in judged if each.kind == "group"]
    if not inputs:
        raise DataError(_without_inputs(judged, targets))
    identifier = _find_identifier(judged)
    used = {sketch.column for sketch in (*inputs, *([identifier] if identifier else []))}
    left_out = [sketch for sketch in judged if sketch.column not in used]
    return Roles(
        targets=tuple(targets),
        inputs=tuple(inputs),
        left_out=tuple(left_out),
        guess=choice.doubt,
        identifier=identifier,
        weight=weight,
        maybe_weight=next((each for each in inputs if _may_be_weight(each)), None) if not weight else None,
        splits=splits,
        fractions=fractions,
        num_train=num_train,
    )


def suspect_inputs(roles: Roles, frame: Frame) -> dict[str, str]:
    """What is to be said of inputs that go with a target so well that they may not be known before it."""
    found: dict[str, list[str]] = {}
    for column, target, correlation in _suspicious_pairs(roles, frame):
        found.setdefault(column, []).append(f"{quoted(target)} (rank correlation {correlation:.2f})")
    return {
        column: f"{quoted(column)} goes with the target {' and '.join(targets)}; if it is not known before "
        "the target is, leave it out"
        for column, targets in found.items()
    }


def _suspicious_pairs(roles: Roles, frame: Frame) -> Iterator[tuple[str, str, float]]:
    rows = np.linspace(0, len(frame) - 1, min(len(frame), _MOST_ROWS)).astype(np.int64)
    reader = CellReader(frame.take(rows), ())
    amounts = [each for target in roles.targets if target.kind == "regression" for each in target.sketches]
    numbers = [sketch for sketch in roles.inputs if sketch.kind == "numeric"]
    if len(amounts) * len(numbers) > _MOST_PAIRS:
        return
    for target in amounts:
        for sketch in numbers:
            correlation = rank_correlation(reader.numbers(sketch.column), reader.numbers(target.column))
            both_heavy = sketch.heavy and target.heavy
            if abs(correlation) >= (_SUSPICIOUS_COUNTS if both_heavy else _SUSPICIOUS):
                yield sketch.column, target.column, correlation


def _find_splits(sketches: Sequence[Sketch]) -> ColumnOfSplits | None:
    for sketch in sketches:
        if sketch.num_empty or not 2 <= len(sketch.counts) <= 6:
            continue
        found = {
            split: tuple(value for value in sketch.counts if value.lower() in words)
            for split, words in _SPLITS.items()
        }
        if found["train"] and sum(map(len, found.values())) == len(sketch.counts):
            return ColumnOfSplits(sketch, {split: values for split, values in found.items() if values})
    return None


def _find_weight(sketches: Sequence[Sketch]) -> Sketch | None:
    return next(
        (
            each
            for each in sketches
            if _is_weight(each) and _SURE_WEIGHT.fullmatch(each.column.strip().lower())
        ),
        None,
    )


def _may_be_weight(sketch: Sketch) -> bool:
    return _is_weight(sketch) and _MAYBE_WEIGHT.fullmatch(sketch.column.strip().lower()) is not None


def _is_weight(sketch: Sketch) -> bool:
    return sketch.number and not sketch.num_empty and sketch.low >= 0.0 and sketch.kind == "numeric"


def _find_identifier(sketches: Sequence[Sketch]) -> Sketch | None:
    """What predictions carry along: a column called so, else one of numbers or addresses, else any."""
    found = [each for each in sketches if each.kind == "identifier" and each.column and not each.num_empty]
    named = [each for each in found if is_named_as_id(each.column)]
    return next(iter([*named, *(each for each in found if each.doubt is None)]), None)


def _training_rows(frame: Frame, splits: ColumnOfSplits | None) -> NDArray[np.bool_]:
    """Which rows (N) are not said to be for anything but training."""
    if splits is None:
        return np.ones(len(frame), dtype=np.bool_)
    texts = CellReader(frame, ()).texts(splits.sketch.column)
    return texts.is_in(list(splits.values["train"])).to_numpy()


def _judged(sketch: Sketch, frame: Frame, trained: NDArray[np.bool_], *, num_held_out: int) -> Sketch:
    """The sketch, or that of a column of no use where too few cells are filled, or it has no name."""
    if sketch.kind in _USELESS:
        return sketch
    column = quoted(sketch.column)
    if not sketch.column:
        doubt = f"a column without a name is left out (it looks {sketch.kind}); give it a name to use it"
        return sketch.as_unreadable("it has no name", doubt)
    if not _is_filled(sketch, frame, trained, num_held_out=num_held_out):
        doubt = f"{column} is left out: only {sketch.num_filled:,} of {sketch.num_rows:,} cells are filled"
        return replace(sketch, kind="empty", reason="hardly a cell is filled", doubt=doubt)
    return sketch


def _is_filled(sketch: Sketch, frame: Frame, trained: NDArray[np.bool_], *, num_held_out: int) -> bool:
    """Whether some of the training rows are sure to have a value."""
    if not sketch.num_empty:
        return True
    if trained.all():
        return sketch.num_filled > num_held_out or sketch.num_filled >= _ENOUGH
    filled = CellReader(frame, ()).texts(sketch.column).is_not_null().to_numpy()
    return bool((filled & trained).any())


def _require_labels(
    targets: Sequence[Target], frame: Frame, trained: NDArray[np.bool_], *, num_held_out: int
) -> None:
    """Raises DataError for targets that too few rows have, and those without a name."""
    problems = list[str]()
    for sketch in (sketch for target in targets for sketch in target.sketches):
        if not sketch.column:
            problems.append("a column without a name cannot be a target; give it a name.")
        elif not _is_filled(sketch, frame, trained, num_held_out=num_held_out):
            filled = f"only {sketch.num_filled:,} of {sketch.num_rows:,} cells are filled"
            problems.append(f"column {quoted(sketch.column)} cannot be a target: {filled}.")
    if problems:
        raise DataError(" ".join(problems))


def _without_inputs(rest: Sequence[Sketch], targets: Sequence[Target]) -> str:
    names = ", ".join(quoted(sketch.column) for target in targets for sketch in target.sketches[:3])
    if not rest:
        return f"there is no column beside the target ({names}): nothing to learn from."
    reasons = ", ".join(f"{quoted(sketch.column)} ({sketch.reason})" for sketch in rest[:10])
    return f"no column beside the target ({names}) can be learned from: {reasons}."
