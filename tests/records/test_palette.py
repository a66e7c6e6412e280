"""The colors repeat after eight and are told apart without red against green."""

from __future__ import annotations

from itertools import combinations

from matplotlib.colors import to_rgb
from mlx_runner.records.palette import OKABE_ITO, color_of


def test_colors_repeat_after_eight() -> None:
    assert len({color_of(index) for index in range(8)}) == 8
    assert color_of(9) == color_of(1) == OKABE_ITO[1]


def test_colors_differ_without_red_against_green() -> None:
    """Seen through one red-green channel (their mean) and blue, no two colors coincide."""
    seen = [((red + green) / 2, blue) for red, green, blue in map(to_rgb, OKABE_ITO)]
    assert min(abs(a - c) + abs(b - d) for (a, b), (c, d) in combinations(seen, 2)) > 0.1
