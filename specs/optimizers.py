"""The optimizers and learning-rate schedules a config may name."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self, cast

from pydantic import Discriminator, Field, Tag, model_validator

from .base import Spec

Decay = Annotated[float, Field(ge=0.0, lt=1.0)]
Positive = Annotated[float, Field(gt=0.0)]


class ConstantSchedule(Spec):
    """The learning rate as it is."""

    type: Literal["constant"] = "constant"


class StepSchedule(Spec):
    """Multiplied by `factor` every `every` epochs."""

    type: Literal["step"] = "step"
    every: int = Field(gt=0)
    factor: float = Field(default=0.1, gt=0.0)


class ExponentialSchedule(Spec):
    """Multiplied by `rate` per `every` epochs, at every step or (`staircase`) at once."""

    type: Literal["exponential"] = "exponential"
    rate: Positive
    every: Positive = 1.0
    staircase: bool = False


class CosineSchedule(Spec):
    """Rises linearly over `warmup_epochs`, then falls along a half cosine to `final` times the rate."""

    type: Literal["cosine"] = "cosine"
    warmup_epochs: float = Field(default=0.0, ge=0.0)
    final: float = Field(default=0.0, ge=0.0, le=1.0)


class OneCycleSchedule(Spec):
    """From `start` times the rate up to the rate at `peak` of the run, then down to `final` times it.

    Both ways along half cosines (Smith and Topin 2019, in PyTorch's form).
    """

    type: Literal["one_cycle"] = "one_cycle"
    start: float = Field(default=0.04, gt=0.0, le=1.0)
    peak: float = Field(default=0.3, gt=0.0, lt=1.0)
    final: float = Field(default=4e-6, ge=0.0, le=1.0)


class PlateauSchedule(Spec):
    """Multiplied by `factor` when `monitor` has not improved for `patience` epochs.

    An improvement is more than `min_delta`; after a reduction, `cooldown` epochs are not counted.
    """

    type: Literal["reduce_on_plateau"] = "reduce_on_plateau"
    monitor: str | None = None
    factor: float = Field(default=0.1, gt=0.0, lt=1.0)
    patience: int = Field(default=10, ge=0)
    min_delta: float = Field(default=1e-4, ge=0.0)
    cooldown: int = Field(default=0, ge=0)
    min_learning_rate: float = Field(default=0.0, ge=0.0)


AnySchedule = Annotated[
    ConstantSchedule
    | StepSchedule
    | ExponentialSchedule
    | CosineSchedule
    | OneCycleSchedule
    | PlateauSchedule,
    Field(discriminator="type"),
]


class OptimizerBase(Spec):
    """What every optimizer may say; at most one kind of clipping, as in Keras."""

    learning_rate: Positive = 1e-3
    schedule: AnySchedule = Field(default_factory=ConstantSchedule)
    clipnorm: Positive | None = None
    global_clipnorm: Positive | None = None
    clipvalue: Positive | None = None

    @model_validator(mode="after")
    def _one_clipping(self) -> Self:
        given = [
            name for name in ("clipnorm", "global_clipnorm", "clipvalue") if getattr(self, name) is not None
        ]
        if len(given) > 1:
            raise ValueError(
                f"only one of clipnorm, global_clipnorm and clipvalue may be set, not {' and '.join(given)}"
            )
        return self


class Adam(OptimizerBase):
    """Adam (Kingma and Ba 2015). `epsilon` is 1e-7 unless given, 1e-8 under `numerics: torch`."""

    type: Literal["adam"] = "adam"
    beta_1: Decay = 0.9
    beta_2: Decay = 0.999
    epsilon: Positive | None = None


class AdamW(OptimizerBase):
    """Adam with decoupled weight decay (Loshchilov and Hutter 2019), applied to every trained weight.

    `weight_decay` is 0.004 unless given, 0.01 under `numerics: torch`.
    """

    type: Literal["adamw"] = "adamw"
    beta_1: Decay = 0.9
    beta_2: Decay = 0.999
    epsilon: Positive | None = None
    weight_decay: float | None = Field(default=None, ge=0.0)


class RMSprop(OptimizerBase):
    """RMSprop (Hinton 2012).

    `rho` is 0.9 unless given, 0.99 under `numerics: torch`; `epsilon` 1e-7 or 1e-8.
    """

    type: Literal["rmsprop"] = "rmsprop"
    rho: Decay | None = None
    momentum: Decay = 0.0
    epsilon: Positive | None = None
    centered: bool = False


class SGD(OptimizerBase):
    """Stochastic gradient descent, with momentum and Nesterov's look-ahead where asked."""

    type: Literal["sgd"] = "sgd"
    learning_rate: Positive = 1e-2
    momentum: Decay = 0.0
    nesterov: bool = False

    @model_validator(mode="after")
    def _nesterov_needs_momentum(self) -> Self:
        if self.nesterov and self.momentum == 0.0:
            raise ValueError("nesterov has no effect without momentum; set momentum, for example 0.9")
        return self


class Adagrad(OptimizerBase):
    """Adagrad (Duchi et al. 2011). The accumulator starts at 0.1 unless given, 0 under `numerics: torch`."""

    type: Literal["adagrad"] = "adagrad"
    initial_accumulator_value: float | None = Field(default=None, ge=0.0)
    epsilon: Positive | None = None


class Adadelta(OptimizerBase):
    """Adadelta (Zeiler 2012).

    `rho` is 0.95 unless given, 0.9 under `numerics: torch`; `epsilon` 1e-7 or 1e-6.
    """

    type: Literal["adadelta"] = "adadelta"
    rho: Decay | None = None
    epsilon: Positive | None = None


def _optimizer_tag(value: Any) -> str | None:
    """An optimizer's `type`; adam where the section does not say, so that it can set a rate alone."""
    if isinstance(value, dict):
        kind = cast("dict[str, object]", value).get("type", "adam")
        return kind if isinstance(kind, str) else None
    return getattr(value, "type", None)


AnyOptimizer = Annotated[
    Annotated[Adam, Tag("adam")]
    | Annotated[AdamW, Tag("adamw")]
    | Annotated[RMSprop, Tag("rmsprop")]
    | Annotated[SGD, Tag("sgd")]
    | Annotated[Adagrad, Tag("adagrad")]
    | Annotated[Adadelta, Tag("adadelta")],
    Discriminator(_optimizer_tag),
]
