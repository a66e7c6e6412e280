"""The plots of one run: loss terms and metrics over its epochs, and its labels side by side."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from .figures import drawn_text, figure_style, make_figure, save_figure
from .palette import INK, OKABE_ITO, color_of
from .run_folder import RunFolder
from .tables import Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

_SPLITS = ("train", "validation")
_MARKERS = "osD^vPX*"
_MANY = 8
_MOST_MARKED_EPOCHS = 20
_LOG_RATIO = 50.0
_LONGEST_LABEL = 50


@dataclass(frozen=True)
class _Curve:
    """One line: (epoch, value) pairs of a named series on one split. A missing value is NaN."""

    series: str
    split: str
    points: tuple[tuple[float, float], ...]

    @property
    def values(self) -> list[float]:
        """Those that are there."""
        return [value for _, value in self.points if math.isfinite(value)]


def plot_run(run: RunFolder) -> list[Path]:
    """Draw `losses`, `metrics`, `labels` and example images as PNG and SVG into the run's plots, each where
    there is something to show; the paths written. Raises DataError for a damaged table, MachineError."""
    # Here, because listing runs imports no numpy.
    from .image_plots import draw_images
    from .images import read_images

    curves = _metric_curves(run.read_metrics())
    with figure_style():
        figures = {
            "losses": _draw_losses(run.name, _loss_curves(run.read_ledger())),
            "metrics": _draw_metrics(run.name, curves),
            "labels": _draw_labels(run.name, run.read_labels()),
        }
        for output, images in read_images(run).items():
            figures[f"images_{output}"] = draw_images(f"{output}, test rows\n{run.name}", images)
        return [
            path
            for name, figure in figures.items()
            if figure
            for path in save_figure(run.plot_path, name, figure)
        ]


def _loss_curves(rows: list[Row]) -> list[_Curve]:
    points: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for row in rows:
        key = (str(row["term"]), str(row["split"]))
        points.setdefault(key, []).append((_number(row["epoch"]), _number(row["raw"])))
    return _shown(_Curve(term, split, tuple(pairs)) for (term, split), pairs in points.items())


def _metric_curves(rows: list[Row]) -> dict[str, list[_Curve]]:
    """By metric, the curves of its outputs."""
    curves: dict[str, list[_Curve]] = {}
    for key in list(rows[0]) if rows else []:
        parts = key.split("/")
        if len(parts) == 3 and parts[2] != "loss":
            points = tuple((_number(row["epoch"]), _number(row[key])) for row in rows)
            curves.setdefault(parts[2], []).append(_Curve(parts[1], parts[0], points))
    shown = {metric: _shown(found) for metric, found in curves.items()}
    return {metric: found for metric, found in shown.items() if found}


def _shown(curves: Iterable[_Curve]) -> list[_Curve]:
    return [curve for curve in curves if curve.split in _SPLITS and curve.values]


def _draw_losses(name: str, curves: list[_Curve]) -> Figure | None:
    if not curves:
        return None
    figure = make_figure(width=7.5, height=4.2)
    axes = figure.subplots()
    _draw_curves(axes, curves, among=curves)
    axes.set_title(f"Loss terms, unweighted\n{name}")
    axes.set_ylabel("loss")
    values = [value for curve in curves for value in curve.values]
    if min(values) > 0 and max(values) / min(values) > _LOG_RATIO:
        axes.set_yscale("log")
        axes.set_ylabel("loss (log scale)")
    _add_legend(figure, curves)
    return figure


def _draw_metrics(name: str, metrics: dict[str, list[_Curve]]) -> Figure | None:
    """A panel per metric, for their scales differ; an output keeps its color in all of them."""
    if not metrics:
        return None
    columns = min(len(metrics), 2 if len(metrics) <= 4 else 3)
    lines = math.ceil(len(metrics) / columns)
    figure = make_figure(width=2.0 + (5.5 if columns == 1 else 3.6 * columns), height=0.8 + 3.2 * lines)
    every = [curve for curves in metrics.values() for curve in curves]
    panels = figure.subplots(lines, columns, squeeze=False).flatten().tolist()
    for axes in panels[len(metrics) :]:
        axes.remove()
    for axes, (metric, curves) in zip(panels, metrics.items(), strict=False):
        _draw_curves(axes, curves, among=every)
        axes.set_title(metric)
        axes.set_ylabel(metric)
    figure.suptitle(f"Metrics\n{name}", fontsize=11)
    _add_legend(figure, every)
    return figure


def _draw_curves(axes: Axes, curves: list[_Curve], *, among: list[_Curve]) -> None:
    from matplotlib.ticker import MaxNLocator

    for curve in curves:
        line = _line(curve, among)
        line.set_data(*zip(*curve.points, strict=True))
        axes.add_line(line)
    axes.autoscale_view()
    epochs = [epoch for curve in curves for epoch, _ in curve.points]
    margin = max(0.02 * (max(epochs) - min(epochs)), 0.1)
    axes.set_xlim(min(epochs) - margin, max(epochs) + margin)
    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.grid(visible=True, axis="y")


def _line(curve: _Curve, among: list[_Curve]) -> Line2D:
    """A line without data: color by series, dashes and hollow markers for the second of two splits.

    Past eight series the colors repeat, and the shape of the marker tells them apart.
    """
    from matplotlib.lines import Line2D

    order = _order(among)
    index = order.index(curve.series)
    is_second = curve.split != _splits(among)[0]
    line = Line2D([], [], color=color_of(index), linestyle="--" if is_second else "-", label=curve.series)
    # A value alone, between two missing ones or in a run of one epoch, is no line.
    needs_all_markers = len(curve.points) <= _MOST_MARKED_EPOCHS or _has_lone_value(curve)
    if needs_all_markers or len(order) > _MANY:
        line.set_marker(_MARKERS[index // len(OKABE_ITO) % len(_MARKERS)])
        line.set_markevery(1 if needs_all_markers else len(curve.points) // 10)
    if is_second:
        line.set_markerfacecolor("white")
    return line


def _order(curves: list[_Curve]) -> list[str]:
    return list(dict.fromkeys(curve.series for curve in curves))


def _splits(curves: list[_Curve]) -> list[str]:
    return [split for split in _SPLITS if any(curve.split == split for curve in curves)]


def _has_lone_value(curve: _Curve) -> bool:
    there = [False, *(math.isfinite(value) for _, value in curve.points), False]
    return any(there[i] and not there[i - 1] and not there[i + 1] for i in range(1, len(there) - 1))


def _add_legend(figure: Figure, curves: list[_Curve]) -> None:
    """Beside the axes, so that it never hides a curve: the series by color, then the splits by dashes."""
    splits = _splits(curves)
    handles: list[Line2D] = []
    for series in _order(curves):
        handles.append(_line(next(curve for curve in curves if curve.series == series), curves))
        handles[-1].set(linestyle="-", markerfacecolor=handles[-1].get_color())
    for split in splits:
        handles.append(_line(next(curve for curve in curves if curve.split == split), curves))
        handles[-1].set(label=split, color=INK)
        if split == splits[0]:
            handles[-1].set_markerfacecolor(INK)
    figure.legend(
        handles=handles,
        loc="outside right upper",
        frameon=False,
        fontsize=7 if len(handles) > _MANY + len(splits) else 9,
        ncols=math.ceil(len(handles) / 28),
        handlelength=2.6,
    )


def _draw_labels(name: str, rows: list[Row]) -> Figure | None:
    """Two horizontal bars per label on test: F1 and AUROC. A value that is not defined reads n/a."""
    rows = [row for row in rows if row["split"] == "test"]
    if not rows:
        return None
    figure = make_figure(width=7.5, height=min(1.6 + 0.42 * len(rows), 60.0))
    axes = figure.subplots()
    for place, (column, title) in enumerate((("f1", "F1"), ("auroc", "AUROC"))):
        values = [_number(row[column]) for row in rows]
        heights = [index + (place - 0.5) * 0.38 for index in range(len(rows))]
        lengths = [value if math.isfinite(value) else 0.0 for value in values]
        axes.barh(heights, lengths, height=0.36, color=color_of(place), label=title)
        for height, value in zip(heights, values, strict=True):
            text = f"{value:.2f}" if math.isfinite(value) else "n/a"
            start = value if math.isfinite(value) else 0.0
            axes.text(start + 0.01, height, text, va="center", fontsize=7, color=INK)
    outputs = {row["output"] for row in rows}
    titles = [f"{row['output']}: {row['label']}" if len(outputs) > 1 else str(row["label"]) for row in rows]
    axes.set_yticks(range(len(rows)), [drawn_text(title, longest=_LONGEST_LABEL) for title in titles])
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_xlim(0.0, 1.08)
    axes.set_xticks([0.0, 0.2, 0.4, 0.6, 0.8, 1.0])
    axes.set_xlabel("score on test (1 is best; by chance AUROC is 0.5)")
    axes.set_ylabel("label")
    axes.set_title(f"Labels on test\n{name}")
    axes.grid(visible=True, axis="x")
    figure.legend(loc="outside right upper", frameon=False, fontsize=9)
    return figure


def _number(cell: object) -> float:
    return float(cell) if isinstance(cell, int | float) else math.nan
