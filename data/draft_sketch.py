"""Owns the sketch of a column: what its cells look like, without a say in what it is used for."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import Literal

from ..specs.errors import quoted

Kind = Literal[
    "numeric", "binary", "categorical", "text", "datetime", "identifier", "group", "constant", "empty",
    "labels", "image", "unreadable",
]  # fmt: skip

MOST_CLASSES = 1000
"""Of more values none is kept: a target of more classes is no task to begin with."""

_ID = re.compile(r"(^|[_\s.-])(id|ids|index|idx|key|uuid|guid|rownum|row_number|nr|no)$|^unnamed: \d+$")
_CAMEL_ID = re.compile(r"[a-z](ID|Id)$")
_CODE = re.compile(r"(^|[_\s.-])(code|zip|zipcode|postcode|postal_code|plz|category|type|kind|region)$")
_GROUP = re.compile(
    r"(^|[_\s.-])(user|username|customer|client|patient|subject|person|participant|session|account|member|"
    r"household|group|author|speaker|device|player|student|store|shop)(s|name|[_\s.-]?id)?$"
)
_DATE = re.compile(r"date|day|time|created|updated|timestamp|(^|_)dt(_|$)")

_FEWEST_GROUPS = 20


@dataclass(frozen=True, kw_only=True)
class Sketch:
    """What the cells of one column look like.

    `counts` are the rows by value where there are few values, by label for separated labels. `number`: all
    cells are numbers (`whole` ones), from `low` to `high`; `heavy`: with a tail that log1p would shorten.
    `yes_no`: the cells are 0 and 1, true and false, yes and no. `words` is how many most texts do not pass.
    `reason` says what stands against the column as an input, `doubt` what is not sure about it.
    """

    column: str
    kind: Kind
    num_rows: int
    num_empty: int = 0
    num_distinct: int = 0
    counts: dict[str, int] = field(default_factory=dict[str, int])
    number: bool = False
    whole: bool = False
    heavy: bool = False
    low: float = 0.0
    high: float = 0.0
    yes_no: bool = False
    date_format: str | None = None
    timed: bool = True
    words: int = 0
    html: bool = False
    separator: str = ";"
    root: str = "."
    size: tuple[int, int] = (32, 32)
    channels: Literal[1, 3] = 3
    reason: str = ""
    doubt: str | None = None

    @property
    def num_filled(self) -> int:
        """The cells that are not empty."""
        return self.num_rows - self.num_empty

    @property
    def repeats(self) -> float:
        """How often a value comes on average."""
        return self.num_filled / max(1, self.num_distinct)

    def as_group(self) -> Sketch:
        """The same cells as names of whom or what the rows belong to."""
        doubt = (
            f"{quoted(self.column)} seems to say whom or what a row is of ({self.num_distinct:,} names, "
            f"of {self.repeats:.3g} rows on average): such rows are alike, and may flatter the scores of a "
            "random split"
        )
        return replace(self, kind="group", reason="the same few rows share each value", doubt=doubt)

    def as_unreadable(self, reason: str, doubt: str | None = None) -> Sketch:
        """The same cells as none that can be used."""
        return replace(self, kind="unreadable", reason=reason, doubt=doubt)

    def as_identifier(self, reason: str, doubt: str | None = None) -> Sketch:
        """The same cells as names of the rows."""
        return replace(self, kind="identifier", reason=reason, doubt=doubt)


def is_named_as_id(column: str) -> bool:
    """Whether a column is called as numbers of rows or keys are."""
    return bool(_ID.search(column.strip().lower()) or _CAMEL_ID.search(column.strip()))


def is_named_as_code(column: str) -> bool:
    """Whether a column is called as numbers are that stand for something."""
    return bool(_CODE.search(column.strip().lower()))


def is_named_as_date(column: str) -> bool:
    """Whether a column is called as dates are."""
    return bool(_DATE.search(column.strip().lower()))


def names_groups(sketch: Sketch) -> bool:
    """Whether a column is called as people or things are that come in several rows each, and does so."""
    named = bool(_GROUP.search(sketch.column.strip().lower()))
    return named and sketch.repeats >= 2.0 and sketch.num_distinct > _FEWEST_GROUPS
