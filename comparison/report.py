"""A judgement written down: as a JSON document, as tidy rows, as tables of text."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from ..records.tables import Cell, Row
from ..records.text_tables import TextTable, number_text
from ..specs.flat import telling_paths
from .judge import JudgedSetting, Judgement, Score
from .keys import SPLITS, is_total
from .results import MemberResult

_MOST_COLUMNS = 6


def judgement_document(
    judgement: Judgement, *, comparison: str | None, plan: Mapping[str, object], root: Path = Path()
) -> dict[str, object]:
    """The judgement as plain JSON values, null for what is not there; `root` goes before the runs' paths."""
    return {
        "comparison": comparison,
        "plan": dict(plan),
        "baseline": judgement.baseline,
        "metric": judgement.metric,
        "settings": [_setting_document(each, root) for each in judgement.settings],
        "pareto": {"axes": list(judgement.axes), "front": list(judgement.front)},
        "notes": list(judgement.notes),
    }


def score_rows(judgement: Judgement) -> tuple[list[Row], list[str]]:
    """A row per setting and metric, and the names of the columns with what was varied."""
    varied = list(judgement.settings[0].varied)
    rows: list[Row] = []
    for each in judgement.settings:
        changed: dict[str, Cell] = {path: _cell(value) for path, value in each.varied.items()}
        for key, score in each.scores.items():
            rows.append({"setting": each.name, "metric": key, **_numbers(score), **changed})
    return rows, varied


def member_rows(members: Sequence[MemberResult]) -> tuple[list[Row], list[str]]:
    """A row per member, and the names of the columns with its metrics."""
    metrics = list(dict.fromkeys(key for member in members for key in member.metrics))
    rows: list[Row] = []
    for member in members:
        head: Row = {"setting": member.setting, "seed": member.seed, "run": member.run}
        rows.append({**head, "status": member.status, **member.metrics})
    return rows, metrics


def judgement_tables(judgement: Judgement) -> list[TextTable]:
    """The settings by the judged metric, then all that was measured on its split."""
    if judgement.metric is None:
        return []
    others = _measured(judgement, judgement.metric)
    tables = [_judged_table(judgement, judgement.metric)]
    return [*tables, _measured_table(judgement, others)] if others else tables


def estimate_text(score: Score | None) -> str:
    """`mean +- std`, the mean alone where there is one value."""
    if score is None:
        return ""
    mean, std = score.estimate.mean, score.estimate.std
    return number_text(mean) if std is None else f"{number_text(mean)} +- {number_text(std)}"


def _setting_document(each: JudgedSetting, root: Path) -> dict[str, object]:
    return {
        "name": each.name,
        "changes": dict(each.setting.changes),
        "metrics": {key: _score_document(score) for key, score in each.scores.items()},
        "members": [
            {"run": str(root / member.run), "seed": member.seed, "status": member.status}
            for member in each.members
        ],
    }


def _score_document(score: Score) -> dict[str, object]:
    found, difference = score.estimate, score.difference
    return {
        "mean": found.mean,
        "std": found.std,
        "n": found.n,
        "difference": None
        if difference is None
        else {
            "mean": difference.mean,
            "low": difference.low,
            "high": difference.high,
            "p": difference.p,
            "p_holm": score.p_holm,
        },
    }


def _numbers(score: Score) -> Row:
    numbers: Row = {"mean": score.estimate.mean, "std": score.estimate.std, "n": score.estimate.n}
    if score.difference is not None:
        difference = score.difference
        numbers |= {"difference": difference.mean, "low": difference.low, "high": difference.high}
        numbers |= {"p": difference.p, "p_holm": score.p_holm}
    return numbers


def _cell(value: object) -> Cell:
    if value is None or (isinstance(value, str | int | float) and not isinstance(value, bool)):
        return value
    return json.dumps(value, ensure_ascii=False)


def _judged_table(judgement: Judgement, metric: str) -> TextTable:
    paths = list(judgement.settings[0].varied)
    shown = telling_paths(paths)[:_MOST_COLUMNS]
    has_p = any(score.p_holm is not None for score in _scores(judgement, metric))
    headings = ["setting", *map(_short_path, shown), metric, "n"]
    headings += [f"- {judgement.baseline}", "95 % interval"] + (["p", "p (Holm)"] if has_p else [])
    headings += ["front"] if judgement.axes else []
    rows: list[tuple[str, ...]] = []
    for each in judgement.settings:
        score = each.scores.get(metric)
        cells = [each.name, *(_value_text(each.varied[path]) for path in shown), estimate_text(score)]
        cells += ["" if score is None else str(score.estimate.n), *_difference_cells(score, has_p=has_p)]
        cells += ["yes" if each.name in judgement.front else ""] if judgement.axes else []
        rows.append(tuple(cells))
    hidden = len(paths) - len(shown)
    more = f" ({hidden} more changed keys in comparison.csv)" if hidden else ""
    title = f"{metric}: each setting, and its difference to {judgement.baseline} on the same seeds{more}"
    return TextTable(title, tuple(headings), tuple(rows), 1 + len(shown))


def _scores(judgement: Judgement, metric: str) -> list[Score]:
    return [each.scores[metric] for each in judgement.settings if metric in each.scores]


def _difference_cells(score: Score | None, *, has_p: bool) -> list[str]:
    difference = None if score is None else score.difference
    if score is None or difference is None:
        return [""] * (4 if has_p else 2)
    mark = " *" if difference.excludes_zero else ""
    interval = ""
    if difference.low is not None:
        interval = f"[{number_text(difference.low)}, {number_text(difference.high)}]{mark}"
    p_cells = [number_text(difference.p), number_text(score.p_holm)] if has_p else []
    return [number_text(difference.mean), interval, *p_cells]


def _measured(judgement: Judgement, metric: str) -> list[str]:
    """The keys of the judged split, the judged one left out where it is the only one."""
    split = metric.partition("/")[0] if metric.partition("/")[0] in SPLITS else SPLITS[0]
    keys = [key for key in judgement.keys if key.startswith(f"{split}/") and not is_total(key)]
    return [] if keys == [metric] else keys


def _measured_table(judgement: Judgement, keys: Sequence[str]) -> TextTable:
    rows = tuple((each.name, *(_marked(each.scores.get(key)) for key in keys)) for each in judgement.settings)
    title = f"all measured, mean +- deviation over seeds; * differs from {judgement.baseline}"
    return TextTable(title, ("setting", *keys), rows, 1)


def _marked(score: Score | None) -> str:
    differs = score is not None and score.difference is not None and score.difference.excludes_zero
    return f"{estimate_text(score)} *" if differs else estimate_text(score)


def _short_path(path: str) -> str:
    return path.removeprefix("losses.")


def _value_text(value: object) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
