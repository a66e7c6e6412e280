"""Owns which rows of the user's data are for training, for validation and for testing.

Legend: N rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..specs.errors import ConfigError, DataError, Path, Problem, quoted, unknown_name
from ..specs.files import ColumnSplit, FileBase, GroupSplit, LastSplit, RandomSplit, StratifiedSplit
from .group_split import draw_groups
from .splits import SplitSizes, split_sizes
from .stratify import LabelEntries, stratify

Numbers = NDArray[np.int64]

SPLITS = ("train", "validation", "test")


class RowSplits(NamedTuple):
    """The rows of each split, counted from 0, in the order of the table; every row is in one of them."""

    train: Numbers
    validation: Numbers
    test: Numbers


def split_rows(
    spec: FileBase,
    num_rows: int,
    *,
    values: Sequence[str | None] | None = None,
    labels: LabelEntries | None = None,
    where: Callable[[int], str] = lambda row: f"row {row + 1}",
) -> RowSplits:
    """The rows of `path` by split; those of `test_path` and `validation_path` are not among them.

    `values` (N) are those of the column that `split` names, `labels` those that it keeps even, and `where`
    names a row in messages. `data.seed` alone decides what is drawn. Raises ConfigError for fractions
    without effect, and where no row is left to train on, DataError for values that mark no split and for
    empty ones.
    """
    validation_split, test_split = resolve_fractions(spec)
    split = spec.split
    if isinstance(split, ColumnSplit):
        assert values is not None, "the column that says the splits was read"
        return _of_parts(_parts_by_value(split, values, where))
    sizes = split_sizes(num_rows, validation_split=validation_split, test_split=test_split)
    # RandomState, not Generator: NumPy promises never to change its streams.
    stream = np.random.RandomState(spec.seed)
    match split:
        case LastSplit():
            return _of_order(np.arange(num_rows), sizes)
        case RandomSplit():
            return _of_order(stream.permutation(num_rows), sizes)
        case GroupSplit():
            assert values is not None, "the column of groups was read"
            return _of_parts(_parts_by_group(split, values, sizes, where, stream))
        case StratifiedSplit():
            assert labels is not None, "the labels to stratify by were read"
            return _of_parts(stratify(labels, (sizes.train, sizes.validation, sizes.test), stream))


def resolve_fractions(spec: FileBase) -> tuple[float, float]:
    """What is split off for validation and for testing: nothing where a file of its own is given.

    `validation_split` has a default, which a `validation_path` and a split by column replace. Raises
    ConfigError for a fraction that would have no effect.
    """
    by_column = isinstance(spec.split, ColumnSplit)
    problems = list[Problem]()
    default = type(spec).model_fields["validation_split"].default
    for name, path, is_default in (
        ("validation_split", spec.validation_path, spec.validation_split == default),
        ("test_split", spec.test_path, False),
    ):
        fraction: float = getattr(spec, name)
        rival = name.replace("split", "path") if path is not None else "split: {type: column}"
        if (path is not None or by_column) and fraction > 0.0 and not is_default:
            message = f"has no effect beside {rival}; leave out one of the two."
            problems.append(Problem(message, ("data", name)))
    problems += _column_problems(spec)
    if problems:
        raise ConfigError(problems)
    if by_column:
        return 0.0, 0.0
    return 0.0 if spec.validation_path is not None else spec.validation_split, spec.test_split


def choose_target(split: StratifiedSplit, labelled: Sequence[str], targets: Iterable[str]) -> str:
    """The target to stratify by: the one named, else the only one that has labels or classes.

    Raises ConfigError where there is no such target, or no single one.
    """
    path = ("data", "split", "target")
    if split.target is None:
        if len(labelled) == 1:
            return labelled[0]
        if labelled:
            message = f"name the target to stratify by. Targets: {', '.join(labelled)}."
        else:
            message = "no target has labels or classes to stratify by; use another split."
        raise ConfigError(Problem(message, path))
    if split.target in labelled:
        return split.target
    if split.target in targets:
        fix = f"Targets that have: {', '.join(labelled) or 'none'}."
        message = f"target {quoted(split.target)} has no labels or classes to stratify by. {fix}"
    else:
        message = unknown_name("target", split.target, labelled)
    raise ConfigError(Problem(message, path))


def _column_problems(spec: FileBase) -> list[Problem]:
    """What is wrong with a split by column: values that mark two splits, or rows of a split with a file."""
    if not isinstance(spec.split, ColumnSplit):
        return []
    problems, owner = list[Problem](), dict[str, str]()
    for name in SPLITS:
        values: tuple[str, ...] = getattr(spec.split, name) or ()
        for value in values:
            other = owner.setdefault(value, name)
            if other != name:
                message = f"{quoted(value)} marks the rows for {other} too; name it once."
                problems.append(Problem(message, ("data", "split", name)))
        if values and name != "train" and getattr(spec, f"{name}_path") is not None:
            message = f"has no effect beside {name}_path; leave out one of the two."
            problems.append(Problem(message, ("data", "split", name)))
    return problems


def _parts_by_value(split: ColumnSplit, values: Sequence[str | None], where: Callable[[int], str]) -> Numbers:
    """The number of each row's split (N)."""
    parts_of: dict[str | None, int] = {
        value: part for part, name in enumerate(SPLITS) for value in getattr(split, name) or ()
    }
    parts: Numbers = np.array([parts_of.get(value, -1) for value in values], dtype=np.int64)
    path: Path = ("data", "split")
    if (parts < 0).any():
        row = int(np.argmax(parts < 0))
        value = values[row]
        given = "is empty" if value is None else f"is {quoted(value)}"
        known = ", ".join(f"{name}: {_listed(getattr(split, name))}" for name in SPLITS)
        message = f"{where(row)}: column {quoted(split.column)} {given}, which marks no split ({known})."
        raise DataError(Problem(message, path))
    found = set(values)
    problems = [
        Problem(f"no row of column {quoted(split.column)} is {_listed(getattr(split, name))}.", (*path, name))
        for name in SPLITS
        if getattr(split, name) and found.isdisjoint(getattr(split, name))
    ]
    if problems:
        raise DataError(problems)
    return parts


def _listed(values: Sequence[str] | None) -> str:
    return " or ".join(quoted(value) for value in values or ()) or "none"


def _parts_by_group(
    split: GroupSplit,
    values: Sequence[str | None],
    sizes: SplitSizes,
    where: Callable[[int], str],
    stream: np.random.RandomState,
) -> Numbers:
    """The number of each row's split (N)."""
    numbers: dict[str | None, int] = {}
    groups: Numbers = np.array([numbers.setdefault(value, len(numbers)) for value in values], dtype=np.int64)
    if None in numbers:
        row = values.index(None)
        message = f"{where(row)}: column {quoted(split.column)} is empty; every row needs a group."
        raise DataError(Problem(message, ("data", "split", "column")))
    targets = (sizes.validation, sizes.test)
    needed = 1 + sum(target > 0 for target in targets)
    if len(numbers) < needed:
        count = f"only {len(numbers)} group{'s' if len(numbers) != 1 else ''}"
        message = f"column {quoted(split.column)} has {count}, where each of {needed} splits needs one."
        raise DataError(Problem(message, ("data", "split", "column")))
    parts = draw_groups(np.bincount(groups, minlength=len(numbers)), targets, stream)
    return parts[groups] + 1


def _of_order(order: NDArray[np.integer], sizes: SplitSizes) -> RowSplits:
    """The rows in some order, test last, validation before it."""
    first, second = sizes.train, sizes.train + sizes.validation
    train, validation, test = np.split(order.astype(np.int64), [first, second])
    return RowSplits(np.sort(train), np.sort(validation), np.sort(test))


def _of_parts(parts: Numbers) -> RowSplits:
    train, validation, test = (np.flatnonzero(parts == part) for part in range(3))
    return RowSplits(train, validation, test)
