"""The objective: which losses score which outputs, and the weighted sum that is trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from .ledger import Ledger, total_up
from .loss import Loss


class ScoredOutput(Protocol):
    """An output as the network gives it."""

    logits: Tensor | None

    @property
    def value(self) -> Tensor: ...


class ScoredBatch(Protocol):
    """The part of a batch that losses read."""

    @property
    def masks(self) -> Mapping[str, Tensor]: ...

    @property
    def weights(self) -> Mapping[str, Tensor]: ...

    def reference(self, name: str) -> Tensor: ...


@dataclass(frozen=True)
class LossTerm:
    """One term: `loss` of `output` against `target`, from logits where `on_logits`."""

    name: str
    output: str
    target: str
    loss: Loss
    on_logits: bool
    sample_weight: str | None = None


@dataclass(frozen=True, eq=False)
class Knobs:
    """What may differ between the members of a stack, as tensors.

    `weights`: (R) or (R, K), a row per term in the objective's order. `label_smoothing`: [] or (K) by
    term, for the terms whose smoothing a stack varies. `learning_rates`: one number per member.
    """

    weights: Tensor
    learning_rates: tuple[float, ...]
    label_smoothing: Mapping[str, Tensor]

    def to(self, device: torch.device | str, dtype: torch.dtype) -> Knobs:
        """The same knobs for tensors of `dtype` on `device`."""
        smoothing = {name: value.to(device, dtype) for name, value in self.label_smoothing.items()}
        return Knobs(self.weights.to(device, dtype), self.learning_rates, smoothing)


@dataclass(frozen=True)
class Objective:
    """The terms of a total. Calling it scores one batch, for one model or K members at once."""

    terms: Sequence[LossTerm]
    members: int | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The terms' names, in order."""
        return tuple(term.name for term in self.terms)

    @property
    def partition_free(self) -> bool:
        """Whether the mean over batches is the value on all rows, however the rows are split."""
        return all(
            term.loss.reduction == "sum_over_batch_size" and not term.loss.whole_batch for term in self.terms
        )

    def __call__(self, outputs: Mapping[str, ScoredOutput], batch: ScoredBatch, knobs: Knobs) -> Ledger:
        """The ledger of one batch.

        Outputs are (B, ...), or (K, B, ...) in a stack; references, masks and sample weights may lack
        the member axis, being shared by the members then.
        """
        values = [self._score(term, outputs[term.output], batch, knobs) for term in self.terms]
        raw = values[0].unsqueeze(0) if len(values) == 1 else torch.stack(values)
        return total_up(self.names, (), raw, knobs.weights)

    def _score(self, term: LossTerm, output: ScoredOutput, batch: ScoredBatch, knobs: Knobs) -> Tensor:
        prediction = output.logits if term.on_logits else output.value
        assert prediction is not None
        return term.loss(
            batch.reference(term.target),
            prediction,
            None if term.sample_weight is None else batch.weights[term.sample_weight],
            batch.masks.get(term.target),
            member_axis=self.members is not None,
            label_smoothing=knobs.label_smoothing.get(term.name),
        )
