"""A stack whose members have the same weights: as many gradients of one batch as it has members, in one
forward and one backward pass.

Legend: P parameters of one member, K members, T terms.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from ..losses import Knobs, Ledger, Objective
from ..models import Network, build_network
from .blueprint import Blueprint
from .parameters import FlatParameters
from .step import Batch, Trainee, score_batch

# Entries of the weights, and again of the gradients, that a stack may hold: 512 MiB each in float32.
_MOST_ENTRIES = 2**27


@dataclass(frozen=True, eq=False)
class Question:
    """What one member is asked for the gradient of: terms by weight (T), penalties by factor (J)."""

    weights: Tensor
    penalty_factors: Tensor


class SharedStack:
    """K copies of one network, kept equal by `follow`."""

    def __init__(self, blueprint: Blueprint, trainee: Trainee, members: int) -> None:
        experiment = blueprint.experiment
        self.trainee = trainee
        self.members = min(members, max(1, _MOST_ENTRIES // trainee.parameters.values.shape[-1]))
        values = trainee.parameters.values
        # On the meta device nothing is drawn: every number comes from the network that is followed.
        network = build_network(
            experiment.model,
            blueprint.inputs,
            seed=[experiment.seed] * self.members,
            numerics=experiment.numerics,
            dtype=values.dtype,
            device="meta",
        )
        self.network: Network = network.to_empty(device=values.device)
        self.network.autocast = trainee.network.autocast
        self.parameters = FlatParameters(self.network, self.members)

    def follow(self, trainee: Trainee, row: int | None = None) -> None:
        """Take over all weights, averages and noise of a network, or of one member of a stack."""
        self.trainee = trainee
        source = trainee.network
        buffers = dict(source.named_buffers())
        with torch.no_grad():
            for own, given in _pairs(self.network.named_parameters(), dict(source.named_parameters())):
                own.copy_(given if row is None else given[row])
            for name, own in self.network.named_buffers():
                given = buffers[name]
                # All members have one clock.
                if given.dim() == 0 and own.dim() == 0:
                    own.copy_(given)
                else:
                    one = given if row is None else given.reshape(len(trainee.frozen), -1)[row]
                    own.view(self.members, -1).copy_(one.reshape(-1))

    def at_step(self, step: int) -> SharedStack:
        """The same stack, drawing the noise of another step than the followed network's."""
        self.network.noise.step.fill_(step)
        return self

    def gradients(
        self, batch: Batch, questions: Sequence[Question], *, objective: Objective, knobs: Knobs
    ) -> Iterator[tuple[Ledger, Tensor]]:
        """The ledger (k members) and the gradients (k, P) of `questions`, at most K of them at a time.

        `knobs` are those of a single network; the questions' weights and factors take the place of its.
        """
        objective = replace(objective, members=self.members)
        for start in range(0, len(questions), self.members):
            asked = list(questions[start : start + self.members])
            # Where fewer are left than there are members, the last one is asked again.
            every = asked + [asked[-1]] * (self.members - len(asked))
            own = replace(
                knobs,
                weights=torch.stack([each.weights for each in every], -1),
                penalty_factors=torch.stack([each.penalty_factors for each in every], -1),
                offsets=None,
            )
            _, ledger = score_batch(self.network, objective, own, batch)
            yield ledger, self.parameters.gradient(ledger.total.sum())[: len(asked)]


def _pairs(
    own: Iterable[tuple[str, nn.Parameter]], given: dict[str, nn.Parameter]
) -> Iterator[tuple[nn.Parameter, nn.Parameter]]:
    for name, each in own:
        yield each, given[name]
