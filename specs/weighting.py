"""The `weighting:` section: how the losses of a total are weighed against each other while it is trained."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from .base import Name, PositiveInts, Spec, as_tuple

Factor = Annotated[float, Field(ge=0.0)]


class ConstantFactor(Spec):
    """The same factor in every epoch."""

    type: Literal["constant"] = "constant"
    value: Factor


class _Way(Spec):
    """From `start` up to `first_epoch` to `end` from `last_epoch` (default: the last of the run) on."""

    start: Factor
    end: Factor
    first_epoch: int = Field(default=1, gt=0)
    last_epoch: int | None = Field(default=None, gt=0)

    @model_validator(mode="after")
    def _first_comes_first(self) -> Self:
        if self.last_epoch is not None and self.last_epoch <= self.first_epoch:
            raise ValueError(f"last_epoch must come after first_epoch, which is {self.first_epoch}")
        return self


class LinearFactor(_Way):
    """A straight line from `start` at `first_epoch` to `end` at `last_epoch`."""

    type: Literal["linear"] = "linear"


class CosineFactor(_Way):
    """Half a cosine from `start` at `first_epoch` to `end` at `last_epoch`."""

    type: Literal["cosine"] = "cosine"


class StepsFactor(Spec):
    """`values[0]` up to and including epoch `boundaries[0]`, then `values[1]` and so on, as in Keras's
    PiecewiseConstantDecay."""

    type: Literal["steps"] = "steps"
    boundaries: PositiveInts
    values: Annotated[tuple[Factor, ...], BeforeValidator(as_tuple)]

    @model_validator(mode="after")
    def _one_value_more(self) -> Self:
        if any(later <= earlier for earlier, later in pairwise(self.boundaries)):
            raise ValueError("boundaries must increase")
        if len(self.values) != len(self.boundaries) + 1:
            wanted = len(self.boundaries) + 1
            raise ValueError(
                f"{len(self.boundaries)} boundaries need {wanted} values, not {len(self.values)}"
            )
        return self


AnyFactor = Annotated[ConstantFactor | LinearFactor | CosineFactor | StepsFactor, Field(discriminator="type")]


class Fixed(Spec):
    """Every loss's own `weight`, from the first epoch to the last."""

    type: Literal["fixed"] = "fixed"


class Scheduled(Spec):
    """Own weights times a factor per epoch, for the losses named in `terms`."""

    type: Literal["schedule"] = "schedule"
    terms: dict[Name, AnyFactor] = Field(min_length=1)


class Uncertainty(Spec):
    """Learned homoscedastic uncertainty (Kendall, Gal and Cipolla 2018)."""

    type: Literal["uncertainty"] = "uncertainty"


class DynamicWeightAverage(Spec):
    """By the rate at which each loss fell last (Liu, Johns and Davison 2019)."""

    type: Literal["dynamic_weight_average"] = "dynamic_weight_average"
    temperature: float = Field(default=2.0, gt=0.0)


class GradNorm(Spec):
    """Gradient norms balanced at `layer` (Chen et al. 2018); without it at the last that all losses share."""

    type: Literal["gradnorm"] = "gradnorm"
    alpha: float = Field(default=1.5, ge=0.0)
    layer: str | None = None


class RandomWeights(Spec):
    """The softmax of normal numbers drawn at every step (Lin et al. 2022)."""

    type: Literal["random"] = "random"


class PCGrad(Spec):
    """Conflicting gradients projected off each other (Yu et al. 2020)."""

    type: Literal["pcgrad"] = "pcgrad"


class MGDA(Spec):
    """The shortest convex combination of the gradients (Desideri 2012; Sener and Koltun 2018)."""

    type: Literal["mgda"] = "mgda"


class UPGrad(Spec):
    """The mean of the gradients, each projected to conflict with none (Quinton and Rey 2024)."""

    type: Literal["upgrad"] = "upgrad"


class CAGrad(Spec):
    """The best worst case within `c` times the mean gradient's norm of it (Liu et al. 2021)."""

    type: Literal["cagrad"] = "cagrad"
    c: float = Field(default=0.5, ge=0.0)


class IMTLG(Spec):
    """Equal projections onto all gradients' directions (Liu et al. 2021b)."""

    type: Literal["imtl_g"] = "imtl_g"


GradientAggregation = PCGrad | MGDA | UPGrad | CAGrad | IMTLG

AnyWeighting = Annotated[
    Fixed
    | Scheduled
    | Uncertainty
    | DynamicWeightAverage
    | GradNorm
    | RandomWeights
    | PCGrad
    | MGDA
    | UPGrad
    | CAGrad
    | IMTLG,
    Field(discriminator="type"),
]


def stackable(weighting: AnyWeighting) -> bool:
    """Whether members with this weighting can train as one stack; those that read gradients cannot."""
    return not isinstance(weighting, GradNorm | GradientAggregation)
