"""Weightings of gradients: the terms' gradients of the shared weights aggregated into one, by TorchJD.

Legend: A terms with weight, T all terms, P parameters.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ..losses import Ledger
from ..specs import weighting as spec
from ..specs.seeds import derive_seed
from .weighting import Weighting

if TYPE_CHECKING:
    from .step import Trainee

Aggregator = Callable[[Tensor], Tensor]
"""From gradients (A, P), a row per term, to one gradient (P)."""


class AggregatedGradients(Weighting):
    """The gradient is `aggregate` of the weighted terms' gradients wherever two terms or more reach.

    A parameter that one term alone reaches gets that term's weighted gradient, as ever; the gradient
    of the regularization is added to both. reach: by term, the names of the parameters it reaches.
    """

    def __init__(
        self, trainee: Trainee, aggregate: Aggregator, *, reach: Mapping[str, frozenset[str]], seed: int
    ) -> None:
        self._aggregate = aggregate
        self._seed = seed
        self._terms = [index for index, weight in enumerate(trainee.knobs.weights) if float(weight) > 0]
        names = trainee.objective.names
        self._shared = _shared_entries(trainee, [reach[names[index]] for index in self._terms])

    def backward(self, trainee: Trainee, ledger: Ledger) -> None:
        totals = [ledger.raw[index] * ledger.weights[index] for index in self._terms]
        charges = (ledger.raw * ledger.weights)[len(ledger.terms) :].sum() if ledger.regularizers else None
        rows = [
            trainee.parameters.gradient(each, retain=charges is not None or position < len(totals) - 1)
            for position, each in enumerate(totals)
        ]
        gradients = trainee.parameters.gradients.zero_()
        if rows:
            self._combine(torch.stack(rows), gradients, step=trainee.optimizer.steps)
        if charges is not None:
            gradients.add_(trainee.parameters.gradient(charges))

    def _combine(self, rows: Tensor, gradients: Tensor, *, step: int) -> None:
        """Put one gradient made of `rows` (A, P) into `gradients` (P)."""
        torch.sum(rows, 0, out=gradients)
        # A gradient that is not finite freezes the network; no solver needs to meet it.
        if len(rows) > 1 and bool(torch.isfinite(gradients).all()):
            with torch.random.fork_rng(devices=[]):
                # PCGrad goes through the terms in an order that it draws.
                torch.default_generator.manual_seed(derive_seed(self._seed, "weighting", step))
                gradients[self._shared] = self._aggregate(rows[:, self._shared])


def build_aggregator(described: spec.GradientAggregation) -> Aggregator:
    """TorchJD's aggregator; its packages are imported here and nowhere else."""
    from torchjd import aggregation

    match described:
        case spec.PCGrad():
            return aggregation.PCGrad()
        case spec.MGDA():
            return aggregation.MGDA()
        case spec.UPGrad():
            return aggregation.UPGrad()
        case spec.CAGrad():
            return aggregation.CAGrad(described.c)
        case spec.IMTLG():
            return aggregation.IMTLG()


def _shared_entries(trainee: Trainee, reached: Sequence[frozenset[str]]) -> Tensor:
    """The positions in P of the parameters that at least two terms reach."""
    counts = [
        torch.full((segment.shape[-1],), sum(name in names for names in reached))
        for name, segment in trainee.parameters.segments.items()
    ]
    return (torch.cat(counts) > 1).nonzero().squeeze(-1).to(trainee.parameters.values.device)
