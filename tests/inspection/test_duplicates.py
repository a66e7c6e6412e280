"""Rows that stand in two splits, against a dictionary of their bytes."""

from __future__ import annotations

import time
from typing import Any
from unittest import mock

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mlx_runner.data import Table
from mlx_runner.inspection import duplicates
from mlx_runner.inspection.duplicates import Repeated, find_repeated, hash_inputs

DTYPES = (torch.uint8, torch.int64, torch.float32, torch.float64, torch.int16)


def by_dictionary(table: Table, other: Table, names: list[str]) -> Repeated | None:
    """The same by hand: the first row of `other` with the same bytes."""

    def key(rows: Table, row: int) -> bytes:
        return b"".join(rows.inputs[name][row].numpy().tobytes() for name in names)

    first: dict[bytes, int] = {}
    for row in range(len(other)):
        first.setdefault(key(other, row), row)
    pairs = [(row, first[key(table, row)]) for row in range(len(table)) if key(table, row) in first]
    return Repeated(len(pairs), *pairs[0]) if pairs else None


def found(table: Table, other: Table, names: list[str]) -> Repeated | None:
    return find_repeated(hash_inputs(table, names), hash_inputs(other, names))


def tables(seed: int, shape: tuple[int, ...], dtype: torch.dtype, values: int) -> tuple[Table, Table]:
    """Two tables of few values, so that rows repeat, with an input of one number beside."""
    generator = torch.Generator().manual_seed(seed)

    def make(rows: int) -> Table:
        first = torch.randint(0, values, (rows, *shape), generator=generator).to(dtype)
        second = torch.randint(0, 2, (rows, 1), generator=generator).float()
        return Table({"first": first, "second": second}, {})

    return make(300), make(700)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 1000),
    shape=st.sampled_from([(), (1,), (3,), (8,), (2, 5), (17,)]),
    dtype=st.sampled_from(DTYPES),
    values=st.sampled_from([1, 2, 200]),
    same_hash=st.booleans(),
)
def test_they_are_those_of_a_dictionary(
    seed: int, shape: tuple[int, ...], dtype: torch.dtype, values: int, same_hash: bool
) -> None:
    """Whatever the hash: where many rows or all hash alike, their bytes decide."""
    table, other = tables(seed, shape, dtype, values)
    names = ["first", "second"]
    plain = duplicates._hash

    def coarse(columns: duplicates.Columns) -> Any:
        return plain(columns) % np.uint64(3)

    with mock.patch.object(duplicates, "_hash", coarse if same_hash else plain):
        assert found(table, other, names) == by_dictionary(table, other, names)
        assert found(table, other, ["first"]) == by_dictionary(table, other, ["first"])


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_byte_counts(dtype: torch.dtype) -> None:
    """A row that differs in one bit is another row."""
    rows = torch.zeros(1, 11).to(dtype)
    raw = rows.view(torch.uint8)
    others = [raw.clone() for _ in range(8 * raw.shape[1])]
    for bit, other in enumerate(others):
        other[0, bit // 8] ^= 1 << bit % 8
    other = torch.cat(others).view(dtype)
    table = Table({"x": rows}, {})
    hashed = hash_inputs(Table({"x": other}, {}), ["x"])
    assert find_repeated(hash_inputs(table, ["x"]), hashed) is None
    assert len(set(hashed.hashes.tolist())) == len(other)


def test_a_part_of_a_table_is_read_in_place() -> None:
    rows = Table({"x": torch.arange(40).reshape(20, 2)}, {})
    assert found(rows.slice(15, 20), rows.slice(0, 17), ["x"]) == Repeated(2, 0, 15)
    swapped = Table({"x": rows.inputs["x"].T.contiguous().T}, {})
    assert found(swapped, rows, ["x"]) == Repeated(20, 0, 0)


def test_the_rows_of_mnist_take_well_under_a_second() -> None:
    """Of processor time, the better of two: 54,000 training rows beside 16,000 others."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (70_000, 784), dtype=torch.uint8, generator=generator)
    images[69_999] = images[123]
    rows = Table({"image": images}, {})
    seconds: list[float] = []
    for _ in range(2):
        started = time.process_time()
        repeated = found(rows.slice(54_000, 70_000), rows.slice(0, 54_000), ["image"])
        seconds.append(time.process_time() - started)
        assert repeated == Repeated(1, 15_999, 123)
    assert min(seconds) < 0.5


def test_a_single_column_with_a_stride_of_its_own() -> None:
    """As `array[:, None]` of NumPy makes it: contiguous, and yet not one byte after the other."""
    values = np.arange(6, dtype=np.float32)
    wide = np.arange(12, dtype=np.float32).reshape(6, 2)
    for column in (torch.from_numpy(values[:, None]), torch.from_numpy(wide[:, 1:])):
        rows = Table({"first": column}, {})
        assert found(rows, rows, ["first"]) == Repeated(6, 0, 0)
