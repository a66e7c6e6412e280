"""Rows to predict in NumPy arrays: named as the inputs, of the shapes and kinds that the run was trained on.

Legend: B rows of a batch, N rows of the file.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np

from ..data import Field
from ..data.array_fields import ArrayColumn, check_values, describe_column, to_tensor
from ..data.array_files import ArrayFiles, StoredArray, list_arrays
from ..specs.errors import ConfigError, DataError, Problem, quoted, unknown_name
from ..specs.files import ArrayField, Arrays
from .prediction_inputs import Rows
from .trained_run import ROW, TrainedRun


def array_rows(run: TrainedRun, file: str | BinaryIO, *, rows: int) -> Iterator[Rows]:
    """The rows of an `.npz` file, a folder of `.npy` files, or one `.npy` file for a single input.

    Raises ConfigError for another file, DataError for arrays that are missing or of other shapes and values.
    """
    import polars as pl

    arrays = _listed(run, file)
    fields = {name: run.blueprint.schema.inputs[name] for name in run.inputs}
    columns = {name: _column(run, name, fields[name], arrays) for name in fields}
    stored = {name: column.stored["path"] for name, column in columns.items()}
    num_rows = _num_rows(stored)
    values = {name: each.read() for name, each in stored.items()}
    for name, column in columns.items():
        check_values(column, fields[name], "path", values[name])
    for first in range(0, num_rows, rows):
        part = slice(first, first + rows)
        inputs = {name: to_tensor(fields[name], each[part]) for name, each in values.items()}
        yield Rows(pl.Series(ROW, np.arange(first, min(first + rows, num_rows), dtype=np.int64) + 1), inputs)


def _listed(run: TrainedRun, file: str | BinaryIO) -> ArrayFiles:
    source, names = run.experiment.data.source, list(run.inputs)
    place = Path(file) if isinstance(file, str) else None
    fitting = place is not None and (place.suffix.lower() in (".npz", ".npy") or place.is_dir())
    if not fitting or place is None:
        given = "standard input" if place is None or file == "-" else f"'{place}'"
        raise ConfigError(
            f"{given} cannot be predicted by a run of source {source!r}; give an .npz file with the arrays "
            f"{', '.join(names)}."
        )
    if place.suffix.lower() == ".npy" and place.is_file() and len(names) == 1:
        return ArrayFiles(place, {_array_name(run, names[0]): (place, None)})
    return list_arrays(str(place), key=())


def _array_name(run: TrainedRun, name: str) -> str:
    """What the config calls the array of an input."""
    data = run.experiment.data
    return (data.inputs[name].array or name) if isinstance(data, Arrays) else name


def _column(run: TrainedRun, name: str, field: Field, arrays: ArrayFiles) -> ArrayColumn:
    array = _array_name(run, name)
    if array not in arrays.members:
        message = unknown_name("array", array, arrays.members)
        raise DataError(Problem(message, file=str(arrays.path)))
    stored = arrays.stored(array)
    assert field.kind != "classes", "no input is of that kind"
    spec = ArrayField(array=array, kind=field.kind, size=field.size)
    column = ArrayColumn(name, "inputs", spec, {"path": stored})
    # Images may have been given another shape by the config; what else they are is the same.
    if field.kind != "image":
        describe_column(column)
    elif stored.dtype != np.uint8:
        raise DataError(column.problem(f"is of type {stored.dtype}; images are bytes (uint8)", "path"))
    shapes = [field.shape, ()] if field.shape == (1,) else [field.shape]
    if stored.shape[1:] not in shapes or not stored.shape or 0 in stored.shape:
        message = f"has the shape {stored.shape}; this run reads rows of shape {field.shape}"
        raise DataError(column.problem(message, "path"))
    return column


def _num_rows(stored: dict[str, StoredArray]) -> int:
    """Raises DataError where the arrays are not equally long."""
    (first, one), *others = stored.items()
    for name, each in others:
        if each.shape[0] != one.shape[0]:
            message = f"{quoted(name)} has {each.shape[0]} rows, but {quoted(first)} has {one.shape[0]}"
            raise DataError(Problem(message, file=str(each.file)))
    return one.shape[0]
