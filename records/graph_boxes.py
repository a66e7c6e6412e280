"""The boxes of a graph's picture: their size by their text, their shape by what they stand for."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal
from xml.etree.ElementTree import Element

from .graph_layout import Box
from .palette import INK
from .svg import FONTS, add, fitted_text, text_width

Kind = Literal["input", "layer", "output", "loss"]
KINDS: tuple[Kind, ...] = ("input", "layer", "output", "loss")

_NAME_SIZE, _NAME_HEIGHT = 12.5, 17.0
_LINE_SIZE, _LINE_HEIGHT = 10.5, 14.0
_SIDE, _ABOVE = 12.0, 6.0
# Boxes share a width up to the first; only a long text makes one wider, and is shortened past the second.
_SHARED_WIDTH = 150.0
_MOST_WIDTH = 250.0
_LEAST_WIDTH = 90.0
_FAINT_INK = "#555555"


@dataclass(frozen=True)
class PictureNode:
    """A box. `key` is its own among all nodes; of its `lines` of text the first is its name.

    term: of a loss, the term that it stands for.
    """

    key: str
    kind: Kind
    lines: tuple[str, ...]
    term: str | None = None


def box_sizes(nodes: Sequence[PictureNode]) -> dict[str, tuple[float, float]]:
    """By key, the width and height of every node's box."""
    wanted = [min(_wanted_width(node), _MOST_WIDTH) for node in nodes]
    shared = max((width for width in wanted if width <= _SHARED_WIDTH), default=_LEAST_WIDTH)
    heights = [2 * _ABOVE + _NAME_HEIGHT + (len(node.lines) - 1) * _LINE_HEIGHT for node in nodes]
    return {
        node.key: (2 * math.ceil(max(width, shared, _LEAST_WIDTH) / 2), height)
        for node, width, height in zip(nodes, wanted, heights, strict=True)
    }


def _wanted_width(node: PictureNode) -> float:
    widths = [text_width(line, _size(index), is_bold=not index) for index, line in enumerate(node.lines)]
    return max(widths, default=0.0) + 2 * _SIDE


def _size(index: int) -> float:
    return _LINE_SIZE if index else _NAME_SIZE


def add_node(parent: Element, node: PictureNode, box: Box, *, color: str) -> None:
    """Draw a node's box with its text; the whole text, which may be shortened, is its tooltip."""
    group = add(parent, "g", data_node=node.key, data_kind=node.kind)
    add(group, "title", "\n".join(node.lines))
    add_shape(group, node.kind, box, color=color)
    y = box.top + _ABOVE + 0.74 * _NAME_HEIGHT
    for index, line in enumerate(node.lines):
        text = fitted_text(line, box.width - 2 * _SIDE, _size(index), is_bold=not index)
        bold = {} if index else {"font_weight": "bold"}
        add(group, "text", text, x=box.middle, y=y, text_anchor="middle", font_family=FONTS,
            font_size=_size(index), fill=_FAINT_INK if index else INK, **bold)  # fmt: skip
        y += _LINE_HEIGHT


def add_shape(parent: Element, kind: Kind, box: Box, *, color: str) -> None:
    """Draw an empty box: round for inputs, with a heavy frame for outputs, tinted for losses."""
    looks: dict[Kind, dict[str, str]] = {
        "input": {"fill": "#EEEEEE", "stroke": INK},
        "layer": {"fill": "white", "stroke": INK},
        "output": {"fill": "white", "stroke": INK, "stroke_width": "2.4"},
        "loss": {"fill": color, "fill_opacity": "0.14", "stroke": color, "stroke_width": "1.6"},
    }
    corner = min(box.height / 2, 16.0) if kind == "input" else 4.0
    size = {"x": box.left, "y": box.top, "width": box.width, "height": box.height, "rx": corner}
    add(parent, "rect", **size, **looks[kind])
