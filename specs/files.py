"""The sources of the user's own files: tables, arrays and folders of images, and how they are split."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from .base import DistinctNames, Fraction, Name, Spec, as_tuple
from .columns import AnyInput, AnyTarget
from .source_base import SourceBase


class RandomSplit(Spec):
    """Rows drawn by `data.seed`."""

    type: Literal["random"] = "random"


class LastSplit(Spec):
    """The last rows for testing, those before them for validation."""

    type: Literal["last"] = "last"


class ColumnSplit(Spec):
    """What a column says: the values that mark each split. Fractions have no part in it."""

    type: Literal["column"] = "column"
    column: str
    train: DistinctNames = ("train",)
    validation: DistinctNames | None = None
    test: DistinctNames | None = None


class GroupSplit(Spec):
    """Whole groups of rows with the same value of a column, drawn by `data.seed`: no group on two sides."""

    type: Literal["group"] = "group"
    column: str


class StratifiedSplit(Spec):
    """Drawn by `data.seed` so that every label is as frequent in each split (Sechidis et al. 2011).

    `target` is binary, categorical or multilabel; left out, it is the only such target.
    """

    type: Literal["stratified"] = "stratified"
    target: str | None = None


AnySplit = Annotated[
    RandomSplit | LastSplit | ColumnSplit | GroupSplit | StratifiedSplit, Field(discriminator="type")
]


class FileBase(SourceBase):
    """What sources of the user's own files may say about their splits.

    Rows for testing and validation come from files of their own (`test_path`, `validation_path`), else
    from the fractions `test_split` and `validation_split` of the rows, by the way that `split` says.
    """

    test_path: str | None = None
    validation_path: str | None = None
    test_split: Fraction = 0.0
    split: AnySplit = Field(default_factory=RandomSplit)

    @property
    def has_validation(self) -> bool:
        """Whether any rows are kept for validation."""
        if self.validation_path is not None:
            return True
        if isinstance(self.split, ColumnSplit):
            return self.split.validation is not None
        return self.validation_split > 0.0


class TableFiles(FileBase):
    """A table in files: CSV, TSV, JSON lines or Parquet. `path` is a file, a pattern (`*`) or a folder.

    `format` goes by the file's ending, `separator` by the format (`,` or a tab). An empty cell is missing,
    and so is one of `null_values`. `id` names a column that predictions carry along. `sample_weights` are
    columns by the name that losses know them under.
    """

    source: Literal["table"] = "table"
    path: str
    format: Literal["auto", "csv", "tsv", "jsonl", "parquet"] = "auto"
    encoding: str = "utf-8"
    separator: str | None = Field(default=None, min_length=1, max_length=1)
    null_values: Annotated[tuple[str, ...], BeforeValidator(as_tuple)] = ()
    id: str | None = None
    inputs: dict[Name, AnyInput] = Field(min_length=1)
    targets: dict[Name, AnyTarget] = Field(default_factory=dict)
    sample_weights: dict[Name, str] = Field(default_factory=dict)


class ArrayField(Spec):
    """One array as an input or a target. `kind` says what its numbers are.

    `image` (uint8, channels first) is divided by 255; `tokens` and `classes` are whole numbers below
    `size`; `binary` are labels of 0 and 1, NaN where missing; `labels` name the classes or the last axis.
    """

    array: str | None = None
    kind: Literal["image", "numbers", "tokens", "binary", "classes", "values"]
    size: int | None = Field(default=None, gt=0)
    labels: Annotated[tuple[str, ...], BeforeValidator(as_tuple)] = ()


class Arrays(FileBase):
    """NumPy arrays with one first axis: an `.npz` file, or a folder of `.npy` files, by name."""

    source: Literal["arrays"] = "arrays"
    path: str
    inputs: dict[Name, ArrayField] = Field(min_length=1)
    targets: dict[Name, ArrayField] = Field(default_factory=dict)
    sample_weights: dict[Name, str] = Field(default_factory=dict)


class ImageFolder(FileBase):
    """A folder with a folder of image files per class.

    Input `image` (channels, height, width), resized to `size` (height, width); target `label`.
    """

    source: Literal["images"] = "images"
    path: str
    size: Annotated[tuple[int, int], BeforeValidator(as_tuple)]
    channels: Literal[1, 3] = 3
