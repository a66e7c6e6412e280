"""The picture of inputs above their reconstructions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from .images import Images


def draw_images(title: str, images: Mapping[str, Images]) -> Figure:
    """A grid with a row per title (inputs, reconstructions) and a column per example, grey from 0 to 255."""
    from matplotlib.figure import Figure

    rows, columns = len(images), max(len(each) for each in images.values())
    figure = Figure(figsize=(0.7 * columns + 1.2, 0.8 * rows + 0.5), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False)
    for row, (name, examples) in enumerate(images.items()):
        for column in range(columns):
            panel = axes[row][column]
            panel.set_xticks([])
            panel.set_yticks([])
            if column < len(examples):
                panel.imshow(examples[column], cmap="gray", vmin=0, vmax=255, interpolation="nearest")
        axes[row][0].set_ylabel(name, rotation=0, ha="right", va="center")
    figure.suptitle(title, fontsize=11)
    return figure
