"""Finds what a config asks to be found on the validation rows once a network is trained."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from ..models import Output
from .assemble import Workshop
from .calibration import fit_temperature
from .decisions import Decisions
from .evaluate import View, evaluate
from .metric_plan import OutputMetrics
from .scores import JudgedRows, judged_rows
from .step import Trainee
from .thresholds import KEPT, best_thresholds


def find_decisions(workshop: Workshop, trainee: Trainee) -> tuple[Decisions, list[str]]:
    """The decisions for the weights that `trainee` has now, and what there is to say of them.

    Temperatures come first, from the logits of the validation rows; thresholds are then found on the
    probabilities that they give. Numbers that the config gives are taken over, a label at a time.
    """
    experiment = workshop.blueprint.experiment
    plans = {plan.output: plan for plan in workshop.blueprint.metrics}
    notes: list[str] = []
    temperatures: dict[str, float] = {}
    calibrated = [plans[name] for name in experiment.calibration]
    for plan, rows in _validation_rows(workshop, trainee, calibrated, _as_logits):
        fitted = fit_temperature(rows, trainee.network.activations[plan.output])
        temperatures[plan.output] = fitted.value
        if fitted.reason is not None:
            notes.append(f"validation/{plan.output}/temperature: {fitted.reason}; 1 is kept")
    thresholds: dict[str, dict[str, float]] = {}
    for name, given in experiment.thresholds.items():
        numbers = {} if given == "f1" else given
        thresholds[name] = {
            label: numbers.get(label, KEPT) if isinstance(numbers, Mapping) else numbers
            for label in plans[name].labels
        }
    searched = [plans[name] for name, given in experiment.thresholds.items() if given == "f1"]
    found = Decisions(temperatures=temperatures)
    for plan, rows in _validation_rows(workshop, trainee, searched, found.apply):
        best = best_thresholds(rows)
        thresholds[plan.output] = dict(zip(plan.labels, best.values, strict=True))
        notes += _threshold_notes(plan, best.has_positives)
    return Decisions(thresholds=thresholds, temperatures=temperatures), notes


def _validation_rows(
    workshop: Workshop, trainee: Trainee, plans: Sequence[OutputMetrics], view: View
) -> Iterator[tuple[OutputMetrics, JudgedRows]]:
    """Each plan with what its metrics would be computed from; nothing runs where there is no plan."""
    if not plans:
        return
    validation = workshop.splits.validation
    assert validation is not None, "a config that asks for more than numbers has validation rows"
    batch_size = workshop.blueprint.experiment.training.batch_size
    keep = [plan.output for plan in plans]
    evaluation = evaluate(trainee, validation, batch_size=batch_size, keep=keep, view=view)
    for plan in plans:
        yield plan, judged_rows(plan, evaluation, validation)


def _as_logits(outputs: Mapping[str, Output]) -> dict[str, Output]:
    """The logits in the place of the values, of those outputs that have any."""
    return {
        name: output if output.logits is None else Output(output.logits, None, output.mask)
        for name, output in outputs.items()
    }


def _threshold_notes(plan: OutputMetrics, has_positives: Sequence[bool]) -> Iterator[str]:
    place = f"validation/{plan.output}/thresholds"
    yield f"{place}: those of the highest F1 on these rows, whose own scores are too good for it"
    without = [label for label, has in zip(plan.labels, has_positives, strict=True) if not has]
    if without:
        verb = "has" if len(without) == 1 else "have"
        yield f"{place}: {', '.join(without)} {verb} no positives among these rows; 0.5 is kept"
