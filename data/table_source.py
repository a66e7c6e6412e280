"""Owns the source `table`: a user's files read, split, and prepared by what the training rows teach.

Legend: N rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..specs.columns import AnyInput, AnyTarget
from ..specs.errors import DataError, Problem
from ..specs.files import ColumnSplit, GroupSplit, TableFiles
from .cells import CellReader
from .column_names import match_columns, unknown_column
from .encoder import Encoder, TargetEncoder
from .fingerprint import fingerprint_tables
from .fit import fit_encoder
from .frame import Frame
from .frame_splits import split_frame
from .preparation import Preparation
from .source import Source
from .table import Scale, Splits, Table
from .table_files import read_columns, read_frame, refuse_shared_files


@dataclass(frozen=True)
class _Plan:
    """Which columns each input and target reads, by its name, and all that have to be read."""

    inputs: Mapping[str, tuple[str, ...]]
    targets: Mapping[str, tuple[str, ...]]
    needed: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class _Frames:
    """The rows of each split as they were read."""

    train: Frame
    validation: Frame | None
    test: Frame | None


def open_table(spec: TableFiles, preparation: Preparation | None = None) -> Source:
    """Read a user's files, split their rows, and learn from the training rows how columns become numbers.

    preparation: that of an earlier run, which is then used as it is; nothing is learned.

    Raises ConfigError, DataError and MachineError for what cannot be read, split or understood.
    """
    plan = _plan_columns(spec, preparation)
    frames = _read(spec, plan)
    prepared = preparation or _prepare(spec, frames.train, plan)
    return Source(prepared.schema, lambda: _build(spec, frames, prepared), prepared)


def open_rows(spec: TableFiles, path: str, preparation: Preparation) -> Source:
    """All rows of other files, prepared as an earlier run was: the training and the test rows at once."""
    plan = _plan_columns(spec, preparation)
    frame = read_frame(path, spec, plan.needed)
    frames = _Frames(frame, None, frame)
    return Source(preparation.schema, lambda: _build(spec, frames, preparation), preparation)


def _plan_columns(spec: TableFiles, preparation: Preparation | None) -> _Plan:
    """The columns that patterns name; an earlier run's are those that it found."""
    if preparation is not None:
        inputs = {name: each.columns for name, each in preparation.inputs.items()}
        targets = {name: each.columns for name, each in preparation.targets.items()}
        return _Plan(inputs, targets, _needed(spec, inputs, targets))
    available = read_columns(spec.path, spec)
    problems: list[Problem] = []
    inputs = {
        name: _columns(each, available, ("data", "inputs", name), problems)
        for name, each in spec.inputs.items()
    }
    targets = {
        name: _columns(each, available, ("data", "targets", name), problems)
        for name, each in spec.targets.items()
    }
    for path, column in _single_columns(spec):
        if column not in available:
            problems.append(Problem(unknown_column(column, available), path))
    if problems:
        raise DataError(problems)
    return _Plan(inputs, targets, _needed(spec, inputs, targets))


def _columns(
    spec: AnyInput | AnyTarget, available: tuple[str, ...], path: tuple[str, ...], problems: list[Problem]
) -> tuple[str, ...]:
    column: str | None = getattr(spec, "column", None)
    try:
        if column is None:
            exclude: tuple[str, ...] | None = getattr(spec, "exclude", None)
            patterns: tuple[str, ...] = getattr(spec, "columns")  # noqa: B009
            return match_columns(patterns, exclude, available, path=path)
    except DataError as error:
        problems.extend(error.problems)
        return ()
    if column not in available:
        problems.append(Problem(unknown_column(column, available), (*path, "column")))
    return (column,)


def _single_columns(spec: TableFiles) -> Iterator[tuple[tuple[str, ...], str]]:
    """Columns that are no inputs and no targets, and where the config names them."""
    for name, column in spec.sample_weights.items():
        yield ("data", "sample_weights", name), column
    if isinstance(spec.split, ColumnSplit | GroupSplit):
        yield ("data", "split", "column"), spec.split.column


def _needed(
    spec: TableFiles, inputs: Mapping[str, tuple[str, ...]], targets: Mapping[str, tuple[str, ...]]
) -> tuple[str, ...]:
    read = [column for group in (inputs, targets) for columns in group.values() for column in columns]
    return tuple(dict.fromkeys([*read, *(column for _, column in _single_columns(spec))]))


def _read(spec: TableFiles, plan: _Plan) -> _Frames:
    refuse_shared_files(spec)
    frame = read_frame(spec.path, spec, plan.needed)
    given = {
        key: None if path is None else read_frame(path, spec, plan.needed, key=("data", key))
        for key, path in (("validation_path", spec.validation_path), ("test_path", spec.test_path))
    }
    rows = split_frame(spec, frame, plan.targets)
    return _Frames(
        frame.take(rows.train),
        given["validation_path"] or (frame.take(rows.validation) if len(rows.validation) else None),
        given["test_path"] or (frame.take(rows.test) if len(rows.test) else None),
    )


def _prepare(spec: TableFiles, train: Frame, plan: _Plan) -> Preparation:
    """Fit every encoder. Raises DataError with all that cannot be read."""
    inputs, targets = dict[str, Encoder](), dict[str, TargetEncoder]()
    problems: list[Problem] = []
    for name, each in spec.inputs.items():
        try:
            inputs[name] = fit_encoder(each, train, name=name, role="inputs", columns=plan.inputs[name])
        except DataError as error:
            problems.extend(error.problems)
    for name, each in spec.targets.items():
        try:
            targets[name] = fit_encoder(each, train, name=name, role="targets", columns=plan.targets[name])
        except DataError as error:
            problems.extend(error.problems)
    if problems:
        raise DataError(problems)
    return Preparation(inputs, targets, frozenset(spec.sample_weights))


def _build(spec: TableFiles, frames: _Frames, preparation: Preparation) -> Splits:
    train = _encode(spec, frames.train, preparation)
    validation = None if frames.validation is None else _encode(spec, frames.validation, preparation)
    test = None if frames.test is None else _encode(spec, frames.test, preparation)
    tables = (train, validation, test)
    return Splits(*tables, preparation.schema, fingerprint_tables(tables), notes=preparation.notes)


def _encode(spec: TableFiles, frame: Frame, preparation: Preparation) -> Table:
    """The rows of a frame as tensors. Raises DataError with all that cannot be read."""
    problems: list[Problem] = []
    inputs = {name: _encoded(each, frame, problems) for name, each in preparation.inputs.items()}
    targets = {name: _encoded(each, frame, problems) for name, each in preparation.targets.items()}
    weights = {
        name: _sample_weights(frame, name, column, problems) for name, column in spec.sample_weights.items()
    }
    if problems:
        raise DataError(problems)
    images = [name for name, each in preparation.inputs.items() if each.field.kind == "image"]
    return Table(
        {name: values for name, (values, _) in inputs.items()},
        {name: values for name, (values, _) in targets.items()},
        weights,
        {name: observed for name, (_, observed) in targets.items() if observed is not None},
        {name: Scale(offset=0.0, divisor=255.0) for name in images},
    )


def _encoded(encoder: Encoder, frame: Frame, problems: list[Problem]) -> tuple[Tensor, Tensor | None]:
    try:
        encoded = encoder.encode(frame)
    except DataError as error:
        problems.extend(error.problems)
        return torch.zeros(len(frame), 1), None
    return encoded.values, encoded.observed


def _sample_weights(frame: Frame, name: str, column: str, problems: list[Problem]) -> Tensor:
    """(N) float32: numbers from 0 on, none missing."""
    reader = CellReader(frame, ("data", "sample_weights", name))
    numbers = reader.numbers(column)
    reader.reject(column, numbers < 0.0, what="is a weight below 0", fix="weights are numbers from 0 on")
    if not reader.problems:
        reader.reject(column, np.isnan(numbers), what="is empty", fix="give every row a weight")
    problems.extend(reader.problems)
    return torch.from_numpy(numbers.astype(np.float32))
