"""The edges of a graph's picture: a stroke for every loss term, side by side along the way of the edge."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from .graph_layout import ARROW_LENGTH, Bend, Route
from .palette import INK, OKABE_ITO, color_of
from .svg import FONTS, add, length_text, text_width

MOST_STROKES = 6
NO_GRADIENT = "#999999"
_WIDTH = 2.2
_SPACING = 4.2
_THIN_WIDTH = 1.2
_THIN_DASHES = "3 3"
_THICK_WIDTH = 6.0
_ARROW_MARGIN = 3.0
_COUNT_SIZE = 10.0
_DASHES = (
    "",
    "9 4",
    "2.5 2.5",
    "9 3 2.5 3",
    "18 4",
    "9 3 2.5 3 2.5 3",
    "2.5 2.5 2.5 7",
    "5 9",
)


@dataclass(frozen=True)
class Stroke:
    """How one line looks; `dashes` as SVG wants them, empty for a solid line."""

    color: str
    width: float
    dashes: str = ""


def term_stroke(index: int) -> Stroke:
    """The look of the loss term at `index`: eight colors and eight patterns, in 64 pairs."""
    pattern = (index + index // len(OKABE_ITO)) % len(_DASHES)
    return Stroke(color_of(index), _WIDTH, _DASHES[pattern])


def edge_strokes(terms: Sequence[int]) -> list[Stroke]:
    """The lines of an edge that the terms at these indices flow through, from left to right."""
    if not terms:
        return [Stroke(NO_GRADIENT, _THIN_WIDTH, _THIN_DASHES)]
    if len(terms) > MOST_STROKES:
        return [Stroke(INK, _THICK_WIDTH)]
    return [term_stroke(index) for index in terms]


def edge_breadth(strokes: Sequence[Stroke]) -> float:
    """The width of all lines of an edge with its arrowhead."""
    return (len(strokes) - 1) * _SPACING + max(stroke.width for stroke in strokes) + 2 * _ARROW_MARGIN


def add_edge(parent: Element, route: Route, strokes: Sequence[Stroke]) -> None:
    """Draw the lines of an edge and one arrowhead for all of them."""
    for index, stroke in enumerate(strokes):
        add_stroke(parent, _path(route, (index - (len(strokes) - 1) / 2) * _SPACING), stroke)
    tip, breadth = route.bends[-1].x1, edge_breadth(strokes)
    left = _point((tip - breadth / 2, route.bottom - ARROW_LENGTH))
    head = f"M{left}h{length_text(breadth)}L{_point((tip, route.bottom))}Z"
    add(parent, "path", d=head, fill=INK if strokes[0].color != NO_GRADIENT else NO_GRADIENT)


def add_stroke(parent: Element, path: str, stroke: Stroke) -> None:
    """Draw one line."""
    dashes = {"stroke_dasharray": stroke.dashes} if stroke.dashes else {}
    add(parent, "path", d=path, fill="none", stroke=stroke.color, stroke_width=stroke.width, **dashes)


def add_count(parent: Element, bend: Bend, count: int) -> None:
    """Write, halfway along a bend, how many terms a thick line stands for."""
    x, y = (bend.x0 + bend.x1) / 2, (bend.y0 + bend.y1) / 2 + bend.turn
    width, height = text_width(str(count), _COUNT_SIZE, is_bold=True) + 8, _COUNT_SIZE + 4
    add(parent, "rect", x=x - width / 2, y=y - height / 2, width=width, height=height, rx=height / 2,
        fill="white", stroke=INK)  # fmt: skip
    add(parent, "text", str(count), x=x, y=y + 0.36 * _COUNT_SIZE, text_anchor="middle", font_family=FONTS,
        font_size=_COUNT_SIZE, font_weight="bold", fill=INK)  # fmt: skip


def _path(route: Route, shift: float) -> str:
    """The way of a line that keeps `shift` pixels to the right of the route, seen along the page."""
    parts = [f"M{length_text(route.bends[0].x0 + shift)} {length_text(route.top)}"]
    parts.extend(
        f"V{length_text(bend.y0)}C" + " ".join(map(_point, _controls(bend, shift)))
        for bend in route.bends
        if abs(bend.x1 - bend.x0) >= 0.05
    )
    # Half a pixel into the arrowhead, so that no gap shows.
    parts.append(f"V{length_text(route.bottom - ARROW_LENGTH + 0.5)}")
    return "".join(parts)


def _controls(bend: Bend, shift: float) -> tuple[tuple[float, float], ...]:
    """Two control points and the end of a Bezier curve beside the bend.

    A curve that is only moved sideways would come nearer to its neighbors the flatter it runs. So its
    control points move along the page too, such that it keeps its distance halfway, where it is flattest.
    """
    slope = math.atan2(2 * (bend.x1 - bend.x0), bend.y1 - bend.y0)
    # Both control points together move the curve halfway by 3/4 of their own way.
    y = (bend.y0 + bend.y1) / 2 + (bend.turn - shift * math.tan(slope / 2)) / 0.75
    y = max(bend.y0, min(y, bend.y1))
    return (bend.x0 + shift, y), (bend.x1 + shift, y), (bend.x1 + shift, bend.y1)


def _point(point: tuple[float, float]) -> str:
    return f"{length_text(point[0])} {length_text(point[1])}"
