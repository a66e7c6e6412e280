"""Missing entries: NaN in a target is a label that nobody gave, and is masked for that entry alone."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from .table import Table


def mask_missing(table: Table) -> Table:
    """The same rows, NaN targets replaced by 0 and masked (True = observed); others untouched."""
    missing: dict[str, Tensor] = {
        name: target.isnan() for name, target in table.targets.items() if target.is_floating_point()
    }
    missing = {name: entries for name, entries in missing.items() if bool(entries.any())}
    if not missing:
        return table
    filled = {name: table.targets[name].masked_fill(entries, 0.0) for name, entries in missing.items()}
    masks = {name: ~entries & _over_entries(table, name) for name, entries in missing.items()}
    return replace(table, targets={**table.targets, **filled}, masks={**table.masks, **masks})


def _over_entries(table: Table, name: str) -> Tensor:
    """The mask that a target has, with the target's number of axes; without one all is observed."""
    target = table.targets[name]
    mask = table.masks.get(name)
    if mask is None:
        return torch.ones_like(target, dtype=torch.bool)
    return mask.reshape(mask.shape + (1,) * (target.dim() - mask.dim()))
