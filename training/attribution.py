"""What each term of the total does to each layer: the terms' gradients of a batch, and how they agree.

Legend: P parameters, T terms, R rows (the terms, then the regularization where there is any), B batches.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ..data import Table
from ..losses import Knobs, Objective
from ..models import Network
from .parameters import FlatParameters
from .reach import term_reach, trained_parameters
from .shared_stack import Question, SharedStack

REGULARIZATION = "regularization"
"""The row of all regularization terms together, whose factors are part of them and whose weight is 1."""


@dataclass(frozen=True, eq=False)
class TermGradients:
    """One batch's unweighted gradients, `rows` (R, P), and the weights in force, (R).

    The gradient that updates the network is `weights @ rows`. `raw` (R) are the values of the rows.
    """

    names: tuple[str, ...]
    rows: Tensor
    weights: Tensor
    raw: Tensor

    @property
    def total(self) -> Tensor:
        """The weighted sum of the rows, (P)."""
        return self.weights @ self.rows


@dataclass(frozen=True, eq=False)
class LayerGradients:
    """One layer on one batch, float64. `norms` (R) of the unweighted gradients; `dots` (R) of each
    weighted gradient with the weighted sum, whose own square is `square`; `cosines` (R, R), NaN where a
    gradient is zero."""

    norms: Tensor
    dots: Tensor
    square: Tensor
    cosines: Tensor

    @property
    def shares(self) -> Tensor:
        """The part of the sum's squared length that each row contributes, (R): they add up to 1.

        Negative where a row works against the sum; NaN where the sum is zero.
        """
        return self.dots / self.square


class TermProbe:
    """Takes the terms' gradients of one network apart, in one pass for all of them."""

    def __init__(self, stack: SharedStack, network: Network, objective: Objective) -> None:
        self._stack = stack
        self.names = objective.names + ((REGULARIZATION,) if network.penalties else ())
        self.reach = row_reach(network, objective)

    def gradients(self, batch: Table, objective: Objective, knobs: Knobs) -> TermGradients:
        """The gradients at the weights that the stack follows; knobs: those of the one network."""
        terms = len(objective.terms)
        weights = knobs.weights
        ones = torch.eye(terms, dtype=weights.dtype, device=weights.device)
        none = torch.zeros_like(knobs.penalty_factors)
        questions = [Question(row, none) for row in ones]
        if len(self.names) > terms:
            questions.append(Question(torch.zeros_like(weights), knobs.penalty_factors))
        rows: list[Tensor] = []
        values: list[Tensor] = []
        for ledger, gradients in self._stack.gradients(batch, questions, objective=objective, knobs=knobs):
            rows.append(gradients)
            values.append(ledger.total.detach()[: len(gradients)])
        weights = torch.cat([weights, torch.ones(len(questions) - terms).to(weights)])
        return TermGradients(self.names, torch.cat(rows), weights, torch.cat(values))


def row_reach(network: Network, objective: Objective) -> dict[str, frozenset[str]]:
    """By row, the names of the trained parameters that it reaches."""
    reach = term_reach(network, objective)
    if not network.penalties:
        return reach
    reached: set[str] = set()
    for penalty in network.penalties:
        if penalty.parameter is not None:
            reached.add(penalty.parameter)
        elif penalty.activity is not None:
            activity = replace(objective.terms[0], name=REGULARIZATION, output=penalty.activity)
            reached |= term_reach(network, replace(objective, terms=[activity]))[REGULARIZATION]
    return {**reach, REGULARIZATION: frozenset(reached)}


def reached_rows(network: Network, reach: Mapping[str, frozenset[str]]) -> dict[str, tuple[str, ...]]:
    """By layer with trained parameters, the names of the rows that reach any of them."""
    return {
        layer: tuple(name for name, reached in reach.items() if reached.intersection(owned))
        for layer, owned in trained_parameters(network).items()
    }


def layer_slices(network: Network, parameters: FlatParameters) -> dict[str, slice]:
    """Where each layer's parameters lie among the P, by layer with any."""
    places: dict[str, tuple[int, int]] = {}
    start = 0
    for name, segment in parameters.segments.items():
        places[name] = (start, start + segment.shape[-1])
        start += segment.shape[-1]
    slices: dict[str, slice] = {}
    for layer, names in trained_parameters(network).items():
        first, last = min(places[name][0] for name in names), max(places[name][1] for name in names)
        assert sum(places[name][1] - places[name][0] for name in names) == last - first, (
            "a layer lies together"
        )
        slices[layer] = slice(first, last)
    return slices


def measure_layer(gradients: TermGradients, where: slice) -> LayerGradients:
    """One layer's part of a batch's gradients. Sums are taken in float64."""
    rows = gradients.rows[:, where].double()
    weights = gradients.weights.double()
    products = rows @ rows.mT
    norms = products.diagonal().clamp(min=0.0).sqrt()
    dots = weights * (products @ weights)
    lengths = norms.unsqueeze(0) * norms.unsqueeze(1)
    cosines = torch.where(lengths > 0, (products / lengths).clamp(-1.0, 1.0), torch.nan)
    return LayerGradients(norms, dots, dots.sum(), cosines)


def mean_norms(batches: Sequence[LayerGradients]) -> Tensor:
    """The mean over batches of each row's norm, (R)."""
    return torch.stack([each.norms for each in batches]).mean(0)


def joint_shares(batches: Sequence[LayerGradients]) -> Tensor:
    """Each row's share over all batches, (R): the sum of dots by the sum of squares; NaN if that is 0."""
    dots = torch.stack([each.dots for each in batches]).sum(0)
    return dots / torch.stack([each.square for each in batches]).sum()
