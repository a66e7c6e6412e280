"""What each label of an output does to each layer: a term's gradient taken apart label by label.

Legend: B rows, L labels, P parameters, k labels asked at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ..data import Table
from ..losses import LossTerm
from ..losses.crossentropy import smooth_classes
from .shared_stack import Question, SharedStack
from .step import Trainee

# Losses of whole rows that are sums over the labels y_l f(p)_l, so that a label's part is that of a target
# with its entry alone.
_LINEAR_IN_TARGET = frozenset({"categorical_crossentropy", "categorical_focal_crossentropy"})


@dataclass(frozen=True, eq=False)
class LabelGradients:
    """The labels' parts of one term's unweighted gradient on one layer; their sum is that gradient.

    `norms` (L) are means over batches; `agreement` (L) the mean cosine of a label's part with the sum of
    all others, NaN where either is zero. Of the layer's weights, `one`, `several` and `none` were moved by
    so many labels in any of the batches; `own` (L) counts those that a label moved alone.
    """

    norms: Tensor
    agreement: Tensor
    own: Tensor
    one: int
    several: int
    none: int


def is_separable(term: LossTerm, labels: Sequence[str]) -> bool:
    """Whether a term is a sum of parts that belong to one label each."""
    return len(labels) > 1 and (term.loss.entrywise or term.loss.type in _LINEAR_IN_TARGET)


def attribute_labels(
    trainee: Trainee,
    stack: SharedStack,
    batches: Sequence[Table],
    *,
    term: LossTerm,
    wholes: Sequence[Tensor],
    layers: Mapping[str, slice],
) -> dict[str, LabelGradients]:
    """By layer, what each of the labels of `term` does to it, over batches of the steps 0, 1 and so on.

    wholes: the term's own gradient (P) of each batch. stack: of the trainee's weights, one member a label,
    or fewer, which then answer in turn.
    """
    num_labels = batches[0].reference(term.target).shape[-1]
    size, device = trainee.parameters.values.shape[-1], trainee.parameters.values.device
    movers = torch.zeros(size, dtype=torch.int32, device=device)
    mover = torch.zeros(size, dtype=torch.int32, device=device)
    norms = {layer: torch.zeros(num_labels, dtype=torch.float64) for layer in layers}
    cosines = {layer: torch.zeros((len(batches), num_labels), dtype=torch.float64) for layer in layers}
    for start in range(0, num_labels, stack.members):
        asked = list(range(start, min(start + stack.members, num_labels)))
        moved = torch.zeros((len(asked), size), dtype=torch.bool, device=device)
        for number, batch in enumerate(batches):
            parts = _parts(trainee, stack.at_step(number), batch, term, asked)
            moved |= parts != 0
            for layer, where in layers.items():
                own, whole = parts[:, where].double(), wholes[number][where].double()
                norms[layer][asked] += _lengths(own).cpu() / len(batches)
                cosines[layer][number, asked] = _cosine(own, whole - own).cpu()
        movers += moved.sum(0, dtype=torch.int32)
        numbers = torch.arange(start, start + len(asked), dtype=torch.int32, device=device)
        mover += (moved * numbers.unsqueeze(-1)).sum(0, dtype=torch.int32)
    return {
        layer: _summed(norms[layer], cosines[layer], movers[where], mover[where])
        for layer, where in layers.items()
    }


def _summed(norms: Tensor, cosines: Tensor, movers: Tensor, mover: Tensor) -> LabelGradients:
    alone = movers == 1
    return LabelGradients(
        norms=norms,
        agreement=cosines.nanmean(0),
        own=torch.bincount(mover[alone], minlength=len(norms)).cpu(),
        one=int(alone.sum()),
        several=int((movers > 1).sum()),
        none=int((movers == 0).sum()),
    )


def _cosine(one: Tensor, other: Tensor) -> Tensor:
    """The cosines of rows (k, n) with rows (k, n); NaN where either is zero."""
    lengths = _lengths(one) * _lengths(other)
    return torch.where(lengths > 0, ((one * other).sum(-1) / lengths).clamp(-1.0, 1.0), torch.nan)


def _lengths(rows: Tensor) -> Tensor:
    return rows.square().sum(-1).sqrt()


def _parts(
    trainee: Trainee, stack: SharedStack, batch: Table, term: LossTerm, labels: Sequence[int]
) -> Tensor:
    """The gradients (k, P) of the parts of `labels`, no more of them than the stack has members."""
    target, knobs = batch.reference(term.target), trainee.knobs
    # Members without a label of their own repeat the last one.
    every = [*labels, *[labels[-1]] * (stack.members - len(labels))]
    chosen = torch.eye(target.shape[-1], device=target.device, dtype=knobs.weights.dtype)[every]
    chosen = chosen.reshape(len(every), *(1,) * (target.dim() - 1), -1)
    if term.loss.entrywise:
        asked, asked_batch = _weighted(term, chosen), _LabelBatch(batch)
    else:
        asked, asked_batch = _selected(term, chosen, batch)
    question = Question(torch.ones_like(knobs.weights[:1]), torch.zeros_like(knobs.penalty_factors))
    objective = replace(trainee.objective, terms=[asked])
    ((_, gradients),) = stack.gradients(
        asked_batch, [question] * stack.members, objective=objective, knobs=knobs
    )
    return gradients[: len(labels)]


def _weighted(term: LossTerm, chosen: Tensor) -> LossTerm:
    """The term whose entries count where their label is chosen, (k, 1, ..., L)."""
    given = term.entry_weights

    def weights(target: Tensor) -> Tensor:
        return chosen if given is None else chosen * given(target).to(chosen.dtype)

    return replace(term, entry_weights=weights)


def _selected(term: LossTerm, chosen: Tensor, batch: Table) -> tuple[LossTerm, _LabelBatch]:
    """The term of a row, and targets (k, B, ..., L) that hold the chosen labels' entries alone."""
    target = batch.reference(term.target).to(chosen.dtype)
    smoothed = smooth_classes(target, term.loss.label_smoothing, target.shape[-1])
    selected = replace(term, loss=replace(term.loss, label_smoothing=0.0))
    if term.entry_weights is not None:
        # A row weighs what it did before it was taken apart.
        row_weights = term.entry_weights(target)

        def weights(_: Tensor) -> Tensor:
            return row_weights

        selected = replace(selected, entry_weights=weights)
    return selected, _LabelBatch(batch, {term.target: smoothed * chosen})


@dataclass(frozen=True, eq=False)
class _LabelBatch:
    """A batch with other targets in the place of some."""

    batch: Table
    targets: Mapping[str, Tensor] | None = None

    @property
    def inputs(self) -> Mapping[str, Tensor]:
        return self.batch.inputs

    @property
    def masks(self) -> Mapping[str, Tensor]:
        return self.batch.masks

    @property
    def weights(self) -> Mapping[str, Tensor]:
        return self.batch.weights

    def reference(self, name: str) -> Tensor:
        return (self.targets or {}).get(name, self.batch.reference(name))
