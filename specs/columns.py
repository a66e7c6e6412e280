"""How columns of a table become inputs and targets: one frozen model per `type`.

White space around a cell means nothing, and a cell of nothing else is empty.
"""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints, model_validator

from .base import DistinctNames, Spec, as_tuple
from .errors import quoted

Missing = Literal["mean", "median", "zero", "error"]
"""What stands in the place of an empty cell of an input: fitted on the training rows, or an error."""

DEFAULT_LENGTH = 100
DEFAULT_SEPARATOR = ";"

Bare = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
"""The text of a cell, without white space around it."""


def _each_once(labels: tuple[str, ...]) -> tuple[str, ...]:
    repeated = [label for label, count in Counter(labels).items() if count > 1]
    if repeated:
        raise ValueError(f"{quoted(repeated[0])} is named more than once")
    return labels


Labels = Annotated[
    tuple[Bare, ...], BeforeValidator(as_tuple), AfterValidator(_each_once), Field(min_length=1)
]


def _readable(date_format: str) -> str:
    try:
        datetime.strptime(datetime(2001, 2, 3, 4, 5, 6, tzinfo=UTC).strftime(date_format), date_format)
    except ValueError:
        message = f"no date can be read by {quoted(date_format)}; a format is like '%Y-%m-%d %H:%M'"
        raise ValueError(message) from None
    return date_format


DateFormat = Annotated[str, AfterValidator(_readable)]
"""A format of strftime that dates can be read by."""


class Column(Spec):
    """What one column is read by."""

    column: str = Field(min_length=1)


class Columns(Spec):
    """What one column or several are read by. A `*` in a name stands for any text."""

    columns: DistinctNames
    exclude: DistinctNames | None = None


class Numeric(Columns):
    """Numbers (inputs), a value per column: log1p first, then the scale, fitted on the training rows.

    `missing` fills in what a cell would have held, so before log1p and scale; the scale is that of the
    cells that were not empty. `indicator` adds, behind all values, one per column with empty cells in the
    training rows: 1 where the cell was empty.
    """

    type: Literal["numeric"] = "numeric"
    log1p: bool = False
    scale: Literal["standardize", "minmax", "none"] = "standardize"
    missing: Missing = "mean"
    indicator: bool = True


class CategoricalTarget(Column):
    """One of several categories: those of the training rows, or those given, in order.

    Those of the training rows are ordered by number where all are numbers, else by text with the numbers in
    it counting as such (`2nd` before `10th`). As a target the class's number; an empty cell is masked.
    `unknown: own` gives values that are not known a category of its own (the first); with `error` they are
    errors.
    """

    type: Literal["categorical"] = "categorical"
    categories: Labels | None = None
    unknown: Literal["error", "own"] = "error"


class Categorical(CategoricalTarget):
    """One of several categories, as for a target: `one_hot` (a value each), or `index` (for an embedding).

    An empty cell is a value that is not known.
    """

    encoding: Literal["one_hot", "index"] = "one_hot"


class Text(Column):
    """Text: as a sequence of token numbers for an embedding, as counts of tokens, or as tf-idf.

    Number 0 is padding and 1 an unknown token; the vocabulary, these two included, is the most frequent
    tokens of the training rows. Counts and tf-idf have a value per token, none for padding and unknown.
    `words` splits at white space and punctuation; `bpe` learns pieces of words (byte-pair encoding). An
    empty cell is an empty text.
    """

    type: Literal["text"] = "text"
    encoding: Literal["sequence", "counts", "tfidf"] = "sequence"
    tokenizer: Literal["words", "bpe"] = "words"
    lowercase: bool = True
    html: bool = False
    """Whether `&amp;` and its like are replaced by what they stand for."""
    vocabulary_size: int = Field(default=10_000, gt=2, le=10_000_000)
    length: int = Field(default=DEFAULT_LENGTH, gt=0, le=100_000)
    """Tokens of a sequence; counts and tf-idf read all."""
    padding: Literal["before", "after"] = "before"
    """Where a shorter text is filled up; a longer one loses its end."""

    @model_validator(mode="after")
    def _has_effect(self) -> Self:
        if self.encoding != "sequence" and self.length != DEFAULT_LENGTH:
            raise ValueError(f"length has no effect with encoding: {self.encoding}")
        if self.encoding != "sequence" and self.padding != "before":
            raise ValueError(f"padding has no effect with encoding: {self.encoding}")
        return self


TimePart = Literal["hour", "weekday", "month"]


class Datetime(Column):
    """A point in time: each part as sine and cosine of its cycle, and the time since the first training row.

    `format` is strftime's; without it ISO 8601. A time with an offset from UTC is taken in UTC. `elapsed`
    is standardized. In the place of an empty cell stands the mean of each value over the training rows.
    """

    type: Literal["datetime"] = "datetime"
    format: DateFormat | None = None
    parts: Annotated[tuple[TimePart, ...], BeforeValidator(as_tuple)] = ("hour", "weekday", "month")
    elapsed: bool = True

    @model_validator(mode="after")
    def _gives_something(self) -> Self:
        if not self.parts and not self.elapsed:
            raise ValueError("name some parts, or say elapsed: true; as it is nothing is left")
        if len(set(self.parts)) < len(self.parts):
            raise ValueError("a part is named more than once")
        return self


class Binary(Column):
    """A yes or no: 1 where the cell is `positive`, 0 where it is `negative` (any other value if not given).

    Without `positive` the cells must be 0 or 1, true or false, yes or no. An empty cell of an input is 0.5,
    one of a target is masked.
    """

    type: Literal["binary"] = "binary"
    positive: Bare | None = None
    negative: Bare | None = None

    @model_validator(mode="after")
    def _tells_apart(self) -> Self:
        if self.negative is not None and self.positive is None:
            raise ValueError("negative needs positive: which cells are 1?")
        if self.negative is not None and self.negative == self.positive:
            raise ValueError(f"positive and negative are both {quoted(self.negative)}")
        return self


class Multilabel(Spec):
    """Several labels at once: `columns` of 0 and 1, one per label, or one `column` of separated labels.

    In one column (`red;round`) the labels are those of the training rows, sorted, or those given, and
    `none` is the text of no label at all. An empty cell is masked: for that label alone in `columns`.
    """

    type: Literal["multilabel"] = "multilabel"
    columns: DistinctNames | None = None
    column: str | None = Field(default=None, min_length=1)
    separator: str = Field(default=DEFAULT_SEPARATOR, min_length=1)
    labels: Labels | None = None
    none: Bare | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.columns is None) == (self.column is None):
            raise ValueError("give either columns, one per label, or one column of separated labels")
        if self.columns is not None and (self.labels is not None or self.none is not None):
            raise ValueError("labels and none are for one column of separated labels")
        if self.columns is not None and self.separator != DEFAULT_SEPARATOR:
            raise ValueError("separator is for one column of separated labels")
        if self.none is not None and self.none in (self.labels or ()):
            raise ValueError(f"{quoted(self.none)} is a label, so it cannot mean that there is none")
        return self


class Regression(Columns):
    """Numbers to predict: log1p first, then the scale, fitted on the training rows and undone in predictions.

    Metrics are given in both units. An empty cell is masked for that column alone.
    """

    type: Literal["regression"] = "regression"
    log1p: bool = False
    scale: Literal["standardize", "minmax", "none"] = "standardize"


class ImageFile(Column):
    """The path of an image file, relative to `root`: decoded, resized to `size` (height, width), uint8."""

    type: Literal["image"] = "image"
    root: str = "."
    size: Annotated[tuple[int, int], BeforeValidator(as_tuple)]
    channels: Literal[1, 3] = 3


AnyInput = Annotated[
    Numeric | Categorical | Text | Datetime | Binary | ImageFile, Field(discriminator="type")
]

AnyTarget = Annotated[Binary | CategoricalTarget | Multilabel | Regression, Field(discriminator="type")]
