"""Plots of comparisons: the right files for what there is, the same bytes each time, bands where due."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from unittest import mock
from xml.etree import ElementTree

import pytest
from matplotlib.axes import Axes
from mlx_runner.records.comparison_folder import ComparisonFolder
from mlx_runner.records.comparison_plots import Band, FrontPoint, plot_comparison

AXES = ("test/main/f1", "test/aux/mse")


def _folder(root: Path) -> ComparisonFolder:
    return ComparisonFolder.create(root, "two", plan={}, configs={})


def _bands(count: int, *, deviation: float | None = 0.1) -> list[Band]:
    return [Band(f"$s_{i}$", (1, 2, 3), (0.1 * i, 0.2, 0.3), (deviation,) * 3) for i in range(count)]


def _points(count: int, size: int = 2) -> list[FrontPoint]:
    return [
        FrontPoint(f"$s_{i}$", (0.1 * i,) * size, (None, *(0.1,) * (size - 1)), i % 2 == 0)
        for i in range(count)
    ]


@pytest.mark.parametrize(("settings", "panels", "size"), [(1, 1, 2), (3, 4, 3), (40, 9, 5)])
def test_png_and_svg_of_each(tmp_path: Path, settings: int, panels: int, size: int) -> None:
    folder = _folder(tmp_path)
    axes = [f"test/o{i}/f1" for i in range(size)]
    bands = {f"validation/main/m{i}": _bands(settings) for i in range(panels)}
    paths = plot_comparison(folder, bands, axes=axes, points=_points(settings, size))
    assert paths == [
        folder.plot_path(f"{name}.{kind}") for name in ("curves", "pareto") for kind in ("png", "svg")
    ]
    for path in paths:
        if path.suffix == ".svg":
            assert ElementTree.parse(path).getroot().tag.endswith("svg")
        else:
            assert path.read_bytes().startswith(b"\x89PNG")


def test_nothing_to_show_is_no_plot(tmp_path: Path) -> None:
    folder = _folder(tmp_path)
    assert plot_comparison(folder, {}, axes=AXES[:1], points=_points(2)) == []
    assert plot_comparison(folder, {}, axes=AXES, points=[]) == []
    assert list((folder.path / "plots").iterdir()) == []


def test_the_same_bytes(tmp_path: Path) -> None:
    folder = _folder(tmp_path)

    def draw() -> list[bytes]:
        panels = {"validation/main/f1": _bands(2)}
        return [path.read_bytes() for path in plot_comparison(folder, panels, axes=AXES, points=_points(3))]

    assert draw() == draw()


def test_a_band_only_where_there_is_a_deviation(tmp_path: Path) -> None:
    folder = _folder(tmp_path)
    with mock.patch.object(Axes, "fill_between", autospec=True, side_effect=Axes.fill_between) as fill:
        plot_comparison(folder, {"a/b/c": _bands(1, deviation=None)}, axes=(), points=())
        assert fill.call_count == 0
        plot_comparison(folder, {"a/b/c": _bands(1)}, axes=(), points=())
    _, epochs, lows, highs = fill.call_args.args
    assert epochs == (1, 2, 3)
    assert lows == pytest.approx((-0.1, 0.1, 0.2))
    assert highs == pytest.approx((0.1, 0.3, 0.4))


def test_the_edge_of_the_front_is_what_it_dominates(tmp_path: Path) -> None:
    """Higher is better, then lower: between (0.1, 1) and (0.2, 3), at 0.15 the best of the second is 3."""
    points = [
        FrontPoint(str(i), means, (None, None), True) for i, means in enumerate([(0.1, 1.0), (0.2, 3.0)])
    ]
    with mock.patch.object(Axes, "step", autospec=True, side_effect=Axes.step) as step:
        plot_comparison(_folder(tmp_path), {}, axes=AXES, points=points)
    assert step.call_args.kwargs["where"] == "pre", "constant to the left of each point"
    assert step.call_args.args[1:] == ((0.1, 0.2), (1.0, 3.0))


def test_matplotlib_is_imported_late() -> None:
    code = "import sys, mlx_runner.records.comparison_plots; print('matplotlib' in sys.modules)"
    finished = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert finished.stdout == "False\n"
