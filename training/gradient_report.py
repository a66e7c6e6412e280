"""`gradients.csv`: every so many steps, which term moved which layer, written down while training.

Legend: K members of a stack, R rows (the terms, then the regularization).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from torch import Tensor

from ..data import Table
from ..losses import Knobs
from .attribution import TermProbe, layer_slices, measure_layer, reached_rows
from .blueprint import Blueprint
from .shared_stack import SharedStack
from .step import Trainee

GradientRow = dict[str, float | int | str | None]


class GradientReport:
    """Takes the gradients apart before every `every`-th step, beginning with the first.

    A report costs about one step of a network per term and member. It changes nothing: it works on copies.
    """

    def __init__(self, blueprint: Blueprint, trainee: Trainee, *, every: int) -> None:
        self._every = every
        rows = len(trainee.objective.terms) + bool(trainee.network.penalties)
        self._stack = SharedStack(blueprint, trainee, rows)
        self._probe = TermProbe(self._stack, trainee.network, trainee.objective)
        self._reached = reached_rows(trainee.network, self._probe.reach)
        self._slices = layer_slices(trainee.network, trainee.parameters)
        self._rows: dict[int | None, list[GradientRow]] = {}

    def before_step(self, trainee: Trainee, table: Table, index: Tensor, *, epoch: int) -> None:
        """Measure the step that is about to be made on the rows `index` of `table`, (B) or (K, B)."""
        if trainee.optimizer.steps % self._every:
            return
        trainee.weighting.open_step(trainee)
        members = trainee.network.members
        for member in [None] if members is None else range(members):
            own = index if member is None or index.dim() == 1 else index[member]
            batch = table.gather(own, trainee.parameters.values.dtype)
            self._stack.follow(trainee, member)
            rows = self._measure(batch, trainee, _own_knobs(trainee.knobs, member))
            step = trainee.optimizer.steps + 1
            self._rows.setdefault(member, []).extend({"epoch": epoch, "step": step, **row} for row in rows)

    def take_rows(self, member: int | None) -> list[GradientRow]:
        """The rows of a member since they were last taken."""
        return self._rows.pop(member, [])

    def columns(self) -> tuple[str, ...]:
        """The table's columns: the cosines are with the other terms' unweighted gradients."""
        return (*("epoch", "step", "layer", "term", "norm", "share"), *_cosine_columns(self._probe.names))

    def _measure(self, batch: Table, trainee: Trainee, knobs: Knobs) -> list[GradientRow]:
        objective = replace(trainee.objective, members=None)
        gradients = self._probe.gradients(batch, objective, knobs)
        rows: list[GradientRow] = []
        for layer, where in self._slices.items():
            measured = measure_layer(gradients, where)
            shares = measured.shares
            for position, name in enumerate(gradients.names):
                if name in self._reached[layer]:
                    cosines = [_finite(value) for value in measured.cosines[position]]
                    row: GradientRow = {"layer": layer, "term": name}
                    row |= {"norm": float(measured.norms[position]), "share": _finite(shares[position])}
                    row |= dict(zip(_cosine_columns(gradients.names), cosines, strict=True))
                    rows.append(row)
        return rows


def _cosine_columns(names: Sequence[str]) -> tuple[str, ...]:
    return tuple(f"cosine/{name}" for name in names)


def _finite(value: Tensor) -> float | None:
    number = float(value)
    return number if math.isfinite(number) else None


def _own_knobs(knobs: Knobs, member: int | None) -> Knobs:
    """One member's knobs, as a single network has them."""
    if member is None:
        return replace(knobs, offsets=None)
    return Knobs(
        knobs.weights[:, member],
        knobs.learning_rates[member : member + 1],
        knobs.penalty_factors[:, member],
        {name: each[member] for name, each in knobs.label_smoothing.items()},
    )
