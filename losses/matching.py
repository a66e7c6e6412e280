"""Whether the losses of a config fit the outputs and targets that they name, before any data is read."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from ..specs.errors import Problem, unknown_name
from ..specs.losses import (
    BinaryCrossentropy,
    BinaryFocalCrossentropy,
    ClassWeight,
    LossBase,
    PosWeight,
    SparseCategoricalCrossentropy,
)
from .class_weights import label_problems

Shape = tuple[int, ...]

# Fields of whole numbers from 0 to size - 1.
_NUMBERED = frozenset({"classes", "tokens"})


@dataclass(frozen=True)
class OutputShape:
    """An output as the losses see it: the shape of one example and the activation it ends in."""

    shape: Shape
    activation: str


@dataclass(frozen=True)
class ReferenceShape:
    """What an output can be compared with: the shape of one example, the field's kind and size."""

    shape: Shape
    kind: str
    size: int | None = None
    labels: tuple[str, ...] = ()


def name_problems(
    losses: Mapping[str, LossBase],
    outputs: Collection[str],
    references: Collection[str],
    *,
    sample_weights: Collection[str] = (),
) -> list[Problem]:
    """Every name in the losses that names nothing, before any shape is known."""
    problems: list[Problem] = []
    for name, described in losses.items():
        place = ("losses", name)
        if described.output not in outputs:
            problems.append(_unknown(place, "output", "output", described.output, outputs))
        if described.target not in references:
            problems.append(_unknown(place, "target", "target", described.target, references))
        if described.sample_weight is not None and described.sample_weight not in sample_weights:
            kind = "sample weight"
            problems.append(_unknown(place, "sample_weight", kind, described.sample_weight, sample_weights))
    return problems


def fit_problems(
    losses: Mapping[str, LossBase],
    outputs: Mapping[str, OutputShape],
    references: Mapping[str, ReferenceShape],
) -> list[Problem]:
    """Every axis, target and weight by label that does not fit; all names exist."""
    problems: list[Problem] = []
    for name, described in losses.items():
        output, reference = outputs[described.output], references[described.target]
        message = _bad_axis(described, output)
        if message is not None:
            problems.append(Problem(message, ("losses", name, "axis")))
            continue
        message = _misfit(described, output, reference) or _too_few_classes(described, output, reference)
        problems += [Problem(message, ("losses", name, "target"))] if message else []
        problems += _weight_problems(name, described, reference)
    return problems


def _unknown(place: tuple[str, str], key: str, kind: str, given: str, allowed: Iterable[str]) -> Problem:
    return Problem(unknown_name(kind, given, allowed), (*place, key))


def _bad_axis(described: LossBase, output: OutputShape) -> str | None:
    """Why an axis cannot be reduced, if so; axis 0 is the batch, which the reduction is for."""
    axis: int | None = getattr(described, "axis", None)
    rank = len(output.shape)
    if axis is None or (axis != 0 and -rank <= axis <= rank):
        return None
    numbers = ", ".join(str(each) for each in (*range(-rank, 0), *range(1, rank + 1)))
    return f"output {described.output!r} {_gives(output)} per example; allowed: {numbers}, not {axis}"


def _misfit(described: LossBase, output: OutputShape, reference: ReferenceShape) -> str | None:
    """Why an output and a target cannot be compared, if they cannot."""
    expected, note = output.shape, ""
    if isinstance(described, SparseCategoricalCrossentropy):
        position = _position(described.axis) % len(expected)
        expected = expected[:position] + expected[position + 1 :]
        note = f", so {described.type} compares it with class numbers of {_written(expected)}"
    if _without_unit(reference.shape) == _without_unit(expected):
        return None
    given = f"target {described.target!r} has {_written(reference.shape)} per example"
    return f"{given}, but output {described.output!r} {_gives(output)}{note}"


def _too_few_classes(described: LossBase, output: OutputShape, reference: ReferenceShape) -> str | None:
    """Why an output has no place for some class numbers, if so: there are more classes than units."""
    if not isinstance(described, SparseCategoricalCrossentropy) or reference.kind not in _NUMBERED:
        return None
    units, classes = output.shape[_position(described.axis)], reference.size or 0
    if not set(range(units, classes)) - {described.ignore_class}:
        return None
    given = f"target {described.target!r} has {classes} classes"
    return f"{given}, but output {described.output!r} has {units} units, one per class"


def _weight_problems(name: str, described: LossBase, reference: ReferenceShape) -> list[Problem]:
    """Labels that do not exist, and weights by label on another axis than the labels'."""
    problems: list[Problem] = []
    axis: int | None = getattr(described, "axis", -1)
    on_labels = axis == -1 or axis == len(reference.shape)
    binary = isinstance(described, BinaryCrossentropy | BinaryFocalCrossentropy)
    by_entry = binary or isinstance(described, SparseCategoricalCrossentropy)
    for key in ("class_weight", "pos_weight"):
        given: ClassWeight | PosWeight | None = getattr(described, key, None)
        place = ("losses", name, key)
        problems += label_problems(given, reference.labels, place, binary=binary)
        follows_axis = key == "pos_weight" or not by_entry
        if follows_axis and not on_labels and isinstance(given, str | Mapping):
            problems.append(Problem(f"the labels are on the last axis; use axis: -1, not {axis}", place))
    return problems


def _position(axis: int) -> int:
    """An axis that counts the batch as 0, among the axes of one example."""
    return axis if axis < 0 else axis - 1


def _without_unit(shape: Shape) -> Shape:
    """Shapes that differ by a last dimension of 1 are reconciled, never broadcast."""
    return shape[:-1] if shape and shape[-1] == 1 else shape


def _gives(output: OutputShape) -> str:
    return f"gives {_written(output.shape)}"


def _written(shape: Shape) -> str:
    return f"({', '.join(str(size) for size in shape)})"
