"""The order of the rows: a pure function of the seed and the epoch."""

from __future__ import annotations

import torch
from torch import Tensor

from ..specs.seeds import derive_seed


def epoch_order(seed: int, epoch: int, rows: int) -> Tensor:
    """A permutation of `rows` row numbers, int64 on the CPU; epochs count from 1."""
    generator = torch.Generator().manual_seed(derive_seed(seed, "order", epoch))
    return torch.randperm(rows, generator=generator)
