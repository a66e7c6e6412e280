"""The rules of `mlx check`: every code with its name and how serious it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning", "note"]
"""The network cannot learn what is asked of it; probably a mistake; good to know."""

RuleCode = Literal[
    "MLX101", "MLX102", "MLX103", "MLX104", "MLX105", "MLX106", "MLX107", "MLX108", "MLX109", "MLX110",
    "MLX111", "MLX112", "MLX113", "MLX114", "MLX115",
    "MLX201", "MLX202", "MLX203", "MLX204", "MLX205",
]  # fmt: skip
"""MLX1xx is known from the config alone, MLX2xx needs the data."""


@dataclass(frozen=True)
class Rule:
    """One rule; `page` says what it is about, with a bad config and a good one."""

    code: RuleCode
    name: str
    severity: Severity

    @property
    def page(self) -> str:
        """Where the rule is described."""
        return f"docs/rules/{self.code}.md"


_ALL = (
    Rule("MLX101", "softmax-with-binary-crossentropy", "error"),
    Rule("MLX102", "softmax-with-multi-hot-targets", "error"),
    Rule("MLX103", "sigmoid-with-categorical-crossentropy", "error"),
    Rule("MLX104", "activation-against-from-logits", "error"),
    Rule("MLX105", "values-outside-0-1", "error"),
    Rule("MLX106", "wrong-kind-of-accuracy", "warning"),
    Rule("MLX107", "weight-of-zero", "warning"),
    Rule("MLX108", "layer-no-loss-reaches", "warning"),
    Rule("MLX109", "output-without-loss", "warning"),
    Rule("MLX110", "sum-reduction", "warning"),
    Rule("MLX111", "label-smoothing-not-in-metric", "note"),
    Rule("MLX112", "output-cannot-reach-target", "error"),
    Rule("MLX113", "softmax-over-one-unit", "error"),
    Rule("MLX114", "threshold-on-logits", "warning"),
    Rule("MLX115", "monitor-under-moving-weights", "warning"),
    Rule("MLX201", "label-always-or-never-positive", "warning"),
    Rule("MLX202", "strong-imbalance-without-weights", "warning"),
    Rule("MLX203", "duplicate-rows-across-splits", "warning"),
    Rule("MLX204", "batch-larger-than-data", "warning"),
    Rule("MLX205", "loss-scales-apart", "warning"),
)

RULES: dict[RuleCode, Rule] = {rule.code: rule for rule in _ALL}
