"""The registry of losses: what each `type` computes, what it consumes, and which arguments are its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from torch import Tensor

from .crossentropy import (
    LabelWeight,
    binary_crossentropy,
    categorical_crossentropy,
    kl_divergence,
    sparse_categorical_crossentropy,
)
from .focal import binary_focal_crossentropy, categorical_focal_crossentropy
from .margin import categorical_hinge, hinge, squared_hinge
from .regression import (
    huber,
    log_cosh,
    mean_absolute_error,
    mean_absolute_percentage_error,
    mean_squared_error,
    mean_squared_logarithmic_error,
    poisson,
)
from .similarity import cosine_similarity, dice, tversky

TargetKind = Literal["binary", "distribution", "classes", "values"]
"""What targets must be: numbers in [0, 1], a distribution over the axis, class numbers, any numbers."""

Unit = Literal["entry", "row", "region"]
"""What has one value: an entry (an example's value is the mean over the axis), a row along the axis, or
a region (the whole batch, or a row where an axis is given) whose sums leave out single masked entries."""

OwnArgument = LabelWeight | int | bool | None


@dataclass(frozen=True)
class Definition:
    """One type of loss.

    `passes` names what the caller hands to `function` besides target, prediction and the own arguments:
    of `axis`, `dims`, `from_logits`, `label_smoothing`. `own` maps own arguments to their defaults.
    """

    function: Callable[..., Tensor]
    unit: Unit
    target_kind: TargetKind
    passes: frozenset[str] = frozenset()
    own: Mapping[str, OwnArgument] = field(default_factory=dict[str, OwnArgument])


_LOGITS = frozenset({"from_logits", "label_smoothing"})
_AXIS = frozenset({"axis"})
_DIMS = frozenset({"dims"})
_FOCAL: dict[str, OwnArgument] = {"gamma": 2.0, "alpha": 0.25}

LOSSES: Mapping[str, Definition] = {
    "binary_crossentropy": Definition(
        binary_crossentropy, "entry", "binary", _LOGITS | _AXIS, {"pos_weight": None}
    ),
    "categorical_crossentropy": Definition(categorical_crossentropy, "row", "distribution", _LOGITS | _AXIS),
    "sparse_categorical_crossentropy": Definition(
        sparse_categorical_crossentropy, "row", "classes", _LOGITS | _AXIS, {"ignore_class": None}
    ),
    "binary_focal_crossentropy": Definition(
        binary_focal_crossentropy, "entry", "binary", _LOGITS, _FOCAL | {"apply_class_balancing": False}
    ),
    "categorical_focal_crossentropy": Definition(
        categorical_focal_crossentropy, "row", "distribution", _LOGITS | _AXIS, _FOCAL
    ),
    "kl_divergence": Definition(kl_divergence, "row", "distribution", _AXIS),
    "mean_squared_error": Definition(mean_squared_error, "entry", "values"),
    "mean_absolute_error": Definition(mean_absolute_error, "entry", "values"),
    "mean_absolute_percentage_error": Definition(mean_absolute_percentage_error, "entry", "values"),
    "mean_squared_logarithmic_error": Definition(mean_squared_logarithmic_error, "entry", "values"),
    "huber": Definition(huber, "entry", "values", own={"delta": 1.0}),
    "log_cosh": Definition(log_cosh, "entry", "values"),
    "poisson": Definition(poisson, "entry", "values"),
    "hinge": Definition(hinge, "entry", "values", _DIMS),
    "squared_hinge": Definition(squared_hinge, "entry", "values", _DIMS),
    "categorical_hinge": Definition(categorical_hinge, "row", "distribution", _AXIS),
    "cosine_similarity": Definition(cosine_similarity, "row", "values", _AXIS),
    "dice": Definition(dice, "region", "binary", _DIMS),
    "tversky": Definition(tversky, "region", "binary", _DIMS, {"alpha": 0.5, "beta": 0.5}),
}
