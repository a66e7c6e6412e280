"""What each loss does to a network, measured on its own data: the function behind `mlx explain`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch

from ..data import Table
from ..records.run_folder import RunFolder
from ..specs.experiment import Experiment
from ..specs.load import located
from ..training.assemble import Workshop, open_workshop
from ..training.attribution import (
    TermGradients,
    TermProbe,
    layer_slices,
    measure_layer,
    reached_rows,
)
from ..training.blueprint import draw_blueprint
from ..training.devices import choose_device, prepare_process, settled_threads
from ..training.fit import order_rows
from ..training.label_attribution import attribute_labels, is_separable
from ..training.reach import frozen_layers
from ..training.shared_stack import SharedStack
from ..training.step import Trainee
from ..training.transfer import restore_best
from .floors import Floor, measure_floors
from .gradients import Agreement, LabelReach, Reach, arrange_agreement, arrange_labels, arrange_reach
from .picture import GraphPicture, picture_graph
from .updates import AGGREGATED, Update, take_update


@dataclass(frozen=True)
class Explanation:
    """All that `mlx explain` tells. `weights_of` is the run that the weights are of, None for initial ones.

    `rows` are the terms, and `regularization` where there is any.
    """

    name: str
    weights_of: str | None
    batches: int
    rows: tuple[str, ...]
    update: Update
    reach: tuple[Reach, ...]
    agreement: tuple[Agreement, ...]
    labels: tuple[LabelReach, ...]
    floors: tuple[Floor, ...]
    picture: GraphPicture
    frozen: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def unreached(self) -> tuple[str, ...]:
        """The layers with trained weights that no loss with a weight above 0 reaches."""
        losses = {term.name for term in self.update.terms if term.kind == "loss" and term.weight > 0.0}
        return tuple(each.layer for each in self.reach if not losses.intersection(each.norms))

    def document(self) -> dict[str, object]:
        """The explanation as plain JSON values: null where a term does not reach, or nothing is known."""
        agreement: dict[str, list[dict[str, object]]] = {each.layer: [] for each in self.reach}
        for each in self.agreement:
            agreement[each.layer].append(
                {"terms": list(each.terms), "mean": each.mean, "std": each.std, "batches": each.batches}
            )
        return {
            "name": self.name,
            "run": self.weights_of,
            "batches": self.batches,
            "update": self.update.document(),
            "reach": {each.layer: {row: each.norms.get(row) for row in self.rows} for each in self.reach},
            "shares": {each.layer: {row: each.shares.get(row) for row in self.rows} for each in self.reach},
            "unreached": list(self.unreached),
            "frozen": list(self.frozen),
            "agreement": {layer: rows for layer, rows in agreement.items() if rows},
            "labels": {each.term: each.document() for each in self.labels},
            "floors": {each.term: each.document() for each in self.floors},
            "notes": list(self.notes),
        }


def explain(
    experiment: Experiment, *, run: RunFolder | None = None, batches: int = 8, device: str = "auto"
) -> Explanation:
    """Measure what each loss does, on the first training batches, at initial weights or at a run's best.

    Raises:
        ConfigError: the config, or a run whose weights do not fit it. DataError: the data or the
        checkpoint. MachineError: the device.
    """
    prepare_process(experiment.training.precision)
    with located(experiment):
        chosen = choose_device(device)
        blueprint = draw_blueprint(experiment)
        rows = experiment.training.batch_size
        with settled_threads(blueprint.network, chosen, rows=rows):
            workshop = open_workshop(blueprint, chosen)
            trainee = workshop.build([experiment], stacked=False)
            if run is not None:
                restore_best(trainee, run)
            return _Study(workshop, trainee, _first_batches(workshop, batches)).explanation(run)


@dataclass(frozen=True, eq=False)
class _Study:
    """A network, its data, and the batches that it is studied on."""

    workshop: Workshop
    trainee: Trainee
    batches: Sequence[Table]

    def explanation(self, run: RunFolder | None) -> Explanation:
        trainee, experiment = self.trainee, self.workshop.blueprint.experiment
        floors = measure_floors(self.workshop, trainee)
        stack = self._stack(len(trainee.objective.terms) + bool(trainee.network.penalties))
        probe = TermProbe(stack, trainee.network, trainee.objective)
        stack.follow(trainee)
        trainee.weighting.open_step(trainee)
        gradients = [self._gradients(probe, stack, number) for number in range(len(self.batches))]
        slices = layer_slices(trainee.network, trainee.parameters)
        measured = {
            layer: [measure_layer(each, where) for each in gradients] for layer, where in slices.items()
        }
        reached = reached_rows(trainee.network, probe.reach)
        sizes = {layer: where.stop - where.start for layer, where in slices.items()}
        del stack, probe
        labels = self._labels(gradients, slices)
        # Last, because it moves the weights that all else is measured at.
        update = take_update(
            trainee,
            self.batches[0],
            gradients[0],
            weighting=experiment.weighting.type,
            optimizer=experiment.optimizer.type,
        )
        return Explanation(
            name=experiment.name,
            weights_of=None if run is None else str(run.path),
            batches=len(self.batches),
            rows=gradients[0].names,
            update=update,
            reach=arrange_reach(gradients[0].names, reached, measured, sizes),
            agreement=arrange_agreement(gradients[0].names, reached, measured),
            labels=labels,
            floors=floors,
            picture=picture_graph(experiment, trainee.network, trainee.objective),
            frozen=frozen_layers(trainee.network),
            notes=_notes(experiment, run),
        )

    def _stack(self, members: int) -> SharedStack:
        return SharedStack(self.workshop.blueprint, self.trainee, members)

    def _gradients(self, probe: TermProbe, stack: SharedStack, number: int) -> TermGradients:
        # Each batch with the noise that training would draw for it.
        stack.at_step(number)
        return probe.gradients(self.batches[number], self.trainee.objective, self.trainee.knobs)

    def _labels(
        self, gradients: Sequence[TermGradients], slices: Mapping[str, slice]
    ) -> tuple[LabelReach, ...]:
        found: list[LabelReach] = []
        schema = self.workshop.blueprint.schema
        for position, term in enumerate(self.trainee.objective.terms):
            field = schema.targets.get(term.target)
            labels = () if field is None else field.labels
            if field is None or field.kind != "binary" or not is_separable(term, labels):
                continue
            stack = self._stack(len(labels))
            stack.follow(self.trainee)
            layers = attribute_labels(
                self.trainee,
                stack,
                self.batches,
                term=term,
                wholes=[each.rows[position] for each in gradients],
                layers=slices,
            )
            moved = {layer: each for layer, each in layers.items() if each.one + each.several}
            found.append(arrange_labels(term, self.trainee.network.activations[term.output], labels, moved))
        return tuple(found)


def _first_batches(workshop: Workshop, count: int) -> list[Table]:
    """The first training batches of the first epoch, at most as many as it has."""
    experiment, train = workshop.blueprint.experiment, workshop.splits.train
    order = order_rows(1, len(train), seeds=(experiment.seed,), shuffle=experiment.training.shuffle)
    parts = torch.split(order, experiment.training.batch_size)[:count]
    return [train.gather(part.to(workshop.device), workshop.dtype) for part in parts]


def _notes(experiment: Experiment, run: RunFolder | None) -> tuple[str, ...]:
    notes: list[str] = []
    if run is not None:
        notes.append("the optimizer of the step starts anew: its averages are not in the best checkpoint")
    kind = experiment.weighting.type
    if kind in AGGREGATED:
        notes.append(
            f"weighting {kind} replaces the weighted sum of the gradients where two terms meet; reach and "
            "agreement are measured before it does"
        )
    elif kind != "fixed":
        notes.append(
            f"weighting {kind} moves the weights while training; those in force here are in the table"
        )
    return tuple(notes)
