"""Owns splitting the rows of a table by what its own columns say.

Legend: N rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ..specs.columns import Regression
from ..specs.files import ColumnSplit, GroupSplit, StratifiedSplit, TableFiles
from .cells import CellReader
from .fit import fit_encoder
from .frame import Frame
from .row_splits import RowSplits, choose_target, split_rows
from .stratify import LabelEntries


def split_frame(spec: TableFiles, frame: Frame, targets: Mapping[str, Sequence[str]]) -> RowSplits:
    """The rows of a frame by split; `targets` are the columns of each target, by its name.

    Raises ConfigError and DataError as `split_rows` does, and for cells that cannot be read.
    """
    split = spec.split
    values, labels = None, None
    if isinstance(split, ColumnSplit | GroupSplit):
        reader = CellReader(frame, ("data", "split", "column"))
        values = reader.texts(split.column).to_list()
        reader.finish()
    elif isinstance(split, StratifiedSplit):
        labelled = [name for name, target in spec.targets.items() if not isinstance(target, Regression)]
        name = choose_target(split, labelled, spec.targets)
        labels = _labels_of(spec, frame, name, targets[name])
    return split_rows(spec, len(frame), values=values, labels=labels, where=frame.where)


def _labels_of(spec: TableFiles, frame: Frame, name: str, columns: Sequence[str]) -> LabelEntries:
    """The labels of all rows, as the target's own encoder reads them; missing ones count as absent."""
    target = spec.targets[name]
    encoder = fit_encoder(target, frame, name=name, role="targets", columns=columns)
    encoded = encoder.encode(frame)
    values = encoded.values.numpy()
    if encoder.field.kind != "classes":
        return LabelEntries.of_binary(values)  # where nothing is observed there is a 0
    if encoded.observed is not None:
        values = np.where(encoded.observed.numpy(), values, -1)
    return LabelEntries.of_classes(values)
