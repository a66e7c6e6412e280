"""What the layers of a config have in common: names of activations and initializers, weights, penalties."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from .base import Names, Spec, as_tuple

Activation = Literal[
    "linear", "relu", "leaky_relu", "elu", "selu", "gelu", "silu", "tanh", "sigmoid", "hard_sigmoid",
    "softmax", "softplus", "softsign", "exponential",
]  # fmt: skip

Initializer = Literal[
    "glorot_uniform", "glorot_normal", "he_uniform", "he_normal", "lecun_uniform", "lecun_normal",
    "random_uniform", "random_normal", "truncated_normal", "orthogonal", "zeros", "ones",
]  # fmt: skip

Padding = Literal["valid", "same"]


def _pair(value: Any) -> Any:
    return (value, value) if isinstance(value, int) and not isinstance(value, bool) else as_tuple(value)


Pair = Annotated[tuple[Annotated[int, Field(gt=0)], Annotated[int, Field(gt=0)]], BeforeValidator(_pair)]


class Regularizer(Spec):
    """A penalty: l1 times the sum of |w|, l2 times the sum of w squared (no half), as in Keras."""

    l1: float | None = Field(default=None, ge=0.0)
    l2: float | None = Field(default=None, ge=0.0)

    @model_validator(mode="after")
    def _says_something(self) -> Regularizer:
        if self.l1 is None and self.l2 is None:
            raise ValueError("needs l1, l2, or both")
        return self


class LayerBase(Spec):
    """What every layer may say: `of` names what it reads; without it, the layer or input above."""

    of: Names | None = None


class WeightedLayer(LayerBase):
    """A layer with weights. `trainable: false` freezes them; activity is what the layer gives."""

    trainable: bool = True
    activity_regularizer: Regularizer | None = None


class KernelLayer(WeightedLayer):
    """A layer with a kernel and a bias."""

    use_bias: bool = True
    kernel_initializer: Initializer | None = None
    bias_initializer: Initializer | None = None
    kernel_regularizer: Regularizer | None = None
    bias_regularizer: Regularizer | None = None

    @model_validator(mode="after")
    def _bias_exists(self) -> KernelLayer:
        without_effect = [
            name for name in ("bias_initializer", "bias_regularizer") if getattr(self, name) is not None
        ]
        if not self.use_bias and without_effect:
            raise ValueError(f"{without_effect[0]} has no effect with use_bias: false")
        return self
