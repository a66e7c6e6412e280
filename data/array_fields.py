"""Owns what each kind of array field may hold: its type and axes, its values, and the tensor it becomes.

Legend: N rows, C channels, H height, W width.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..specs.errors import DataError, Path, Problem, quoted
from ..specs.files import ArrayField
from .array_files import StoredArray, Values
from .table import Field

Role = Literal["inputs", "targets"]

# How many bytes are looked at a time: of arrays that are mapped, so much is read from the disk.
_CHUNK_BYTES = 1 << 25

_TYPES: Mapping[str, tuple[str, str]] = {
    "image": ("u", "bytes (uint8)"),
    "numbers": ("fiub", "numbers"),
    "values": ("fiub", "numbers"),
    "binary": ("fiub", "0 and 1, or true and false"),
    "tokens": ("iu", "whole numbers"),
    "classes": ("iub", "whole numbers"),
}
"""The letters of NumPy's types that a kind is read from, and how they are called."""


@dataclass(frozen=True, eq=False)
class ArrayColumn:
    """An input or a target; `stored` are its arrays by the key under `data` that names their files."""

    name: str
    role: Role
    spec: ArrayField
    stored: Mapping[str, StoredArray]

    @property
    def path(self) -> Path:
        """Where the config names the array."""
        return ("data", self.role, self.name, "array")

    @property
    def is_numbered(self) -> bool:
        """Whether its values are the numbers of classes or of tokens."""
        return self.spec.kind in ("classes", "tokens")

    def problem(self, message: str, key: str) -> Problem:
        """A problem with the array in the file that `data.<key>` names."""
        stored = self.stored[key]
        return Problem(f"array {quoted(stored.name)} {message}", self.path, file=str(stored.file))


def describe_column(column: ArrayColumn) -> Field:
    """The field, from the headers of its arrays; the values are read only for a size that is not given.

    Raises DataError where an array is not of the type and the axes of its kind.
    """
    problems = [problem for key in column.stored if (problem := _header_problem(column, key)) is not None]
    shapes = {key: stored.shape[1:] for key, stored in column.stored.items()}
    problems += [
        column.problem(f"has rows of shape {shape}, where those of data.path are {shapes['path']}", key)
        for key, shape in shapes.items()
        if shape != shapes["path"]
    ]
    if problems:
        raise DataError(problems)
    kind, shape = column.spec.kind, shapes["path"]
    if not shape and kind != "classes":
        shape = (1,)
    labels = column.spec.labels
    size = (column.spec.size or len(labels) or _largest(column) + 1) if column.is_numbered else None
    width = size if kind == "classes" else shape[-1]
    if labels and len(labels) != width:
        what = f"{width} classes" if kind == "classes" else f"a last axis of {width}"
        message = f"names {len(labels)} labels for {what} of array {quoted(column.stored['path'].name)}."
        raise DataError(Problem(message, (*column.path[:-1], "labels")))
    return Field(shape=shape, kind=kind, size=size, labels=labels)


def check_values(column: ArrayColumn, field: Field, key: str, values: Values) -> None:
    """Raises DataError with the first row, counted from 0, that holds what the kind does not allow."""
    for first, chunk in _chunks(values):
        bad, reason = _bad_entries(column, field, chunk)
        rows = np.flatnonzero(bad.reshape(len(bad), -1).any(axis=1))
        if len(rows):
            row = int(rows[0])
            value = chunk[row][bad[row]].reshape(-1)[0]
            raise DataError(column.problem(f"holds {value} in row {first + row} (from 0); {reason}", key))


def to_tensor(field: Field, values: Values) -> Tensor:
    """Values (N, ...) as the network reads them: uint8 images, int64 numbers of classes and tokens, else
    float32."""
    if field.kind == "image":
        kind: type[np.generic] = np.uint8
    else:
        kind = np.int64 if field.kind in ("classes", "tokens") else np.float32
    # A copy in any case: tensors may not be made from memory that is read-only.
    return torch.from_numpy(np.array(values, dtype=kind, order="C").reshape(len(values), *field.shape))


def _header_problem(column: ArrayColumn, key: str) -> Problem | None:
    stored, kind = column.stored[key], column.spec.kind
    letters, called = _TYPES[kind]
    if stored.dtype.kind not in letters or (kind == "image" and stored.dtype.itemsize != 1):
        return column.problem(f"is of type {stored.dtype}; kind {kind} needs {called}", key)
    if not stored.shape or stored.shape[0] == 0:
        return column.problem("has no rows", key)
    if 0 in stored.shape:
        return column.problem(f"has no values: its shape is {stored.shape}", key)
    if kind != "image":
        return None
    row = stored.shape[1:]
    if len(row) != 3:
        axes = "an image is (channels, height, width)"
        return column.problem(f"has rows of shape {row}; {axes}: use array[:, None] to add an axis", key)
    if row[2] in (1, 3, 4) and row[0] not in (1, 3, 4):
        fix = "put them first by array.transpose(0, 3, 1, 2)"
        return column.problem(f"has rows of shape {row}, as if channels came last; {fix}", key)
    return None


def _largest(column: ArrayColumn) -> int:
    """The largest number in all files."""
    largest = -1
    for stored in column.stored.values():
        for _, chunk in _chunks(stored.read()):
            largest = max(largest, int(chunk.max()))
    return max(largest, 0)


def _chunks(values: Values) -> Iterator[tuple[int, Values]]:
    """The first row of each part of the rows, and the part."""
    rows = max(1, _CHUNK_BYTES * len(values) // max(1, values.nbytes))
    for first in range(0, len(values), rows):
        yield first, values[first : first + rows]


def _bad_entries(column: ArrayColumn, field: Field, chunk: Values) -> tuple[NDArray[np.bool_], str]:
    """Which entries are not allowed, of the chunk's shape, and what is."""
    may_miss = column.role == "targets"
    missing = np.isnan(chunk) if chunk.dtype.kind == "f" else np.zeros(chunk.shape, dtype=np.bool_)
    if field.kind == "binary":
        good = (chunk == 0) | (chunk == 1)
        return ~(
            good | missing if may_miss else good
        ), "a label is 0 or 1" + ", or NaN where missing" * may_miss
    if column.is_numbered:
        assert field.size is not None, "what is numbered has a size"
        return (chunk < 0) | (chunk >= field.size), f"{field.kind} go from 0 to {field.size - 1}"
    if chunk.dtype.kind != "f":
        return missing, ""
    with np.errstate(over="ignore"):
        finite = np.isfinite(chunk.astype(np.float32, copy=False))
    if may_miss:
        return ~(finite | missing), "a value is a finite 32-bit number, or NaN where missing"
    return ~finite, "an input is a finite 32-bit number"
