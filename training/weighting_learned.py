"""Weightings learned by an optimizer of their own: homoscedastic uncertainty and GradNorm.

Their gradients are closed formulas of the step's losses and norms, so no graph ever joins the learned
numbers with the network's weights. Legend: T terms, K members of a stack.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from ..losses import Ledger
from ..specs.optimizers import AdamW, AnyOptimizer
from .parameters import FlatParameters
from .update_rules import build_rule
from .weighting import Weighting, weigh

if TYPE_CHECKING:
    from .step import Trainee

_SQUARED_ERRORS = frozenset({"mean_squared_error", "mean_squared_logarithmic_error"})


class LearnedNumbers:
    """One number per term and member, moved by the network's kind of optimizer at its learning rate.

    Clipping and weight decay are the network's alone. `values` and `gradients` are (T) or (K, T).
    """

    def __init__(self, trainee: Trainee, start: float, *, described: AnyOptimizer, numerics: str) -> None:
        members = trainee.network.members
        numbers = nn.Parameter(torch.full_like(trainee.knobs.weights.movedim(0, -1), start).contiguous())
        self._parameters = FlatParameters(nn.ParameterList([numbers]), members)
        if isinstance(described, AdamW):
            described = described.model_copy(update={"weight_decay": 0.0})
        rule = build_rule(described, numerics=numerics)
        self._optimizer = trainee.optimizer.companion(rule, self._parameters)

    @property
    def values(self) -> Tensor:
        """The numbers, (T) or (T, K)."""
        return self._parameters.values.movedim(0, -1)

    def step(self, trainee: Trainee, gradient: Tensor) -> None:
        """One update with a gradient of (T) or (T, K); members that are held keep their numbers."""
        self._parameters.gradients.copy_(gradient.movedim(0, -1))
        self._optimizer.factors = trainee.optimizer.factors
        self._optimizer.step(trainee.held)

    def state(self) -> dict[str, Tensor]:
        """The numbers and all that moves them; the first axis is the member's in a stack."""
        steps = torch.full(self._parameters.values.shape[:-1], self._optimizer.steps)
        return {"values": self._parameters.values, **self._optimizer.slots, "steps": steps}

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Continue from a `state()`."""
        self._optimizer.steps = int(state["steps"].flatten()[0])
        with torch.no_grad():
            self._parameters.values.copy_(state["values"])
            for name, slot in self._optimizer.slots.items():
                slot.copy_(state[name])


class UncertaintyWeighting(Weighting):
    """total = sum_i own_i (c_i exp(-s_i) L_i + s_i / 2), s_i = log sigma_i^2 learned from 0 on.

    Kendall, Gal and Cipolla 2018, equations 7 to 10: c is 1/2 for a squared error, the Gaussian's
    log-likelihood, and 1 for every other loss. weight_i = own_i c_i exp(-s_i); own_i s_i / 2 is a row
    of its own. d(total)/d(s_i) = own_i (1/2 - c_i exp(-s_i) L_i).
    """

    def __init__(self, trainee: Trainee, *, described: AnyOptimizer, numerics: str) -> None:
        self._own = trainee.knobs.weights
        halves = [0.5 if term.loss.type in _SQUARED_ERRORS else 1.0 for term in trainee.objective.terms]
        scale = torch.tensor(halves, dtype=self._own.dtype, device=self._own.device)
        self._scale = scale.reshape(-1, *(1,) * (self._own.dim() - 1))
        self._log_variances = LearnedNumbers(trainee, 0.0, described=described, numerics=numerics)

    def open_epoch(self, trainee: Trainee, epoch: int) -> None:
        self._put_in_force(trainee)

    def close_step(self, trainee: Trainee, ledger: Ledger) -> None:
        losses = ledger.raw[: len(self._own)].detach()
        self._log_variances.step(trainee, self._own * (0.5 - self._precisions() * losses))
        self._put_in_force(trainee)

    def state(self) -> dict[str, Tensor]:
        return self._log_variances.state()

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        self._log_variances.load_state(state)

    def _precisions(self) -> Tensor:
        return self._scale * torch.exp(-self._log_variances.values)

    def _put_in_force(self, trainee: Trainee) -> None:
        offsets = self._own * self._log_variances.values / 2
        trainee.knobs = replace(trainee.knobs, weights=self._own * self._precisions(), offsets=offsets)


class GradNormWeighting(Weighting):
    """Weights that keep the terms' gradient norms at one layer W in proportion to their training rates.

    Chen et al. 2018, algorithm 1: G_i = |d(w_i L_i)/dW|, r_i = (L_i / L_i(0)) / mean_j(L_j / L_j(0)),
    L_grad = sum_i |G_i - mean(G) r_i^alpha| with the target held constant; w follows d(L_grad)/dw and is
    rescaled to sum T after every step. L(0) is the first batch's. L_i counts with its own weight in G;
    a term whose own weight is 0 takes no part: T counts the others.
    """

    def __init__(
        self,
        trainee: Trainee,
        layer: Sequence[Tensor],
        *,
        alpha: float,
        described: AnyOptimizer,
        numerics: str,
    ) -> None:
        self._own = trainee.knobs.weights
        self._terms = [index for index, weight in enumerate(self._own) if float(weight) > 0]
        # Indices, not a mask: a mask's size would have to be waited for on the device.
        self._active = torch.tensor(self._terms, dtype=torch.int64, device=self._own.device)
        self._layer = tuple(layer)
        self._alpha = alpha
        self._factors = LearnedNumbers(trainee, 1.0, described=described, numerics=numerics)
        self._first = torch.full_like(self._own, torch.nan)
        self._norms = torch.zeros_like(self._own)

    def open_epoch(self, trainee: Trainee, epoch: int) -> None:
        trainee.knobs = weigh(trainee.knobs, self._factors.values, self._own)

    def backward(self, trainee: Trainee, ledger: Ledger) -> None:
        norms = torch.zeros_like(self._own)
        for index in self._terms:
            norms[index] = self._norm(ledger.raw[index])
        self._norms = norms * self._own
        trainee.parameters.backward(ledger.total)

    def close_step(self, trainee: Trainee, ledger: Ledger) -> None:
        losses = ledger.raw[: len(self._own)].detach()
        is_first = self._first.isnan() & losses.isfinite()
        self._first = torch.where(is_first, losses, self._first)
        self._factors.step(trainee, self._gradient(losses))
        values = self._factors.values
        # The paper's weights are norms' factors: a step past 0 would climb a loss, so it ends at 0.
        values.clamp_(min=0.0)
        total = values[self._active].sum().clamp(min=torch.finfo(values.dtype).tiny)
        values.mul_(len(self._terms) / total)
        trainee.knobs = weigh(trainee.knobs, values, self._own)

    def state(self) -> dict[str, Tensor]:
        return {**self._factors.state(), "first": self._first}

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        self._factors.load_state(state)
        self._first = state["first"].to(self._own.device, self._own.dtype)

    def _norm(self, term: Tensor) -> Tensor:
        gradients = torch.autograd.grad(term, self._layer, retain_graph=True, materialize_grads=True)
        return torch.stack([each.square().sum() for each in gradients]).sum().sqrt()

    def _gradient(self, losses: Tensor) -> Tensor:
        """d(L_grad)/dw_i = sign(G_i - target_i) |d(L_i)/dW|."""
        # A loss that began at 0 has no rate of its own.
        rates = torch.where(self._first == 0, torch.ones_like(losses), losses / self._first)
        relative = rates / rates[self._active].mean()
        norms = self._factors.values * self._norms
        target = norms[self._active].mean() * relative**self._alpha
        # The norm of a term without weight is 0, and so is its gradient.
        return torch.sign(norms - target) * self._norms
