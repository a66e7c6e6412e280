"""The formulas of the optimizers, on flat rows: Keras's by hand, PyTorch's by PyTorch.

Every rule updates `values` in place from `gradients`; both, and each slot, are (P) or (K, P).
Legend: w values, g gradients, lr learning rate, t step from 1.
"""

from __future__ import annotations

import math
from typing import Protocol

import torch
from torch import Tensor
from torch.optim.adadelta import adadelta
from torch.optim.adagrad import adagrad
from torch.optim.rmsprop import rmsprop
from torch.optim.sgd import sgd

from ..specs import optimizers as spec

# PyTorch's fused kernel divides by its own bias corrections 1 - beta ** step. With a step this large
# they are exactly 1, and the corrections go into the learning rate, where Keras has them.
_FAR_STEP = 1e9

Slots = dict[str, Tensor]


class UpdateRule(Protocol):
    """One optimizer's formula. `slots` gives the initial value of each state tensor by name."""

    @property
    def slots(self) -> dict[str, float]: ...

    def __call__(
        self, values: Tensor, gradients: Tensor, slots: Slots, *, learning_rate: float, step: int
    ) -> None: ...


def build_rule(described: spec.AnyOptimizer, *, numerics: str) -> UpdateRule:
    """The rule of a config, with the defaults of Keras or of PyTorch where it gives none."""
    keras = numerics == "keras"
    match described:
        case spec.Adam():
            return AdamRule(described, keras=keras, weight_decay=0.0)
        case spec.AdamW():
            decay = _or(described.weight_decay, 4e-3 if keras else 1e-2)
            return AdamRule(described, keras=keras, weight_decay=decay)
        case spec.RMSprop():
            return RMSpropRule(described) if keras else TorchRMSpropRule(described)
        case spec.SGD():
            return SGDRule(described) if keras else TorchSGDRule(described)
        case spec.Adagrad():
            return AdagradRule(described) if keras else TorchAdagradRule(described)
        case spec.Adadelta():
            return AdadeltaRule(described) if keras else TorchAdadeltaRule(described)


class AdamRule:
    """Adam and AdamW by PyTorch's fused kernel, which also takes the flag that freezes a row.

    Keras: w -= lr sqrt(1-b2^t)/(1-b1^t) m / (sqrt v + eps). PyTorch corrects v before it adds eps, so
    that the same eps weighs less in early steps; a constant eps cannot turn one into the other.
    Weight decay comes first in both: w -= lr decay w.
    """

    slots = {"mean": 0.0, "square": 0.0}  # noqa: RUF012

    def __init__(self, described: spec.Adam | spec.AdamW, *, keras: bool, weight_decay: float) -> None:
        self._betas = described.beta_1, described.beta_2
        self._epsilon = _or(described.epsilon, 1e-7 if keras else 1e-8)
        self._keras = keras
        self._weight_decay = weight_decay
        self._counter: Tensor | None = None

    def __call__(
        self,
        values: Tensor,
        gradients: Tensor,
        slots: Slots,
        *,
        learning_rate: float,
        step: int,
        frozen: Tensor | None = None,
    ) -> None:
        if self._counter is None:
            self._counter = torch.empty((), device=values.device)
        rate, decay, counter = self.numbers(learning_rate, step)
        self._counter.fill_(counter)
        self.update(values, gradients, slots, rate=rate, decay=decay, counter=self._counter, frozen=frozen)

    def numbers(self, learning_rate: float, step: int) -> tuple[float, float, float]:
        """What changes from step to step: the kernel's learning rate, what weights lose by decay, and the
        step of the kernel's own corrections."""
        rate = learning_rate
        if self._keras:
            beta_1, beta_2 = self._betas
            rate *= math.sqrt(1.0 - beta_2**step) / (1.0 - beta_1**step)
        return rate, learning_rate * self._weight_decay, _FAR_STEP if self._keras else float(step)

    def update(
        self,
        values: Tensor,
        gradients: Tensor,
        slots: Slots,
        *,
        rate: float | Tensor,
        decay: float | Tensor,
        counter: Tensor,
        frozen: Tensor | None,
    ) -> None:
        """One update by these `numbers`: on the host, or float32 [] on the device, for a captured step."""
        if self._weight_decay:
            values.mul_(1.0 - (decay if frozen is None else decay * (1.0 - frozen.to(values.dtype))))
        # The kernel behind torch.optim.Adam(fused=True).
        torch._fused_adam_(  # pyright: ignore[reportPrivateUsage, reportPrivateImportUsage]
            [values],
            [gradients],
            [slots["mean"]],
            [slots["square"]],
            [],
            [counter],
            lr=rate,
            beta1=self._betas[0],
            beta2=self._betas[1],
            weight_decay=0.0,
            eps=self._epsilon,
            amsgrad=False,
            maximize=False,
            found_inf=frozen,
        )


class SGDRule:
    """Keras: v = mu v - lr g; w += v, or with Nesterov w += mu v - lr g."""

    def __init__(self, described: spec.SGD) -> None:
        self._momentum, self._nesterov = described.momentum, described.nesterov
        self.slots = {"velocity": 0.0} if described.momentum else {}

    def __call__(
        self, values: Tensor, gradients: Tensor, slots: Slots, *, learning_rate: float, step: int
    ) -> None:
        if not self._momentum:
            values.add_(gradients, alpha=-learning_rate)
            return
        velocity = slots["velocity"].mul_(self._momentum).add_(gradients, alpha=-learning_rate)
        if self._nesterov:
            values.add_(velocity, alpha=self._momentum).add_(gradients, alpha=-learning_rate)
        else:
            values.add_(velocity)


class RMSpropRule:
    """Keras: v = rho v + (1-rho) g^2; w -= lr g / sqrt(v + eps), eps inside the root."""

    def __init__(self, described: spec.RMSprop) -> None:
        self._rho = _or(described.rho, 0.9)
        self._epsilon = _or(described.epsilon, 1e-7)
        self._momentum, self._centered = described.momentum, described.centered
        optional = {"velocity": bool(described.momentum), "mean": described.centered}
        self.slots = {"square": 0.0} | {name: 0.0 for name, used in optional.items() if used}

    def __call__(
        self, values: Tensor, gradients: Tensor, slots: Slots, *, learning_rate: float, step: int
    ) -> None:
        denominator = slots["square"].mul_(self._rho).addcmul_(gradients, gradients, value=1.0 - self._rho)
        if self._centered:
            mean = slots["mean"].lerp_(gradients, 1.0 - self._rho)
            denominator = torch.addcmul(denominator, mean, mean, value=-1.0)
        root = (denominator + self._epsilon).sqrt_()
        if self._momentum:
            velocity = slots["velocity"].mul_(self._momentum).addcdiv_(gradients, root, value=learning_rate)
            values.sub_(velocity)
        else:
            values.addcdiv_(gradients, root, value=-learning_rate)


class AdagradRule:
    """Keras: a += g^2; w -= lr g / sqrt(a + eps), a starting at 0.1."""

    def __init__(self, described: spec.Adagrad) -> None:
        self._epsilon = _or(described.epsilon, 1e-7)
        self.slots = {"accumulator": _or(described.initial_accumulator_value, 0.1)}

    def __call__(
        self, values: Tensor, gradients: Tensor, slots: Slots, *, learning_rate: float, step: int
    ) -> None:
        accumulator = slots["accumulator"].addcmul_(gradients, gradients)
        values.addcdiv_(gradients, (accumulator + self._epsilon).sqrt_(), value=-learning_rate)


class AdadeltaRule:
    """Keras: d = g sqrt(D + eps) / sqrt(G + eps); w -= lr d, with running means G of g^2 and D of d^2."""

    slots = {"square": 0.0, "delta": 0.0}  # noqa: RUF012

    def __init__(self, described: spec.Adadelta) -> None:
        self._rho = _or(described.rho, 0.95)
        self._epsilon = _or(described.epsilon, 1e-7)

    def __call__(
        self, values: Tensor, gradients: Tensor, slots: Slots, *, learning_rate: float, step: int
    ) -> None:
        square = slots["square"].mul_(self._rho).addcmul_(gradients, gradients, value=1.0 - self._rho)
        delta = slots["delta"]
        update = ((delta + self._epsilon) / (square + self._epsilon)).sqrt_().mul_(gradients)
        delta.mul_(self._rho).addcmul_(update, update, value=1.0 - self._rho)
        values.sub_(update, alpha=learning_rate)


class TorchSGDRule:
    """PyTorch: v = mu v + g; w -= lr v, or with Nesterov w -= lr (g + mu v)."""

    def __init__(self, described: spec.SGD) -> None:
        self._momentum, self._nesterov = described.momentum, described.nesterov
        self.slots = {"velocity": 0.0} if described.momentum else {}

    def __call__(
        self, values: Tensor, gradients: Tensor, slots: Slots, *, learning_rate: float, step: int
    ) -> None:
        sgd(
            [values],
            [gradients],
            [slots.get("velocity")],
            foreach=False,
            weight_decay=0.0,
            momentum=self._momentum,
            lr=learning_rate,
            dampening=0.0,
            nesterov=self._nesterov,
            maximize=False,
        )


class TorchRMSpropRule:
    """PyTorch: eps outside the root."""

    def __init__(self, described: spec.RMSprop) -> None:
        self._described = described
        optional = {"velocity": bool(described.momentum), "mean": described.centered}
        self.slots = {"square": 0.0} | {name: 0.0 for name, used in optional.items() if used}

    def __call__(
        self, values: Tensor, gradients: Tensor, slots: Slots, *, learning_rate: float, step: int
    ) -> None:
        rmsprop(
            [values],
            [gradients],
            [slots["square"]],
            [slots["mean"]] if "mean" in slots else [],
            [slots["velocity"]] if "velocity" in slots else [],
            [_counter(values, step)],
            foreach=False,
            lr=learning_rate,
            alpha=_or(self._described.rho, 0.99),
            eps=_or(self._described.epsilon, 1e-8),
            weight_decay=0.0,
            momentum=self._described.momentum,
            centered=self._described.centered,
        )


class TorchAdagradRule:
    """PyTorch: eps outside the root, the accumulator starting at 0."""

    def __init__(self, described: spec.Adagrad) -> None:
        self._epsilon = _or(described.epsilon, 1e-10)
        self.slots = {"accumulator": _or(described.initial_accumulator_value, 0.0)}

    def __call__(
        self, values: Tensor, gradients: Tensor, slots: Slots, *, learning_rate: float, step: int
    ) -> None:
        adagrad(
            [values],
            [gradients],
            [slots["accumulator"]],
            [_counter(values, step)],
            foreach=False,
            lr=learning_rate,
            weight_decay=0.0,
            lr_decay=0.0,
            eps=self._epsilon,
            maximize=False,
        )


class TorchAdadeltaRule:
    """PyTorch's Adadelta, whose formula is Keras's with other defaults."""

    slots = {"square": 0.0, "delta": 0.0}  # noqa: RUF012

    def __init__(self, described: spec.Adadelta) -> None:
        self._rho = _or(described.rho, 0.9)
        self._epsilon = _or(described.epsilon, 1e-6)

    def __call__(
        self, values: Tensor, gradients: Tensor, slots: Slots, *, learning_rate: float, step: int
    ) -> None:
        adadelta(
            [values],
            [gradients],
            [slots["square"]],
            [slots["delta"]],
            [_counter(values, step)],
            foreach=False,
            lr=learning_rate,
            rho=self._rho,
            eps=self._epsilon,
            weight_decay=0.0,
            maximize=False,
        )


def _counter(values: Tensor, step: int) -> Tensor:
    return torch.full((), step - 1.0, device=values.device)


def _or(value: float | None, default: float) -> float:
    return default if value is None else value
