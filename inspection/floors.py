"""How far each loss is from the least it can be on these data, and why that is not zero."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

from ..losses import LossTerm
from ..training.assemble import Workshop
from ..training.evaluate import evaluate
from ..training.final import judged_split, moves_minimum, term_floor
from ..training.step import Trainee


@dataclass(frozen=True)
class Floor:
    """One term on one split. `label_noise` is what the loss would be for the true probabilities, by what
    of the inputs is seen, where the source knows them."""

    term: str
    split: str
    loss: float
    floor: float | None
    distance: float | None
    reason: str
    label_noise: Mapping[str, float]

    def document(self) -> dict[str, object]:
        """The floor as plain JSON values."""
        return asdict(self)


def measure_floors(workshop: Workshop, trainee: Trainee) -> tuple[Floor, ...]:
    """Every term's value and floor on the split that a run is judged by."""
    split, table = judged_split(workshop.splits)
    batch_size = workshop.blueprint.experiment.training.batch_size
    evaluation = evaluate(trainee, table, batch_size=batch_size, keep=[])
    floors: list[Floor] = []
    for term in trainee.objective.terms:
        loss = float(evaluation.ledger.term(term.name))
        floor = term_floor(term, table, trainee.network, workshop.dtype)
        distance = None if floor is None else loss - floor
        noise = _label_noise(term, workshop.splits.optima)
        floors.append(Floor(term.name, split, loss, floor, distance, _reason(term, floor), noise))
    return tuple(floors)


def _reason(term: LossTerm, floor: float | None) -> str:
    kind = term.loss.type
    if floor is None:
        return "weighted or left-out classes move it" if moves_minimum(term) else f"not known for this {kind}"
    if floor == 0.0:
        return "reached where the prediction is the target"
    if term.loss.label_smoothing:
        return "the entropy of smoothed targets"
    if kind == "categorical_crossentropy":
        return "several labels, or shares, have one sum of 1"
    if kind.endswith("crossentropy"):
        return "the entropy of targets between 0 and 1"
    return "reached where the prediction fits the target best"


def _label_noise(term: LossTerm, optima: Mapping[str, float]) -> dict[str, float]:
    """The optima of this very loss; smoothing and weights make another one of it."""
    if term.loss.label_smoothing or moves_minimum(term):
        return {}
    start = f"{term.target}/{term.loss.type}/"
    return {key.removeprefix(start): value for key, value in optima.items() if key.startswith(start)}
