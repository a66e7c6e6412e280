"""A selection keeps rows, masks and scales of the columns it names, and nothing else."""

from __future__ import annotations

import torch
from mlx_runner.data import Scale, Table


def test_select_keeps_only_the_named_columns() -> None:
    table = Table(
        inputs={"image": torch.ones(3, 2), "other": torch.ones(3)},
        targets={"digit": torch.arange(3), "labels": torch.ones(3, 4)},
        weights={"weight": torch.ones(3)},
        masks={"labels": torch.ones(3, 4, dtype=torch.bool)},
        scales={"image": Scale(0.0, 255.0)},
    )
    chosen = table.select({"image", "digit"})
    assert (list(chosen.inputs), list(chosen.targets)) == (["image"], ["digit"])
    assert (list(chosen.weights), list(chosen.masks), list(chosen.scales)) == (["weight"], [], ["image"])
    assert list(table.select({"labels"}).masks) == ["labels"]
    assert len(table.select({"labels"})) == 3
