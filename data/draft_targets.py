"""Owns what a draft predicts: which columns are targets, and what kind of target they make."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..specs.errors import ConfigError, DataError, quoted
from .column_names import match_columns
from .draft_sketch import Sketch
from .draft_target import YES, Target

_NAMES = ("target", "targets", "label", "labels", "class", "classes", "y", "outcome", "response")
_CLASS_NAMES = ("label", "labels", "class", "classes")
_PREFIX = re.compile(r"(target|label)[_\s.-]")

# Whole numbers of so few values are classes rather than amounts.
_MOST_NUMBERED_CLASSES = 20
_POSITIVE = ("y", "t", "positive", "pos", "spam", "malignant", "bad", "fraud", "sick", "+", ">50k")
_NEGATIVE = ("no", "n", "f", "negative", "neg", "ham", "benign", "good", "normal", "healthy", "-", "<=50k")

_FITTING = "a target is numbers, a category, 0 and 1 (or yes and no), or separated labels"
_IMBALANCE = 10


@dataclass(frozen=True)
class Choice:
    """The columns of each target, and how they were guessed, if they were."""

    groups: tuple[tuple[Sketch, ...], ...]
    doubt: str | None = None


def choose_targets(sketches: Sequence[Sketch], patterns: Sequence[str]) -> Choice:
    """The columns that patterns name, or else a guess.

    Raises ConfigError for a pattern that no column matches, DataError where there is nothing to guess.
    """
    if not patterns:
        return _guess(sketches)
    by_name = {sketch.column: sketch for sketch in sketches}
    groups, taken, problems = list[tuple[Sketch, ...]](), set[str](), list[str]()
    for pattern in patterns:
        try:
            names = match_columns((pattern,), None, tuple(by_name))
        except DataError as error:
            problems += [each.message for each in error.problems]
            continue
        groups.append(tuple(by_name[name] for name in names if name not in taken))
        taken.update(names)
    if problems:
        raise ConfigError(" ".join(dict.fromkeys(problems)))
    return Choice(_labels_together([group for group in groups if group]))


def plan_targets(choice: Choice) -> list[Target]:
    """What kind of target each group makes. Raises DataError for columns that are none."""
    targets, problems = list[Target](), list[str]()
    for group in choice.groups:
        try:
            targets += _plan_group(group)
        except DataError as error:
            problems += [each.message for each in error.problems]
    if problems:
        raise DataError(" ".join(problems))
    return targets


def _labels_together(groups: Sequence[tuple[Sketch, ...]]) -> tuple[tuple[Sketch, ...], ...]:
    """All columns of 0 and 1 as one group, in the place of the first."""
    labels = tuple(sketch for group in groups for sketch in group if sketch.yes_no)
    if len(labels) < 2:
        return tuple(groups)
    found = list[tuple[Sketch, ...]]()
    for group in groups:
        others = tuple(sketch for sketch in group if not sketch.yes_no)
        if labels[0] in group:
            found.append(labels)
        found += [others] if others else []
    return tuple(found)


def _guess(sketches: Sequence[Sketch]) -> Choice:
    usable = [sketch for sketch in sketches if _is_likely(sketch)]
    named = [sketch for sketch in usable if sketch.column.strip().lower() in _NAMES]
    prefixed = [sketch for sketch in usable if _PREFIX.match(sketch.column.strip().lower())]
    run = list[Sketch]()
    for sketch in reversed(sketches):
        if not (sketch.yes_no and sketch.number):
            break
        run.insert(0, sketch)
    other = "name others by --target COLUMN"
    if named:
        doubt = f"the target is taken to be {quoted(named[0].column)}, by its name; {other}"
        return Choice(((named[0],),), doubt)
    if prefixed and len(prefixed) < len(usable):
        names = _listed(prefixed)
        doubt = f"the targets are taken to be {names}, by their names; {other}"
        return Choice(_labels_together([(sketch,) for sketch in prefixed]), doubt)
    if 2 <= len(run) < len(sketches):
        doubt = f"the labels are taken to be {_listed(run)}, the last columns, all of 0 and 1; {other}"
        return Choice((tuple(run),), doubt)
    if usable:
        last = usable[-1]
        doubt = f"the target is taken to be {quoted(last.column)}, the last column that can be one; {other}"
        return Choice(((last,),), doubt)
    kinds = ", ".join(f"{quoted(sketch.column)} ({sketch.kind})" for sketch in sketches[:10])
    more = f" and {len(sketches) - 10} more" if len(sketches) > 10 else ""
    raise DataError(f"no column looks like a target: {_FITTING}. Columns: {kinds}{more}.")


def _is_likely(sketch: Sketch) -> bool:
    if sketch.kind == "categorical":
        return 2 <= len(sketch.counts) <= 100
    return sketch.kind in ("numeric", "binary", "labels")


def _plan_group(group: Sequence[Sketch]) -> list[Target]:
    if len(group) > 1 and all(sketch.yes_no for sketch in group):
        rare = min((each for sketch in group if (each := _rare_label(sketch))), key=_share, default=None)
        return [Target(kind="multilabel", sketches=tuple(group), units=len(group), rare=rare)]
    amounts = tuple(sketch for sketch in group if _is_amount(sketch))
    if len(amounts) > 1:
        targets = list[Target]()
        for heavy in (False, True):
            found = tuple(sketch for sketch in amounts if sketch.heavy == heavy)
            targets += [Target(kind="regression", sketches=found, units=len(found))] if found else []
        return [*targets, *(_plan_single(sketch) for sketch in group if sketch not in amounts)]
    return [_plan_single(sketch) for sketch in group]


def _plan_single(sketch: Sketch) -> Target:
    if sketch.kind == "labels":
        doubt = (
            f"an empty cell of {quoted(sketch.column)} is taken to be unknown; if it means no label at all, "
            "write a word such as none into it, and say none: none"
        )
        doubt = doubt if sketch.num_empty else None
        return Target(kind="multilabel", sketches=(sketch,), units=len(sketch.counts), doubt=doubt)
    if sketch.yes_no:
        return Target(kind="binary", sketches=(sketch,), units=1, rare=_rare_label(sketch))
    if sketch.kind == "binary" and len(sketch.counts) == 2:
        return _plan_two(sketch)
    if _is_amount(sketch):
        return Target(kind="regression", sketches=(sketch,), units=1)
    fits = sketch.kind in ("numeric", "categorical", "group", "identifier")
    if fits and len(sketch.counts) >= 2 and sketch.repeats >= 2.0:
        doubt = None
        if sketch.number and sketch.column.strip().lower() not in _CLASS_NAMES:
            doubt = (
                f"{quoted(sketch.column)} has {sketch.num_distinct} whole numbers, taken to be classes; "
                "for amounts use {type: regression, columns: ...}, one unit without activation, and "
                "mean_squared_error"
            )
        return _classes(sketch, doubt)
    reason = f" ({sketch.reason})" if sketch.reason else ""
    looks = f"column {quoted(sketch.column)} looks like {_spoken(sketch)}{reason}"
    raise DataError(f"{looks}, which cannot be a target: {_FITTING}.")


def _plan_two(sketch: Sketch) -> Target:
    """Two values that are not 0 and 1: one of them has to be yes."""
    first, second = sketch.counts
    is_first = first.lower() in _POSITIVE or (second.lower() in _NEGATIVE and second.lower() not in _POSITIVE)
    positive = first if is_first else second
    negative = first if positive == second else second
    doubt = f"of {quoted(sketch.column)} {quoted(positive)} is taken to be the positive class, which is 1"
    rare = _rare(sketch.counts, parts=2)
    return Target(
        kind="binary",
        sketches=(sketch,),
        units=1,
        positive=positive,
        negative=negative,
        rare=rare,
        doubt=doubt,
    )


def _classes(sketch: Sketch, doubt: str | None) -> Target:
    rare = _rare(sketch.counts, parts=len(sketch.counts))
    return Target(
        kind="categorical",
        sketches=(sketch,),
        units=len(sketch.counts),
        rare=rare,
        doubt=doubt or sketch.doubt,
    )


def _is_amount(sketch: Sketch) -> bool:
    """Whether the cells are numbers that count or measure."""
    if not sketch.number or sketch.kind not in ("numeric", "identifier"):
        return False
    few = 2 < len(sketch.counts) <= _MOST_NUMBERED_CLASSES and sketch.repeats >= 5.0
    return not (sketch.whole and few and sketch.high - sketch.low <= 2 * len(sketch.counts))


def _rare_label(sketch: Sketch) -> tuple[str, float] | None:
    yes = sum(rows for value, rows in sketch.counts.items() if value.lower() in YES)
    found = _rare({"1": yes, "0": sketch.num_filled - yes}, parts=2)
    return found and (f"{found[0]} in {quoted(sketch.column)}", found[1])


def _rare(counts: Mapping[str, int], *, parts: int) -> tuple[str, float] | None:
    """The rarest class and its share, where that is less than a tenth of an even share."""
    value = min(counts, key=counts.__getitem__)
    share = counts[value] / sum(counts.values())
    return (value, share) if share * parts * _IMBALANCE < 1.0 else None


def _share(rare: tuple[str, float]) -> float:
    return rare[1]


def _listed(sketches: Sequence[Sketch]) -> str:
    shown = ", ".join(quoted(sketch.column) for sketch in sketches[:6])
    return shown + (f" and {len(sketches) - 6} more" if len(sketches) > 6 else "")


def _spoken(sketch: Sketch) -> str:
    return {
        "datetime": "points in time",
        "image": "paths of images",
        "empty": "nothing",
        "constant": "a single value",
        "identifier": "identifiers",
        "group": "names",
        "unreadable": "nothing that can be read",
        "categorical": "too many categories",
    }.get(sketch.kind, sketch.kind)
