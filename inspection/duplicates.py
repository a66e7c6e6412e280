"""Rows of one split that stand in another, found exactly: by a hash first, then byte by byte.

Legend: N rows, W words of eight bytes a row.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..data import Table
from ..specs.errors import Problem
from ..training.assemble import Workshop

Columns = Mapping[str, Tensor]
"""Inputs by name, the bytes of a row in each row of (N, bytes), uint8."""

Words = NDArray[np.uint64]
Numbers = NDArray[np.int64]

# Rows hashed or compared at a time: few enough to stay in the processor's cache.
_CHUNK_ROWS = 256


@dataclass(frozen=True, eq=False)
class HashedRows:
    """The rows of a table by their bytes, and a hash of each, (N)."""

    columns: Columns
    hashes: Words


@dataclass(frozen=True)
class Repeated:
    """How many rows stand in another table too, and the first of them with its row there, from 0."""

    rows: int
    row: int
    other: int


def duplicate_rows_across_splits(workshop: Workshop) -> Iterator[Problem]:
    """MLX203: of all that the network reads together, not of the targets."""
    inputs, splits = workshop.blueprint.network.graph.inputs, workshop.splits
    train = hash_inputs(splits.train, inputs)
    for name, table in (("validation", splits.validation), ("test", splits.test)):
        repeated = None if table is None else find_repeated(hash_inputs(table, inputs), train)
        if table is not None and repeated is not None:
            yield Problem(
                f"{repeated.rows} of the {len(table)} {name} rows are training rows too ({name} row "
                f"{repeated.row} is training row {repeated.other}, counted from 0): they can be recalled "
                "instead of predicted; take them out of one of the two",
                ("data",),
            )


def hash_inputs(table: Table, inputs: Sequence[str]) -> HashedRows:
    """These inputs of a table, all of them together."""
    columns = {name: _bytes(table.inputs[name].reshape(len(table), -1)) for name in inputs}
    return HashedRows(columns, _hash(columns))


def _bytes(rows: Tensor) -> Tensor:
    """Rows (N, n) as their bytes, (N, bytes)."""
    # A single column may have any stride along it and be contiguous all the same; bytes need a stride of 1.
    if rows.stride(-1) != 1:
        rows = rows.clone(memory_format=torch.contiguous_format)
    return rows.contiguous().view(torch.uint8)


def find_repeated(rows: HashedRows, others: HashedRows) -> Repeated | None:
    """Which of `rows` stand in `others` too, byte for byte; None where none does."""
    order = np.argsort(others.hashes, kind="stable")
    position = np.searchsorted(others.hashes, rows.hashes, sorter=order)
    pending: Numbers = np.arange(len(rows.hashes), dtype=np.int64)
    partner: Numbers = np.full(len(rows.hashes), -1, dtype=np.int64)
    while len(pending):
        pending = pending[position[pending] < len(order)]
        candidates = order[position[pending]]
        alike = others.hashes[candidates] == rows.hashes[pending]
        pending, candidates = pending[alike], candidates[alike]
        same = _are_equal(rows.columns, pending, others.columns, candidates)
        partner[pending[same]] = candidates[same]
        # What hashes alike and is not the same may still be the same as the next one.
        pending = pending[~same]
        position[pending] += 1
    found = np.flatnonzero(partner >= 0)
    return Repeated(len(found), int(found[0]), int(partner[found[0]])) if len(found) else None


def _hash(columns: Columns) -> Words:
    """A number per row: sum over words w_i of (w_i ^ w_i >> 32) c_i mod 2^64, with fixed random odd c_i."""
    stream = np.random.RandomState(0)
    total = np.zeros(len(next(iter(columns.values()))), dtype=np.uint64)
    for values in columns.values():
        num_words = -(-values.shape[1] // 8)
        factors = np.frombuffer(stream.bytes(8 * num_words), dtype=np.uint64) | np.uint64(1)
        for start in range(0, len(values), _CHUNK_ROWS):
            words = _words(values[start : start + _CHUNK_ROWS], num_words)
            mixed = (words ^ (words >> np.uint64(32))) * factors
            total[start : start + _CHUNK_ROWS] += mixed.sum(1, dtype=np.uint64)
    return total


def _words(values: Tensor, num_words: int) -> Words:
    """Bytes (n, bytes) as (n, W), zeros behind the last."""
    rows: NDArray[np.uint8] = values.cpu().numpy()
    if rows.shape[1] % 8:
        rows = np.pad(rows, ((0, 0), (0, 8 * num_words - rows.shape[1])))
    return rows.view(np.uint64)


def _are_equal(columns: Columns, rows: Numbers, others: Columns, other_rows: Numbers) -> NDArray[np.bool_]:
    """Which of the pairs of rows hold the same bytes in every column."""
    equal = np.ones(len(rows), dtype=np.bool_)
    for name, values in columns.items():
        for start in range(0, len(rows), _CHUNK_ROWS):
            part = slice(start, start + _CHUNK_ROWS)
            one, other = torch.from_numpy(rows[part]), torch.from_numpy(other_rows[part])
            same = (values[one.to(values.device)] == others[name][other.to(values.device)]).all(1)
            equal[part] &= same.cpu().numpy()
    return equal
