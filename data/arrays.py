"""Owns the source `arrays`: NumPy arrays by name as inputs, targets and sample weights, and their splits.

Legend: N rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..specs.errors import DataError, Problem, quoted
from ..specs.files import Arrays, ColumnSplit, GroupSplit, StratifiedSplit
from .array_fields import ArrayColumn, check_values, describe_column, to_tensor
from .array_files import StoredArray, Values, list_arrays
from .array_lookup import ArrayFinder, Stored, fields_of, refuse_without_meaning
from .file_paths import require_disjoint
from .fingerprint import fingerprint_tables
from .row_splits import RowSplits, choose_target, split_rows
from .source import Source
from .stratify import LabelEntries
from .table import Field, Scale, Schema, Splits, Table

PATHS = ("path", "validation_path", "test_path")


@dataclass(frozen=True, eq=False)
class _Opened:
    """The arrays that a config names, known by their headers, and N by the key that names their files."""

    spec: Arrays
    columns: Sequence[ArrayColumn]
    weights: Mapping[str, Stored]
    split_values: StoredArray | None
    num_rows: Mapping[str, int]
    schema: Schema


@dataclass
class _Part:
    """A table as it grows: `key` names its files, `rows` are those that it has of them."""

    key: str
    rows: NDArray[np.int64]
    inputs: dict[str, Tensor] = field(default_factory=dict[str, Tensor])
    targets: dict[str, Tensor] = field(default_factory=dict[str, Tensor])
    weights: dict[str, Tensor] = field(default_factory=dict[str, Tensor])


def open_arrays(spec: Arrays) -> Source:
    """The fields of arrays, from their headers, and the way to their rows.

    Raises ConfigError for options that a kind has no use for, DataError for arrays that are missing,
    damaged or not what they are said to be, MachineError; reading the rows likewise, DataError also for
    values that no kind allows.
    """
    opened = _open(spec)
    return Source(opened.schema, lambda: _build(opened))


def _open(spec: Arrays) -> _Opened:
    refuse_without_meaning(spec)
    paths: dict[str, str] = {key: path for key in PATHS if (path := getattr(spec, key)) is not None}
    files = {key: list_arrays(path, key=("data", key)) for key, path in paths.items()}
    require_disjoint({("data", key): [each.path] for key, each in files.items()})
    finder = ArrayFinder(files)
    columns = [
        ArrayColumn(name, role, each, finder.find(each.array or name, path=("data", role, name, "array")))
        for role, name, each in fields_of(spec)
    ]
    weights = {
        name: finder.find(array, path=("data", "sample_weights", name))
        for name, array in spec.sample_weights.items()
    }
    split_values = None
    if isinstance(spec.split, ColumnSplit | GroupSplit):
        found = finder.find(spec.split.column, path=("data", "split", "column"), keys=("path",))
        split_values = found.get("path")
    num_rows = finder.finish()
    return _Opened(spec, columns, weights, split_values, num_rows, _describe(columns, weights))


def _describe(columns: Sequence[ArrayColumn], weights: Mapping[str, Stored]) -> Schema:
    """Raises DataError with what is wrong with any of the columns."""
    problems = list[Problem]()
    schema = Schema({}, {}, frozenset(weights))
    for column in columns:
        fields: dict[str, Field] = getattr(schema, column.role)
        try:
            fields[column.name] = describe_column(column)
        except DataError as error:
            problems.extend(error.problems)
    if problems:
        raise DataError(problems)
    return schema


def _build(opened: _Opened) -> Splits:
    rows = _split(opened)
    train = _Part("path", rows.train)
    validation, test = (
        _part(opened, "validation_path", rows.validation),
        _part(opened, "test_path", rows.test),
    )
    _fill(opened, [part for part in (train, validation, test) if part is not None])
    images = [name for name, each in opened.schema.inputs.items() if each.kind == "image"]
    scales = {name: Scale(offset=0.0, divisor=255.0) for name in images}
    tables = [
        None if part is None else Table(part.inputs, part.targets, part.weights, scales=scales)
        for part in (train, validation, test)
    ]
    assert tables[0] is not None, "there are rows to train on"
    return Splits(tables[0], tables[1], tables[2], opened.schema, fingerprint_tables(tables))


def _part(opened: _Opened, key: str, rows: NDArray[np.int64]) -> _Part | None:
    """The rows of a file of their own, else those split off, if any were."""
    if key in opened.num_rows:
        return _Part(key, np.arange(opened.num_rows[key], dtype=np.int64))
    return _Part("path", rows) if len(rows) else None


def _fill(opened: _Opened, parts: Sequence[_Part]) -> None:
    """Read every array once, check its values, and give each part its rows. Raises DataError."""
    problems = list[Problem]()
    for column in opened.columns:
        fields: dict[str, Field] = getattr(opened.schema, column.role)
        for key, stored in column.stored.items():
            values = stored.read()
            try:
                check_values(column, fields[column.name], key, values)
            except DataError as error:
                problems.extend(error.problems)
                continue
            for part in (part for part in parts if part.key == key):
                tensors: dict[str, Tensor] = getattr(part, column.role)
                tensors[column.name] = to_tensor(fields[column.name], values[part.rows])
    for name, arrays in opened.weights.items():
        for key, stored in arrays.items():
            values, problem = _read_weights(name, stored)
            if problem is not None:
                problems.append(problem)
            for part in (part for part in parts if part.key == key and problem is None):
                part.weights[name] = torch.from_numpy(values[part.rows])
    if problems:
        raise DataError(problems)


def _read_weights(name: str, stored: StoredArray) -> tuple[NDArray[np.float32], Problem | None]:
    """Sample weights (N), and what is wrong with them."""
    path, file = ("data", "sample_weights", name), str(stored.file)
    nothing: NDArray[np.float32] = np.zeros(0, dtype=np.float32)
    if stored.dtype.kind not in "fiub" or stored.shape[1:] not in ((), (1,)):
        found = f"is of type {stored.dtype} and shape {stored.shape}"
        message = f"array {quoted(stored.name)} {found}; sample weights are one number per row"
        return nothing, Problem(message, path, file=file)
    values = np.array(stored.read(), dtype=np.float32).reshape(-1)
    bad = np.flatnonzero(~np.isfinite(values) | (values < 0.0))
    if len(bad):
        place = f"holds {values[bad[0]]} in row {bad[0]} (from 0)"
        message = f"array {quoted(stored.name)} {place}; sample weights are finite numbers from 0 on"
        return nothing, Problem(message, path, file=file)
    return values, None


def _split(opened: _Opened) -> RowSplits:
    spec, values, labels = opened.spec, None, None
    if opened.split_values is not None:
        values = _texts(opened.split_values)
    if isinstance(spec.split, StratifiedSplit):
        kinds = {name: each.kind for name, each in spec.targets.items()}
        labelled = [name for name, kind in kinds.items() if kind in ("binary", "classes")]
        labels = _labels(opened, choose_target(spec.split, labelled, kinds))
    return split_rows(
        spec, opened.num_rows["path"], values=values, labels=labels, where=lambda row: f"row {row} (from 0)"
    )


def _labels(opened: _Opened, target: str) -> LabelEntries:
    column = next(each for each in opened.columns if (each.role, each.name) == ("targets", target))
    stored = column.stored["path"].read()
    check_values(column, opened.schema.targets[target], "path", stored)
    if column.spec.kind == "binary":
        return LabelEntries.of_binary(stored)
    rows = stored.reshape(len(stored), -1)
    if rows.shape[1] != 1:
        message = f"target {quoted(target)} has several classes per row; stratify by another."
        raise DataError(Problem(message, ("data", "split", "target")))
    return LabelEntries.of_classes(rows[:, 0].astype(np.int64))


def _texts(stored: StoredArray) -> list[str | None]:
    """The values that splits go by, as text, None where they are empty. Raises DataError."""
    path = ("data", "split", "column")
    if len(stored.shape) != 1 or stored.dtype.kind not in "USiub":
        found = f"is of type {stored.dtype} and shape {stored.shape}"
        message = f"array {quoted(stored.name)} {found}; rows are split by one text or whole number each"
        raise DataError(Problem(message, path, file=str(stored.file)))
    values: Values = stored.read()
    if stored.dtype.kind == "S":
        values = np.char.decode(values, "utf-8", "replace")
    words = {"True": "true", "False": "false"} if stored.dtype.kind == "b" else {}
    return [words.get(text, text) or None for text in map(str, values.tolist())]
