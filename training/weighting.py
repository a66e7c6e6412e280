"""What a weighting of losses is, the fixed one, and the weights that a checkpoint keeps.

One rule for every total that is reported: `total = sum_i weight_i * loss_i + regularization` with the
weights in force at the end of the epoch, which are those in the ledger; on every split alike.
Legend: T terms, K members of a stack.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor

from ..losses import Knobs, Ledger, settle

if TYPE_CHECKING:
    from .step import Trainee

KeptWeights = Mapping[str, Mapping[str, float]]
"""`weights` by term and, where they cost something themselves, `offsets` by term."""


class Weighting(Protocol):
    """How the terms of a total are weighed while it is trained. Unless said otherwise: as they are.

    The weights in force are `trainee.knobs.weights`, the terms' own ones times what the weighting says.
    They are no parameters of the network, and its optimizer never sees them.
    """

    def open_epoch(self, trainee: Trainee, epoch: int) -> None:
        """Set the weights that the epoch begins with; epochs count from 1."""

    def open_step(self, trainee: Trainee) -> None:
        """Set the weights of the next step."""

    def backward(self, trainee: Trainee, ledger: Ledger) -> None:
        """Put the gradient that updates the network into `trainee.parameters.gradients`."""
        # Members share no weight, so the sum's gradient is each member's own.
        trainee.parameters.backward(ledger.total.sum() if ledger.total.dim() else ledger.total)

    def close_step(self, trainee: Trainee, ledger: Ledger) -> None:
        """Learn from the step that was just made."""

    def close_epoch(self, trainee: Trainee, means: Ledger) -> None:
        """Learn from the epoch's means, and leave the weights by which it is reported."""

    def state(self) -> dict[str, Tensor]:
        """What goes on from epoch to epoch; in a stack the first axis is the member's."""
        return {}

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Continue from a `state()`; `open_epoch` sets the weights."""


class FixedWeighting(Weighting):
    """The terms' own weights, always."""


def settled_means(trainee: Trainee, means: Ledger) -> Ledger:
    """A training epoch's ledger under the weights in force at its end."""
    return settle(means, trainee.knobs.weights, trainee.knobs.offsets)


def take_members(weighting: Weighting, other: Weighting, rows: Sequence[int]) -> None:
    """Continue with the members `rows` of another stack's weighting."""
    weighting.load_state({name: each[list(rows)] for name, each in other.state().items()})


def keep_weights(trainee: Trainee, member: int | None) -> dict[str, dict[str, float]]:
    """A member's weights in force, by term: what its checkpoint is scored with later."""
    columns = {"weights": trainee.knobs.weights}
    if trainee.knobs.offsets is not None:
        columns["offsets"] = trainee.knobs.offsets
    names = trainee.objective.names
    return {
        key: dict(zip(names, _numbers(each if member is None else each[:, member]), strict=True))
        for key, each in columns.items()
    }


def restore_weights(trainee: Trainee, kept: KeptWeights) -> None:
    """Put the weights of `keep_weights` in force, in a network of its own."""
    assert trainee.network.members is None, "kept weights are one member's"
    trainee.knobs = replace(
        trainee.knobs,
        weights=_restored(trainee, kept["weights"]),
        offsets=_restored(trainee, kept["offsets"]) if "offsets" in kept else None,
    )


def weigh(knobs: Knobs, factors: Tensor, own: Tensor) -> Knobs:
    """Knobs with the weights `own * factors`, (T) or (T, K), in their own type."""
    return replace(knobs, weights=(own * factors).to(own.dtype))


def _restored(trainee: Trainee, numbers: Mapping[str, float]) -> Tensor:
    ordered = [numbers[name] for name in trainee.objective.names]
    return torch.tensor(ordered, dtype=trainee.knobs.weights.dtype, device=trainee.knobs.weights.device)


def _numbers(column: Tensor) -> list[float]:
    return [float(value) for value in column]
