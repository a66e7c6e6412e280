"""In what two runs differ: their configs, what they ran on, and what they came to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..specs.flat import flat_values
from .run_details import RunDetails, describe_run
from .run_folder import RunFolder

Sides = Mapping[str, object]
"""Values by `a` and `b`; a run that has none is left out."""

# What is of one run alone, and differs always.
_OWN = ("started_at", "command")


@dataclass(frozen=True)
class RunDiff:
    """Of `config` and `environment` what differs, by dotted path; of `metrics` all, with their `difference`,
    b - a."""

    a: RunDetails
    b: RunDetails
    config: Mapping[str, Sides]
    environment: Mapping[str, Sides]
    metrics: Mapping[str, Sides]

    def document(self) -> dict[str, object]:
        """The differences as JSON values."""
        return {
            "a": _head(self.a),
            "b": _head(self.b),
            "config": self.config,
            "environment": self.environment,
            "metrics": self.metrics,
        }


def diff_runs(a: RunFolder, b: RunFolder) -> RunDiff:
    """Two runs side by side. Raises DataError for a damaged one."""
    left, right = describe_run(a), describe_run(b)
    return RunDiff(
        left,
        right,
        config=_differing(flat_values(left.config), flat_values(right.config)),
        environment=_differing(_environment(left), _environment(right)),
        metrics=_metrics(left.results.metrics, right.results.metrics),
    )


def _head(details: RunDetails) -> dict[str, object]:
    document = details.document()
    return {
        key: document[key] for key in ("run", "name", "status", "started", "seconds", "best_epoch", "epochs")
    }


def _environment(details: RunDetails) -> dict[str, object]:
    return flat_values({key: value for key, value in details.environment.items() if key not in _OWN})


def _differing(left: Mapping[str, object], right: Mapping[str, object]) -> dict[str, Sides]:
    sides = {key: _sides(key, left, right) for key in dict.fromkeys([*left, *right])}
    return {key: each for key, each in sides.items() if not _agree(each)}


def _agree(sides: Sides) -> bool:
    # As text, so that 1, 1.0 and true are three values.
    return len(sides) == 2 and repr(sides["a"]) == repr(sides["b"])


def _sides(key: str, left: Mapping[str, object], right: Mapping[str, object]) -> dict[str, object]:
    return {side: values[key] for side, values in (("a", left), ("b", right)) if key in values}


def _metrics(left: Mapping[str, float | None], right: Mapping[str, float | None]) -> dict[str, Sides]:
    metrics: dict[str, Sides] = {}
    for key in dict.fromkeys([*left, *right]):
        first, second = left.get(key), right.get(key)
        difference = None if first is None or second is None else second - first
        metrics[key] = {**_sides(key, left, right), "difference": difference}
    return metrics
