"""The fingerprint changes with every part of the content, and with nothing else."""

from __future__ import annotations

import hashlib
import struct

import pytest
import torch
from mlx_runner.data.fingerprint import fingerprint_tables
from mlx_runner.data.table import Scale, Table


def columns() -> dict[str, dict]:
    return {
        "inputs": {"x": torch.arange(6, dtype=torch.uint8).reshape(3, 2), "a": torch.zeros(3)},
        "targets": {"y": torch.zeros(3)},
        "weights": {"w": torch.ones(3)},
        "masks": {"y": torch.tensor([True, False, True])},
    }


BASE = fingerprint_tables([Table(**columns())])


def test_content_is_hashed_group_by_group_and_name_by_name() -> None:
    written = (
        b"inputs.a:torch.float32:(3,);" + bytes(12),
        b"inputs.x:torch.uint8:(3, 2);" + bytes(range(6)),
        b"targets.y:torch.float32:(3,);" + bytes(12),
        b"weights.w:torch.float32:(3,);" + struct.pack("<3f", 1.0, 1.0, 1.0),
        b"masks.y:torch.bool:(3,);" + b"\1\0\1",
    )
    assert hashlib.sha256(b"".join(written)).hexdigest() == BASE


@pytest.mark.parametrize(
    ("group", "name", "value"),
    [
        ("inputs", "x", torch.tensor([[0, 1], [2, 3], [4, 6]], dtype=torch.uint8)),
        ("inputs", "x", torch.arange(6, dtype=torch.uint8).reshape(3, 2, 1)),
        ("inputs", "x", torch.arange(6).reshape(3, 2)),
        ("targets", "y", torch.tensor([0.0, 0.0, 1.0])),
        ("targets", "z", torch.zeros(3)),
        ("weights", "w", torch.zeros(3)),
        ("masks", "y", torch.tensor([True, True, True])),
    ],
)
def test_every_change_of_content_shows(group: str, name: str, value: torch.Tensor) -> None:
    changed = columns()
    changed[group][name] = value
    assert fingerprint_tables([Table(**changed)]) != BASE


def test_order_of_columns_memory_layout_and_scale_do_not_show() -> None:
    same = columns()
    same["inputs"] = {"a": same["inputs"]["a"], "x": same["inputs"]["x"].t().contiguous().t()}
    assert fingerprint_tables([Table(**same, scales={"x": Scale(0.0, 255.0)})]) == BASE


def test_the_place_of_a_split_shows() -> None:
    table = Table(**columns())
    assert len({fingerprint_tables(tables) for tables in ([table], [table, None], [None, table])}) == 3
