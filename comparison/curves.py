"""The curves and the front of a judgement, gathered for drawing."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from ..records.comparison_plots import Band, FrontPoint
from ..records.run_folder import RunFolder
from ..records.tables import Row
from .judge import JudgedSetting, Judgement
from .keys import is_total
from .statistics import estimate

MOST_PANELS = 9

_Curve = dict[int, float]


def gather_curves(judgement: Judgement, root: Path) -> dict[str, list[Band]]:
    """By metric key, the band of every setting over the epochs; `root` is what the runs' paths begin at.

    The judged metric comes first. Keys are those on validation, or on train where there is none.
    """
    histories = {
        each.name: [RunFolder(root / member.run).read_metrics() for member in each.members if member.metrics]
        for each in judgement.settings
    }
    columns = list(
        dict.fromkeys(key for rows in histories.values() for each in rows for key in _columns(each))
    )
    split = "validation" if any(key.startswith("validation/") for key in columns) else "train"
    keys = [
        key for key in columns if key.startswith(f"{split}/") and key.count("/") == 2 and not is_total(key)
    ]
    judged = f"{split}/{(judgement.metric or '').partition('/')[2]}"
    keys.sort(key=lambda key: key != judged)
    panels = {
        key: [
            band
            for each in judgement.settings
            if (band := _band(each, [_curve(rows, key) for rows in histories[each.name]])) is not None
        ]
        for key in keys[:MOST_PANELS]
    }
    return {key: bands for key, bands in panels.items() if bands}


def gather_front(judgement: Judgement) -> list[FrontPoint]:
    """Every setting that has a value on each axis of the front."""
    return [
        FrontPoint(
            setting=each.name,
            means=tuple(each.scores[key].estimate.mean for key in judgement.axes),
            deviations=tuple(each.scores[key].estimate.std for key in judgement.axes),
            on_front=each.name in judgement.front,
        )
        for each in judgement.settings
        if judgement.axes and all(key in each.scores for key in judgement.axes)
    ]


def _columns(rows: Sequence[Row]) -> list[str]:
    return list(rows[0]) if rows else []


def _curve(rows: Sequence[Row], key: str) -> _Curve:
    points: _Curve = {}
    for row in rows:
        epoch, value = row.get("epoch"), row.get(key)
        if isinstance(epoch, int) and isinstance(value, int | float) and math.isfinite(value):
            points[epoch] = float(value)
    return points


def _band(each: JudgedSetting, curves: Sequence[Mapping[int, float]]) -> Band | None:
    """Mean and deviation over the members, for the epochs that all of them reached.

    Past the first that stopped early, a mean of the others would show who is left, not what they do.
    """
    there = [curve for curve in curves if curve]
    epochs = sorted(set(there[0]).intersection(*there[1:])) if there else []
    if not epochs:
        return None
    estimates = [estimate([curve[epoch] for curve in there]) for epoch in epochs]
    return Band(
        setting=each.name,
        epochs=tuple(epochs),
        means=tuple(found.mean for found in estimates),
        deviations=tuple(found.std for found in estimates),
    )
