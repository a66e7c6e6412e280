"""The registry of rules: which function finds what, and what it found as located findings."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

from ..specs.errors import Path, Problem, dotted
from ..specs.places import by_place
from ..specs.rules import RULES, RuleCode, Severity
from ..training.assemble import Workshop
from ..training.blueprint import Blueprint
from .config_pitfalls import layer_no_loss_reaches, output_without_loss, sum_reduction, weight_of_zero
from .data_pitfalls import (
    batch_larger_than_data,
    label_always_or_never_positive,
    loss_scales_apart,
    strong_imbalance_without_weights,
)
from .duplicates import duplicate_rows_across_splits
from .metric_pitfalls import (
    label_smoothing_not_in_metric,
    monitor_under_moving_weights,
    threshold_on_logits,
    wrong_kind_of_accuracy,
)
from .pairing_pitfalls import (
    activation_against_from_logits,
    sigmoid_with_categorical_crossentropy,
    softmax_over_one_unit,
    softmax_with_binary_crossentropy,
    softmax_with_multi_hot_targets,
)
from .target_pitfalls import output_cannot_reach_target, values_outside_0_1


@dataclass(frozen=True)
class Finding:
    """One mistake: the rule it breaks, what was found with its reason and a way out, and where it stands."""

    code: RuleCode
    name: str
    severity: Severity
    message: str
    path: Path
    page: str
    file: str | None = None
    line: int | None = None
    column: int | None = None

    @property
    def problem(self) -> Problem:
        """The finding as a located problem."""
        return Problem(self.message, self.path, self.file, self.line, self.column)

    def __str__(self) -> str:
        text = f"{self.code} {self.severity}: {self.message} ({self.page})"
        return str(replace(self.problem, message=text))

    def document(self) -> dict[str, object]:
        """The finding as plain JSON values."""
        head = {"code": self.code, "name": self.name, "severity": self.severity}
        place = {"file": self.file, "line": self.line, "column": self.column, "path": dotted(self.path)}
        return {**head, **place, "message": self.message, "page": self.page}


CONFIG_RULES: Mapping[RuleCode, Callable[[Blueprint], Iterator[Problem]]] = {
    "MLX101": softmax_with_binary_crossentropy,
    "MLX102": softmax_with_multi_hot_targets,
    "MLX103": sigmoid_with_categorical_crossentropy,
    "MLX104": activation_against_from_logits,
    "MLX105": values_outside_0_1,
    "MLX106": wrong_kind_of_accuracy,
    "MLX107": weight_of_zero,
    "MLX108": layer_no_loss_reaches,
    "MLX109": output_without_loss,
    "MLX110": sum_reduction,
    "MLX111": label_smoothing_not_in_metric,
    "MLX112": output_cannot_reach_target,
    "MLX113": softmax_over_one_unit,
    "MLX114": threshold_on_logits,
    "MLX115": monitor_under_moving_weights,
}

DATA_RULES: Mapping[RuleCode, Callable[[Workshop], Iterator[Problem]]] = {
    "MLX201": label_always_or_never_positive,
    "MLX202": strong_imbalance_without_weights,
    "MLX203": duplicate_rows_across_splits,
    "MLX204": batch_larger_than_data,
    "MLX205": loss_scales_apart,
}

COSTLY: frozenset[RuleCode] = frozenset(("MLX205",))
"""Rules that run the network; all others take less than a tenth of the time that the data take to read."""


def find_pitfalls(
    blueprint: Blueprint, workshop: Workshop | None = None, *, costly: bool = True
) -> tuple[Finding, ...]:
    """What the rules find in a config, and with a workshop in its data, in the order of the text.

    Rules that the config ignores are not asked; without `costly`, nor are those that take time.
    """
    skipped: set[RuleCode] = {*blueprint.experiment.ignore, *(() if costly else COSTLY)}
    findings: list[Finding] = []
    for code, found in _all_found(blueprint, workshop):
        if code not in skipped:
            # Several losses of one output may say the same of it.
            problems = blueprint.experiment.locate(list(dict.fromkeys(found)))
            findings += [_finding(code, problem) for problem in problems]
    return tuple(sorted(findings, key=lambda finding: (*by_place(finding.problem), finding.code)))


def _all_found(
    blueprint: Blueprint, workshop: Workshop | None
) -> Iterator[tuple[RuleCode, Iterator[Problem]]]:
    """Every rule with what it will find when it is asked."""
    for code, find in CONFIG_RULES.items():
        yield code, find(blueprint)
    if workshop is not None:
        for code, find_in in DATA_RULES.items():
            yield code, find_in(workshop)


def _finding(code: RuleCode, problem: Problem) -> Finding:
    rule = RULES[code]
    where = (problem.file, problem.line, problem.column)
    return Finding(code, rule.name, rule.severity, problem.message, problem.path, rule.page, *where)
