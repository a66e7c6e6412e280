"""The plots of a comparison: curves with bands over seeds, and the Pareto picture of the outputs."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..specs.metrics import LOWER_IS_BETTER
from .comparison_folder import ComparisonFolder
from .figures import figure_style, make_figure, save_figure
from .palette import INK, OKABE_ITO, color_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_LINES = ("-", "--", "-.", ":")
_MARKERS = "osD^vPX*"
_MOST_MARKED_EPOCHS = 20
_MOST_AXES = 3
_MOST_NAMED_POINTS = 24


@dataclass(frozen=True)
class Band:
    """One setting's mean over its members at each epoch, with the deviation where there are several."""

    setting: str
    epochs: tuple[int, ...]
    means: tuple[float, ...]
    deviations: tuple[float | None, ...]


@dataclass(frozen=True)
class FrontPoint:
    """One setting's mean and deviation on every axis of the front."""

    setting: str
    means: tuple[float, ...]
    deviations: tuple[float | None, ...]
    on_front: bool


def plot_comparison(
    folder: ComparisonFolder,
    panels: Mapping[str, Sequence[Band]],
    *,
    axes: Sequence[str],
    points: Sequence[FrontPoint],
) -> list[Path]:
    """Draw `curves` and `pareto` as PNG and SVG, each where there is something to show; the paths written.

    panels: by metric key, a band per setting. axes: the metric keys of the points. Raises MachineError.
    """
    order = list(dict.fromkeys([*(band.setting for each in panels.values() for band in each),
                                *(point.setting for point in points)]))  # fmt: skip
    with figure_style():
        figures = {
            "curves": _draw_curves(folder.path.name, panels, order),
            "pareto": _draw_fronts(folder.path.name, axes, points, order),
        }
        return [
            path
            for name, figure in figures.items()
            if figure
            for path in save_figure(folder.plot_path, name, figure)
        ]


def _draw_curves(name: str, panels: Mapping[str, Sequence[Band]], order: Sequence[str]) -> Figure | None:
    if not panels:
        return None
    columns = min(len(panels), 3)
    lines = math.ceil(len(panels) / columns)
    figure = make_figure(width=2.6 + 3.8 * columns, height=0.8 + 3.0 * lines)
    places = figure.subplots(lines, columns, squeeze=False).flatten().tolist()
    for place in places[len(panels) :]:
        place.remove()
    for place, (key, bands) in zip(places, panels.items(), strict=False):
        for band in bands:
            _draw_band(place, band, order.index(band.setting))
        _label_epochs(place, key)
    figure.suptitle(f"Mean over seeds, band of one standard deviation\n{name}", fontsize=11)
    _add_legend(figure, places[0], order)
    return figure


def _draw_band(axes: Axes, band: Band, index: int) -> None:
    color = color_of(index)
    marker = _MARKERS[index // len(OKABE_ITO) % len(_MARKERS)] if _is_short(band) else None
    line_style = _LINES[index // len(OKABE_ITO) % len(_LINES)]
    axes.plot(band.epochs, band.means, color=color, linestyle=line_style, marker=marker, label=band.setting)
    pairs = [
        (mean - deviation, mean + deviation)
        for mean, deviation in zip(band.means, band.deviations, strict=True)
        if deviation is not None and math.isfinite(deviation)
    ]
    if len(pairs) == len(band.epochs):
        lows, highs = zip(*pairs, strict=True)
        axes.fill_between(band.epochs, lows, highs, color=color, alpha=0.18, linewidth=0)


def _is_short(band: Band) -> bool:
    return len(band.epochs) <= _MOST_MARKED_EPOCHS


def _label_epochs(axes: Axes, key: str) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.set_title(f"{key} ({_direction(key)})")
    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.grid(visible=True, axis="y")


def _draw_fronts(
    name: str, keys: Sequence[str], points: Sequence[FrontPoint], order: Sequence[str]
) -> Figure | None:
    """A panel per pair of the first three axes. On more than two, the front is that of all together."""
    if len(keys) < 2 or not points:
        return None
    pairs = list(itertools.combinations(range(min(len(keys), _MOST_AXES)), 2))
    figure = make_figure(width=2.6 + 4.4 * len(pairs), height=4.8)
    places = figure.subplots(1, len(pairs), squeeze=False).flatten().tolist()
    for place, (across, up) in zip(places, pairs, strict=True):
        for point in points:
            _draw_point(place, point, across, up, order)
        if len(keys) == 2:
            _draw_steps(place, keys, points)
        place.set_xlabel(f"{keys[across]} ({_direction(keys[across])})")
        place.set_ylabel(f"{keys[up]} ({_direction(keys[up])})")
        place.margins(0.12)
        place.grid(visible=True)
    figure.suptitle(f"Pareto front (filled), mean and deviation over seeds\n{name}", fontsize=11)
    _add_legend(figure, places[0], order)
    return figure


def _draw_point(axes: Axes, point: FrontPoint, across: int, up: int, order: Sequence[str]) -> None:
    index = order.index(point.setting)
    color = color_of(index)
    axes.errorbar(
        point.means[across],
        point.means[up],
        xerr=point.deviations[across],
        yerr=point.deviations[up],
        color=color,
        ecolor=color,
        elinewidth=1.0,
        capsize=2.0,
        linestyle="none",
        marker=_MARKERS[index // len(OKABE_ITO) % len(_MARKERS)],
        markersize=7,
        markerfacecolor=color if point.on_front else "white",
        label=point.setting,
    )


def _draw_steps(axes: Axes, keys: Sequence[str], points: Sequence[FrontPoint]) -> None:
    """The edge of what is dominated: between two points of the front it goes by the worse of both."""
    front = sorted(point.means for point in points if point.on_front)
    # Along the better direction of the first axis the second gets worse: step where the first changes.
    where = "post" if _direction(keys[0]) == "lower is better" else "pre"
    axes.step(*zip(*front, strict=True), where=where, color=INK, linewidth=1.0, linestyle=":", zorder=0)


def _direction(key: str) -> str:
    return "lower is better" if key.rpartition("/")[2] in LOWER_IS_BETTER else "higher is better"


def _add_legend(figure: Figure, axes: Axes, order: Sequence[str]) -> None:
    """Beside the axes, so that it never hides a curve."""
    handles, labels = axes.get_legend_handles_labels()
    by_label = dict(zip(labels, handles, strict=True))
    shown = [name for name in order if name in by_label]
    figure.legend(
        handles=[by_label[name] for name in shown],
        labels=shown,
        loc="outside right upper",
        frameon=False,
        fontsize=7 if len(shown) > _MOST_NAMED_POINTS else 9,
        ncols=math.ceil(len(shown) / 28),
    )
