"""The ledger: every term of one batch's total, raw and weighted, so that it always adds up.

Legend: R rows (terms, then regularizers), K members of a stack.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Ledger:
    """What one batch cost.

    `raw` and `weights` are (R), or (R, K) in a stack; rows are the loss terms in config order, then the
    regularization terms, whose weight is 1 because their factor is part of them. `total` is [] or (K).
    """

    terms: tuple[str, ...]
    regularizers: tuple[str, ...]
    raw: Tensor
    weights: Tensor
    total: Tensor

    @property
    def names(self) -> tuple[str, ...]:
        """The rows' names, in order."""
        return self.terms + self.regularizers

    def term(self, name: str) -> Tensor:
        """One row's unweighted value, [] or (K)."""
        return self.raw[self.names.index(name)]


def close_ledger(
    terms: dict[str, Tensor], weights: dict[str, Tensor], regularization: dict[str, Tensor]
) -> Ledger:
    """The ledger of these values: `total = sum_i weight_i * term_i + sum_j regularization_j`."""
    values = [*terms.values(), *regularization.values()]
    ones = [torch.ones_like(value) for value in regularization.values()]
    return total_up(tuple(terms), tuple(regularization), _stack(values), _stack([*weights.values(), *ones]))


def total_up(terms: tuple[str, ...], regularizers: tuple[str, ...], raw: Tensor, weights: Tensor) -> Ledger:
    """The ledger of rows that are stacked already; raw (R) or (R, K), weights broadcast to it."""
    weighted = raw * weights
    total = weighted[0] if weighted.shape[0] == 1 else weighted.sum(0)
    return Ledger(terms, regularizers, raw, weights.expand_as(raw), total)


def total_terms(terms: tuple[str, ...], values: Sequence[Tensor], weights: Tensor) -> Ledger:
    """The ledger of terms alone, [] or (K) each. The total of a single one is no sum over a stack of one: a
    step of a small network would spend a twentieth of its time on the way back through that."""
    if len(values) > 1:
        return total_up(terms, (), torch.stack(list(values)), weights)
    raw = values[0].unsqueeze(0)
    return Ledger(terms, (), raw, weights.expand_as(raw), values[0] * weights[0])


def detached(ledger: Ledger) -> Ledger:
    """The same numbers without the graph of operations that led to them."""
    return replace(ledger, raw=ledger.raw.detach(), total=ledger.total.detach())


def settle(ledger: Ledger, weights: Tensor, offsets: Tensor | None = None) -> Ledger:
    """The same raw terms under other weights (T) or (T, K): how an epoch's total is reported.

    offsets: what the last rows are then, where the weights cost something themselves.
    """
    charges = ledger.raw[len(ledger.terms) :]
    if offsets is not None:
        charges = torch.cat([charges[: len(charges) - len(offsets)], offsets])
    raw = torch.cat([ledger.raw[: len(ledger.terms)], charges])
    return total_up(ledger.terms, ledger.regularizers, raw, torch.cat([weights, torch.ones_like(charges)]))


def _stack(values: Sequence[Tensor]) -> Tensor:
    return values[0].unsqueeze(0) if len(values) == 1 else torch.stack(list(values))
