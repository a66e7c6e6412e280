"""Owns one target of a draft: what the config says of it, and the output, loss and metrics that suit it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from ..specs.errors import quoted
from .draft_sketch import Sketch
from .draft_yaml import Value, number

TargetKind = Literal["binary", "categorical", "multilabel", "regression"]

YES = ("1", "1.0", "true", "yes")
"""What is read as 1, in lower case."""

_MOST_SHOWN = 6
_MANY_CLASSES = 10


@dataclass(frozen=True, kw_only=True)
class Target:
    """One target: its kind, its columns, what is not sure, and how many units its output has.

    `rare` is the rarest class and its share, where its errors would hardly count.
    """

    kind: TargetKind
    sketches: tuple[Sketch, ...]
    units: int
    positive: str | None = None
    negative: str | None = None
    rare: tuple[str, float] | None = None
    doubt: str | None = None

    @property
    def fields(self) -> Mapping[str, Value]:
        """What the config says of it."""
        first, names = self.sketches[0], [sketch.column for sketch in self.sketches]
        match self.kind:
            case "binary" if self.positive is not None and self.negative is not None:
                values = {"positive": self.positive, "negative": self.negative}
                return {"type": "binary", "column": first.column, **values}
            case "binary":
                return {"type": "binary", "column": first.column}
            case "categorical":
                return {"type": "categorical", "column": first.column, "categories": list(first.counts)}
            case "multilabel" if first.kind == "labels":
                separated = {"separator": first.separator, "labels": list(first.counts)}
                return {"type": "multilabel", "column": first.column, **separated}
            case "multilabel":
                return {"type": "multilabel", "columns": names}
            case "regression":
                columns: Value = names[0] if len(names) == 1 else names
                return {"type": "regression", "columns": columns, **({"log1p": True} if first.heavy else {})}

    @property
    def activation(self) -> str | None:
        """That of its output; None for values as they come."""
        by_kind = {"binary": "sigmoid", "multilabel": "sigmoid", "categorical": "softmax"}
        return by_kind.get(self.kind)

    @property
    def loss(self) -> str:
        """The loss of its output."""
        by_kind = {"categorical": "sparse_categorical_crossentropy", "regression": "mean_squared_error"}
        return by_kind.get(self.kind, "binary_crossentropy")

    @property
    def metrics(self) -> tuple[str, ...]:
        """The metrics of its output."""
        match self.kind:
            case "binary":
                return ("binary_accuracy", "f1", "auroc")
            case "multilabel":
                return ("hamming_loss", "f1_micro", "f1_macro", "subset_accuracy")
            case "categorical":
                return ("categorical_accuracy", *(("top_k_accuracy",) if self.units > _MANY_CLASSES else ()))
            case "regression":
                return ("r2", "mae")

    def describe(self) -> Iterator[str]:
        """What it is, for who reads the config."""
        first = self.sketches[0]
        match self.kind:
            case "binary":
                yes = sum(rows for value, rows in first.counts.items() if self._is_yes(value))
                yield f"Yes or no, 1 in {yes:,} of {first.num_filled:,} rows."
            case "categorical":
                yield f"One of {self.units} classes: {self._listed()}. One that is not listed is an error."
            case "multilabel" if first.kind == "labels":
                yield f"{self.units} labels, of which several may hold: {self._listed()}."
            case "multilabel":
                yield f"{self.units} labels, of which several may hold."
            case "regression":
                yield from self._describe_numbers()

    def _describe_numbers(self) -> Iterator[str]:
        first, several = self.sketches[0], len(self.sketches) > 1
        if first.heavy:
            yield (
                f"Amounts with a heavy tail ({quoted(first.column)} goes from {number(first.low)} to "
                f"{number(first.high)}): log1p keeps the few large ones from ruling the loss."
            )
        else:
            spans = (
                f"{self.units} numbers"
                if several
                else f"A number from {number(first.low)} to {number(first.high)}"
            )
            yield f"{spans}, standardized for the loss; metrics are given in the table's units too."

    def _is_yes(self, value: str) -> bool:
        return value == self.positive if self.positive is not None else value.lower() in YES

    def _listed(self) -> str:
        counts = self.sketches[0].counts
        shown = [f"{quoted(value)} ({rows:,})" for value, rows in list(counts.items())[:_MOST_SHOWN]]
        return ", ".join(shown) + (" and so on" if len(counts) > _MOST_SHOWN else "")
