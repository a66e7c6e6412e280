"""The objective: which losses score which outputs, and the weighted sum that is trained.

Legend: B batch, T terms, J penalties, K members of a stack.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from .ledger import Ledger, total_terms, total_up
from .loss import Loss


class ScoredOutput(Protocol):
    """An output as the network gives it; `mask` is true where a step of a padded sequence counts."""

    logits: Tensor | None
    mask: Tensor | None

    @property
    def value(self) -> Tensor: ...


class ScoredBatch(Protocol):
    """The part of a batch that losses read."""

    @property
    def masks(self) -> Mapping[str, Tensor]: ...

    @property
    def weights(self) -> Mapping[str, Tensor]: ...

    def reference(self, name: str) -> Tensor: ...


@dataclass(frozen=True, eq=False)
class LossTerm:
    """One term: `loss` of `output` against `target`, from the output's logits where `on_logits`.

    `entry_weights` gives the weights of a batch's target, by entry or row, shaped as for the loss.
    """

    name: str
    output: str
    target: str
    loss: Loss
    on_logits: bool
    sample_weight: str | None = None
    entry_weights: Callable[[Tensor], Tensor] | None = None


@dataclass(frozen=True, eq=False)
class Knobs:
    """What may differ between the members of a stack, as tensors.

    `weights`: (T) or (T, K), a row per term in the objective's order. `penalty_factors`: (J) or (J, K).
    `label_smoothing`: (K) by term, for the terms whose smoothing a stack varies. `learning_rates`: one
    number per member. `offsets`: (T) or (T, K), what learned weights cost themselves; rows of the
    ledger named `weighting/{term}`.
    """

    weights: Tensor
    learning_rates: tuple[float, ...]
    penalty_factors: Tensor
    label_smoothing: Mapping[str, Tensor]
    offsets: Tensor | None = None

    def to(self, device: torch.device | str, dtype: torch.dtype) -> Knobs:
        """The same knobs for tensors of `dtype` on `device`."""
        smoothing = {name: value.to(device, dtype) for name, value in self.label_smoothing.items()}
        factors = self.penalty_factors.to(device, dtype)
        offsets = None if self.offsets is None else self.offsets.to(device, dtype)
        return Knobs(self.weights.to(device, dtype), self.learning_rates, factors, smoothing, offsets)


@dataclass(frozen=True, eq=False)
class Objective:
    """The terms of a total. Calling it scores one batch, for one model or K members at once."""

    terms: Sequence[LossTerm]
    regularizers: tuple[str, ...] = ()
    members: int | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The terms' names, in order."""
        return tuple(term.name for term in self.terms)

    @property
    def partition_free(self) -> bool:
        """Whether the mean over batches is the value on all rows, however the rows are split."""
        return all(
            term.loss.reduction == "sum_over_batch_size"
            and not term.loss.whole_batch
            and term.loss.own.get("ignore_class") is None
            and term.loss.type not in ("hinge", "squared_hinge")
            for term in self.terms
        )

    def __call__(
        self,
        outputs: Mapping[str, ScoredOutput],
        batch: ScoredBatch,
        knobs: Knobs,
        penalties: Tensor | None = None,
    ) -> Ledger:
        """The ledger of one batch.

        Outputs are (B, ...), or (K, B, ...) in a stack; references, masks and sample weights may lack
        the member axis, being shared by the members then. penalties: the values of `regularizers`,
        (J) or (J, K).
        """
        values = [self._score(term, outputs[term.output], batch, knobs) for term in self.terms]
        if penalties is None and knobs.offsets is None:
            return total_terms(self.names, values, knobs.weights)
        names, charges = self._charges(penalties, knobs.offsets)
        weights = torch.cat([knobs.weights, torch.ones_like(charges)])
        return total_up(self.names, names, torch.cat([torch.stack(values), charges]), weights)

    def _charges(self, penalties: Tensor | None, offsets: Tensor | None) -> tuple[tuple[str, ...], Tensor]:
        """The names and values of the rows that are no losses."""
        names: tuple[str, ...] = ()
        charges: list[Tensor] = []
        if penalties is not None:
            names, charges = self.regularizers, [penalties]
        if offsets is not None:
            names += tuple(f"weighting/{name}" for name in self.names)
            charges.append(offsets)
        return names, torch.cat(charges)

    def _score(self, term: LossTerm, output: ScoredOutput, batch: ScoredBatch, knobs: Knobs) -> Tensor:
        prediction = output.logits if term.on_logits else output.value
        assert prediction is not None
        target = batch.reference(term.target)
        return term.loss(
            target,
            prediction,
            None if term.sample_weight is None else batch.weights[term.sample_weight],
            _both(batch.masks.get(term.target), output.mask),
            member_axis=self.members is not None,
            label_smoothing=knobs.label_smoothing.get(term.name),
            entry_weight=None if term.entry_weights is None else term.entry_weights(target),
        )


def _both(observed: Tensor | None, steps: Tensor | None) -> Tensor | None:
    """Entries that are observed and belong to a step that counts; one with fewer axes lacks the last."""
    if observed is None or steps is None:
        return steps if observed is None else observed
    rank = max(observed.dim(), steps.dim())
    observed, steps = (mask.reshape(mask.shape + (1,) * (rank - mask.dim())) for mask in (observed, steps))
    return observed & steps
