"""The judgement: every setting's scores over its seeds, and its paired differences to the baseline."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from .evidence import Evidence, gather
from .keys import judged_key, lower_is_better, resolve_key
from .notes import find_notes
from .pareto import front_axes, pareto_front
from .results import Finished, MemberResult
from .settings import Setting
from .statistics import Difference, Estimate, estimate, holm, paired_difference


@dataclass(frozen=True)
class Score:
    """One metric of one setting. The baseline has no difference to itself."""

    estimate: Estimate
    difference: Difference | None = None
    p_holm: float | None = None


@dataclass(frozen=True)
class JudgedSetting:
    """A setting, its members, and its scores by metric key; `varied` holds what tells it from the others."""

    setting: Setting
    members: tuple[MemberResult, ...]
    scores: Mapping[str, Score]
    varied: Mapping[str, object]

    @property
    def name(self) -> str:
        """The setting's name."""
        return self.setting.name


@dataclass(frozen=True)
class Judgement:
    """All settings judged. `metric` is the key they are judged by (None where every member diverged),
    `front` the Pareto front over `axes`."""

    settings: tuple[JudgedSetting, ...]
    baseline: str
    metric: str | None
    keys: tuple[str, ...]
    axes: tuple[str, ...]
    front: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def all_diverged(self) -> bool:
        """Whether no member at all came to its end."""
        return all(member.status == "diverged" for each in self.settings for member in each.members)


def judge(
    finished: Finished,
    *,
    baseline: str,
    metric: str | None = None,
    sort: str | None = None,
    remarks: Sequence[str] = (),
) -> Judgement:
    """Judge settings on the seeds that they share with the baseline.

    metric, sort: keys as a user gives them; without `metric` the first shared one is judged. remarks are
    further notes. Raises ConfigError for keys that are not there, not shared, or a total that is not the
    same quantity, and where the settings share nothing.
    """
    evidence = gather(finished, baseline)
    judged = _judged(evidence, metric)
    scores = _all_scores(evidence)
    axes, front = _front(evidence, judged, scores)
    varied = evidence.varied
    settings = [
        JudgedSetting(
            setting,
            evidence.members[setting.name],
            scores[setting.name],
            {path: evidence.flats[setting.name].get(path) for path in varied},
        )
        for setting in evidence.settings
    ]
    if sort is not None and judged is not None:
        settings = _sorted(settings, evidence, sort)
    return Judgement(
        settings=tuple(settings),
        baseline=baseline,
        metric=judged,
        keys=evidence.keys,
        axes=axes,
        front=front,
        notes=(*remarks, *find_notes(evidence, judged)),
    )


def _judged(evidence: Evidence, metric: str | None) -> str | None:
    if not evidence.keys:
        return None
    if metric is None:
        return judged_key(evidence.shared, doubtful_terms=evidence.doubtful_terms)
    return resolve_key(metric, evidence.shared, totals_differ=evidence.totals_differ, option="--metric")


def _all_scores(evidence: Evidence) -> dict[str, dict[str, Score]]:
    reference = evidence.members[evidence.baseline]
    scores = {
        name: {
            key: _score(own, None if name == evidence.baseline else reference, key)
            for key in evidence.keys
            if any(key in member.metrics for member in own)
        }
        for name, own in evidence.members.items()
    }
    for key in evidence.keys:
        compared = [name for name in scores if key in scores[name] and scores[name][key].difference]
        differences = [scores[name][key].difference for name in compared]
        adjusted = holm([each.p if each else None for each in differences])
        for name, p_holm in zip(compared, adjusted, strict=True):
            scores[name][key] = replace(scores[name][key], p_holm=p_holm)
    return scores


def _score(own: Sequence[MemberResult], reference: Sequence[MemberResult] | None, key: str) -> Score:
    values = {member.seed: member.metrics[key] for member in own if key in member.metrics}
    found = estimate(list(values.values()))
    if reference is None:
        return Score(found)
    others = {member.seed: member.metrics[key] for member in reference if key in member.metrics}
    # A seed that is missing on either side leaves both: pairs compare like with like.
    seeds = [seed for seed in values if seed in others]
    if not seeds:
        return Score(found)
    return Score(found, paired_difference([values[seed] for seed in seeds], [others[seed] for seed in seeds]))


def _front(
    evidence: Evidence, judged: str | None, scores: Mapping[str, Mapping[str, Score]]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    if judged is None:
        return (), ()
    axes = front_axes(
        evidence.shared,
        judged,
        term_outputs=evidence.term_outputs,
        doubtful_terms=evidence.doubtful_terms,
    )
    means = {name: {key: score.estimate.mean for key, score in own.items()} for name, own in scores.items()}
    return axes, pareto_front(means, axes)


def _sorted(settings: Sequence[JudgedSetting], evidence: Evidence, sort: str) -> list[JudgedSetting]:
    """Best first; settings without the key last; ties as they were given."""
    key = resolve_key(sort, evidence.keys, totals_differ=evidence.totals_differ, option="--sort")
    sign = 1.0 if lower_is_better(key) else -1.0

    def rank(each: JudgedSetting) -> float:
        score = each.scores.get(key)
        return math.inf if score is None else sign * score.estimate.mean

    return sorted(settings, key=rank)
