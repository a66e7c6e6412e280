"""The losses a config may name: one frozen model per `type`, with Keras's arguments."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from .base import Spec

FromLogits = Literal["auto"] | bool
Reduction = Literal["sum_over_batch_size", "auto", "mean", "sum", "mean_with_sample_weight"]
Weight = Annotated[float, Field(ge=0.0)]
Smoothing = Annotated[float, Field(ge=0.0, le=1.0)]


class BinaryWeights(Spec):
    """The weights of one label's two classes."""

    negative: Weight = 1.0
    positive: Weight = 1.0


ClassWeight = Literal["balanced"] | dict[str, Weight | BinaryWeights]
"""By label (or class): one number for all its entries, or one for each of its classes.

`balanced` gives every class the same total weight in the training rows: n / (classes * n_class).
"""

PosWeight = Literal["balanced"] | Weight | dict[str, Weight]
"""What the y log p part is multiplied by: one number, or one per label.

`balanced` is n_negative / n_positive of the training rows, per label.
"""


class LossBase(Spec):
    """One term of the total: which output, against which target, how much it counts.

    `reduction: none` has no place here: a total is one number.
    """

    output: str
    target: str
    weight: Weight = 1.0
    reduction: Reduction = "sum_over_batch_size"
    sample_weight: str | None = None


class Weighable(LossBase):
    """A loss whose targets have classes."""

    class_weight: ClassWeight | None = None


class BinaryCrossentropy(Weighable):
    """Mean over the last axis of -(y log p + (1 - y) log(1 - p))."""

    type: Literal["binary_crossentropy"] = "binary_crossentropy"
    from_logits: FromLogits = "auto"
    label_smoothing: Smoothing = 0.0
    pos_weight: PosWeight | None = None
    axis: int = -1


class BinaryFocalCrossentropy(Weighable):
    """Binary cross-entropy times (1 - p_t)^gamma (Lin et al. 2017)."""

    type: Literal["binary_focal_crossentropy"] = "binary_focal_crossentropy"
    from_logits: FromLogits = "auto"
    label_smoothing: Smoothing = 0.0
    gamma: float = Field(default=2.0, ge=0.0)
    alpha: float = Field(default=0.25, ge=0.0, le=1.0)
    apply_class_balancing: bool = False
    axis: int = -1


class CategoricalCrossentropy(Weighable):
    """-sum y log p over the classes; the target has their shape. Several targets of 1 are legal."""

    type: Literal["categorical_crossentropy"] = "categorical_crossentropy"
    from_logits: FromLogits = "auto"
    label_smoothing: Smoothing = 0.0
    axis: int = -1


class SparseCategoricalCrossentropy(Weighable):
    """-log p of the target's class number; `ignore_class` leaves rows of that class out."""

    type: Literal["sparse_categorical_crossentropy"] = "sparse_categorical_crossentropy"
    from_logits: FromLogits = "auto"
    label_smoothing: Smoothing = 0.0
    ignore_class: int | None = None
    axis: int = -1


class CategoricalFocalCrossentropy(Weighable):
    """Categorical cross-entropy times alpha (1 - p)^gamma."""

    type: Literal["categorical_focal_crossentropy"] = "categorical_focal_crossentropy"
    from_logits: FromLogits = "auto"
    label_smoothing: Smoothing = 0.0
    gamma: float = Field(default=2.0, ge=0.0)
    alpha: float = Field(default=0.25, ge=0.0)
    axis: int = -1


class KLDivergence(LossBase):
    """sum y log(y / p)."""

    type: Literal["kl_divergence"] = "kl_divergence"
    axis: int = -1


class MeanSquaredError(LossBase):
    """Mean of (y - p)^2."""

    type: Literal["mean_squared_error"] = "mean_squared_error"


class MeanAbsoluteError(LossBase):
    """Mean of |y - p|."""

    type: Literal["mean_absolute_error"] = "mean_absolute_error"


class MeanAbsolutePercentageError(LossBase):
    """100 times the mean of |y - p| / max(|y|, 1e-7)."""

    type: Literal["mean_absolute_percentage_error"] = "mean_absolute_percentage_error"


class MeanSquaredLogarithmicError(LossBase):
    """Mean of (log(p + 1) - log(y + 1))^2."""

    type: Literal["mean_squared_logarithmic_error"] = "mean_squared_logarithmic_error"


class Huber(LossBase):
    """Quadratic up to `delta`, linear beyond."""

    type: Literal["huber"] = "huber"
    delta: float = Field(default=1.0, gt=0.0)


class LogCosh(LossBase):
    """Mean of log cosh(p - y)."""

    type: Literal["log_cosh"] = "log_cosh"


class Poisson(LossBase):
    """Mean of p - y log p."""

    type: Literal["poisson"] = "poisson"


class Hinge(LossBase):
    """Mean of max(1 - y p, 0), labels -1 or 1 (0 or 1 are converted)."""

    type: Literal["hinge"] = "hinge"


class SquaredHinge(LossBase):
    """Mean of max(1 - y p, 0)^2."""

    type: Literal["squared_hinge"] = "squared_hinge"


class CategoricalHinge(LossBase):
    """max(max((1 - y) p) - sum y p + 1, 0)."""

    type: Literal["categorical_hinge"] = "categorical_hinge"
    axis: int = -1


class CosineSimilarity(LossBase):
    """Minus the cosine between y and p."""

    type: Literal["cosine_similarity"] = "cosine_similarity"
    axis: int = -1


class Dice(LossBase):
    """1 - 2 sum yp / (sum y + sum p): one value for the batch, or per row with an `axis`."""

    type: Literal["dice"] = "dice"
    axis: int | None = None


class Tversky(LossBase):
    """1 - sum yp / (sum yp + alpha FP + beta FN): one value for the batch, or per row with an `axis`."""

    type: Literal["tversky"] = "tversky"
    alpha: float = Field(default=0.5, ge=0.0)
    beta: float = Field(default=0.5, ge=0.0)
    axis: int | None = None


AnyLoss = Annotated[
    BinaryCrossentropy
    | CategoricalCrossentropy
    | SparseCategoricalCrossentropy
    | BinaryFocalCrossentropy
    | CategoricalFocalCrossentropy
    | KLDivergence
    | MeanSquaredError
    | MeanAbsoluteError
    | MeanAbsolutePercentageError
    | MeanSquaredLogarithmicError
    | Huber
    | LogCosh
    | Poisson
    | Hinge
    | SquaredHinge
    | CategoricalHinge
    | CosineSimilarity
    | Dice
    | Tversky,
    Field(discriminator="type"),
]
