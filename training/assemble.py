"""Puts together what is trained: splits on the device, and a network or a stack with all that moves it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ..data import Splits, Table, mask_missing
from ..losses import Objective, build_knobs, weigh_classes
from ..models import build_network
from ..specs.experiment import Experiment
from .blueprint import Blueprint
from .data_checks import check_data
from .devices import AUTOCAST, DTYPES
from .evaluate import reference_rows
from .optimizers import build_optimizer
from .parameters import FlatParameters
from .schedules import build_schedule
from .step import Trainee, new_trainee
from .transfer import load_weights_from
from .weighting import take_members
from .weighting_build import build_weighting


@dataclass(frozen=True, eq=False)
class Workshop:
    """All that trainees of one blueprint are built from: data on the device, and the finished objective."""

    blueprint: Blueprint
    splits: Splits
    objective: Objective
    device: torch.device

    @property
    def dtype(self) -> torch.dtype:
        """The floating type of weights and batches."""
        return DTYPES[self.blueprint.experiment.training.precision]

    @property
    def steps_per_epoch(self) -> int:
        """Batches of an epoch, the last of which may be partial."""
        return -(-len(self.splits.train) // self.blueprint.experiment.training.batch_size)

    def build(self, experiments: Sequence[Experiment], *, stacked: bool, initial: bool = True) -> Trainee:
        """A trainee at its start: a stack with a member per experiment, or the one experiment alone.

        Not `initial`: its weights are about to be replaced, so that no other run is read for them.
        """
        first = experiments[0]
        network = build_network(
            first.model,
            self.blueprint.inputs,
            seed=[each.seed for each in experiments] if stacked else first.seed,
            numerics=first.numerics,
            dtype=self.dtype,
            device=self.device,
        )
        network.autocast = AUTOCAST.get(first.training.precision)
        if initial and first.model.weights_from is not None:
            load_weights_from(network, first.model.weights_from)
        parameters = FlatParameters(network, members=network.members)
        knobs = build_knobs(
            [each.losses for each in experiments],
            learning_rates=[each.optimizer.learning_rate for each in experiments],
            penalty_factors=[[penalty.factor for penalty in network.penalties]] * len(experiments),
            stacked=stacked,
        ).to(self.device, self.dtype)
        optimizer = build_optimizer(
            first.optimizer,
            parameters,
            numerics=first.numerics,
            learning_rates=knobs.learning_rates,
            schedule=build_schedule(
                first.optimizer.schedule,
                steps_per_epoch=self.steps_per_epoch,
                epochs=first.training.epochs,
            ),
        )
        objective = replace(_smoothed(self.objective, first), members=network.members)
        trainee = new_trainee(network, parameters, objective, knobs, optimizer)
        trainee.skip_limit = first.training.skip_limit
        trainee.weighting = build_weighting(trainee, self.blueprint, experiments)
        trainee.weighting.open_epoch(trainee, 1)
        return trainee


def open_workshop(blueprint: Blueprint, device: torch.device) -> Workshop:
    """Read the data that a blueprint asks for, with only the columns its network and losses read.

    Raises:
        DataError: the data are missing, damaged, or do not fit the losses.
    """
    experiment = blueprint.experiment
    splits = blueprint.source.build()
    names = set(blueprint.network.graph.inputs) | {term.target for term in blueprint.objective.terms}

    def place(table: Table) -> Table:
        return mask_missing(table.select(names)).to(device)

    placed = Splits(
        place(splits.train),
        None if splits.validation is None else place(splits.validation),
        None if splits.test is None else place(splits.test),
        splits.schema,
        splits.fingerprint,
        splits.optima,
        splits.notes,
    )
    check_data(blueprint, placed)
    dtype = DTYPES[experiment.training.precision]

    def rows(target: str) -> tuple[Tensor, Tensor | None]:
        return reference_rows(placed.train, target, dtype), placed.train.masks.get(target)

    labels = {name: field.labels for name, field in {**splits.schema.inputs, **splits.schema.targets}.items()}
    objective = weigh_classes(blueprint.objective, experiment.losses, labels, rows)
    return Workshop(blueprint, placed, objective, device)


def _smoothed(objective: Objective, experiment: Experiment) -> Objective:
    """The objective with the label smoothing of this experiment."""
    terms = [
        replace(
            term,
            loss=replace(
                term.loss, label_smoothing=getattr(experiment.losses[term.name], "label_smoothing", 0.0)
            ),
        )
        for term in objective.terms
    ]
    return replace(objective, terms=terms)


def narrow(trainee: Trainee, narrower: Trainee, rows: Sequence[int]) -> Trainee:
    """`narrower`, a new stack for the members `rows` of `trainee`, brought to where they are."""
    with torch.no_grad():
        narrower.parameters.values.copy_(trainee.parameters.values[list(rows)])
        old, new = dict(trainee.network.named_buffers()), dict(narrower.network.named_buffers())
        for name in trainee.network.state_dict().keys() & new.keys():
            new[name].copy_(old[name][list(rows)])
        narrower.network.noise.step.copy_(trainee.network.noise.step)
    narrower.skipped.copy_(trainee.skipped[list(rows)])
    narrower.optimizer.take_members(trainee.optimizer, rows)
    take_members(narrower.weighting, trainee.weighting, rows)
    return narrower
