"""Missing entries: NaN in a target is a label that nobody gave, and is masked for that entry alone."""

from __future__ import annotations

from dataclasses import replace

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
    filled = {name: table.targets[name].nan_to_num(0.0) for name in missing}
    masks = {name: ~entries & table.masks.get(name, ~entries) for name, entries in missing.items()}
    return replace(table, targets={**table.targets, **filled}, masks={**table.masks, **masks})
