"""Owns the choice of encoder: from what a config says about columns, and from what an earlier run kept."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Literal, overload

from pydantic import ValidationError

from ..specs.columns import (
    Binary,
    Categorical,
    CategoricalTarget,
    Datetime,
    ImageFile,
    Multilabel,
    Numeric,
    Regression,
    Text,
)
from ..specs.errors import DataError, Problem, quoted, unknown_name
from .binary_columns import BinaryInput, BinaryTarget, fit_binary_input, fit_binary_target
from .category_columns import CategoryEncoder, ClassEncoder, fit_category, fit_class
from .encoder import Document, Encoder, Role, TargetEncoder
from .frame import Frame
from .image_columns import ImageColumn, plan_image
from .label_columns import LabelColumns, SeparatedLabels, fit_label_columns, fit_separated_labels
from .numeric_columns import NumericEncoder, fit_numeric
from .regression_columns import RegressionEncoder, fit_regression
from .text_columns import TextEncoder, fit_text
from .time_columns import TimeEncoder, fit_time

InputColumns = Numeric | Categorical | Text | Datetime | Binary | ImageFile
TargetColumns = Binary | CategoricalTarget | Multilabel | Regression

AnyInputEncoder = NumericEncoder | CategoryEncoder | TextEncoder | TimeEncoder | BinaryInput | ImageColumn
AnyTargetEncoder = BinaryTarget | ClassEncoder | LabelColumns | SeparatedLabels | RegressionEncoder

_INPUTS: dict[str, type[AnyInputEncoder]] = {
    "numeric": NumericEncoder,
    "categorical": CategoryEncoder,
    "text": TextEncoder,
    "datetime": TimeEncoder,
    "binary": BinaryInput,
    "image": ImageColumn,
}
_TARGETS: dict[str, type[AnyTargetEncoder]] = {
    "binary": BinaryTarget,
    "categorical": ClassEncoder,
    "multilabel": LabelColumns,
    "separated_labels": SeparatedLabels,
    "regression": RegressionEncoder,
}


@overload
def fit_encoder(
    spec: InputColumns, frame: Frame, *, name: str, role: Literal["inputs"], columns: Sequence[str]
) -> Encoder: ...


@overload
def fit_encoder(
    spec: TargetColumns, frame: Frame, *, name: str, role: Literal["targets"], columns: Sequence[str]
) -> TargetEncoder: ...


def fit_encoder(
    spec: InputColumns | TargetColumns, frame: Frame, *, name: str, role: Role, columns: Sequence[str]
) -> Encoder:
    """Learn from the training rows, and from them alone, how columns become an input or a target.

    `columns` are the names that the patterns of the config match, in order.

    Raises:
        DataError: cells that cannot be read, a target that no row has a label for.
        ConfigError: a size that images cannot have.
    """
    assert columns, "patterns that match no column are found before"
    if not len(frame):
        raise DataError(Problem("there is no training row to learn from.", ("data", role, name)))
    if role == "inputs":
        assert isinstance(spec, InputColumns), "inputs are of the types of inputs"
        return _fit_input(spec, frame, name=name, columns=columns)
    assert isinstance(spec, TargetColumns), "targets are of the types of targets"
    return _fit_target(spec, frame, name=name, columns=columns)


def load_encoder(document: Document) -> AnyInputEncoder | AnyTargetEncoder:
    """The encoder that a document was made of, checked; nothing in it is ever executed.

    Raises:
        DataError: a damaged document, or one of another format.
    """
    role, kind = document.get("role"), document.get("type")
    registry = {"inputs": _INPUTS, "targets": _TARGETS}.get(role) if isinstance(role, str) else None
    if registry is None:
        raise DataError(_damaged(document, "role is neither inputs nor targets"))
    if not isinstance(kind, str) or kind not in registry:
        raise DataError(_damaged(document, unknown_name("type", str(kind), registry)))
    try:
        # From text, in which a list is the tuple that a frozen model holds.
        return registry[kind].model_validate_json(json.dumps(document, allow_nan=False))
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        place = ".".join(str(step) for step in first["loc"])
        wrong = ": ".join(part for part in (place, first["msg"]) if part)
        raise DataError(_damaged(document, wrong)) from error
    except (TypeError, ValueError, RecursionError) as error:
        raise DataError(_damaged(document, "it holds what JSON cannot")) from error


def load_target(document: Document) -> AnyTargetEncoder:
    """As `load_encoder`, for a document that has to be a target's. Raises DataError."""
    encoder = load_encoder(document)
    if not isinstance(encoder, AnyTargetEncoder):
        raise DataError(_damaged(document, "it is an input's, not a target's"))
    return encoder


def _fit_input(spec: InputColumns, frame: Frame, *, name: str, columns: Sequence[str]) -> AnyInputEncoder:
    match spec:
        case Numeric():
            return fit_numeric(spec, frame, name=name, columns=columns)
        case Categorical():
            return fit_category(spec, frame, name=name)
        case Text():
            return fit_text(spec, frame, name=name)
        case Datetime():
            return fit_time(spec, frame, name=name)
        case Binary():
            return fit_binary_input(spec, frame, name=name)
        case ImageFile():
            return plan_image(spec, name=name)


def _fit_target(spec: TargetColumns, frame: Frame, *, name: str, columns: Sequence[str]) -> AnyTargetEncoder:
    match spec:
        case Binary():
            return fit_binary_target(spec, frame, name=name)
        case CategoricalTarget():
            return fit_class(spec, frame, name=name)
        case Multilabel() if spec.column is not None:
            return fit_separated_labels(spec, frame, name=name)
        case Multilabel():
            return fit_label_columns(frame, name=name, columns=columns)
        case Regression():
            return fit_regression(spec, frame, name=name, columns=columns)


def _damaged(document: Document, wrong: str) -> Problem:
    """What is wrong with a document."""
    name = document.get("name")
    whose = f"of {quoted(name)} " if isinstance(name, str) else ""
    return Problem(f"what was kept {whose}to encode columns by is damaged: {wrong.rstrip('.')}.")
