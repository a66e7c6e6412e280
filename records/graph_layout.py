"""A layered drawing of a graph: a place for every box, and for every link a way that runs through none."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from .graph_columns import place_columns
from .graph_ranks import RankedGraph, rank_graph
from .graph_ways import plan_turns, plan_ways

ARROW_LENGTH = 9.0
_STUB = 4.0
_BOX_MARGIN = 14.0
_DUMMY_MARGIN = 8.0
# Between two rows: room for a turn, more of it where links go far to one side.
_GAP = 30.0
_GAP_PER_PIXEL = 0.1
_MOST_FOR_DISTANCE = 70.0


@dataclass(frozen=True)
class Box:
    """A rectangle; y grows downwards."""

    left: float
    top: float
    width: float
    height: float

    @property
    def middle(self) -> float:
        """The x of its middle."""
        return self.left + self.width / 2


@dataclass(frozen=True)
class Link:
    """From a box to one below it; `breadth` is the width of all that is drawn along it."""

    source: str
    target: str
    breadth: float


@dataclass(frozen=True)
class Bend:
    """From (x0, y0) down to (x1, y1), upright at both ends; `turn` below the middle lies the way across."""

    x0: float
    y0: float
    x1: float
    y1: float
    turn: float = 0.0


@dataclass(frozen=True)
class Route:
    """Straight down from `top` to the first bend, between two bends, and from the last one to `bottom`."""

    top: float
    bends: tuple[Bend, ...]
    bottom: float


@dataclass(frozen=True)
class Layout:
    """Boxes by name and routes in the order of the links, within `width` and `height` from (0, 0)."""

    boxes: dict[str, Box]
    routes: tuple[Route, ...]
    width: float
    height: float


def layout_graph(
    sizes: Mapping[str, tuple[float, float]], links: Sequence[Link], *, last: Collection[str]
) -> Layout:
    """Place boxes of `sizes` (width, height) in rows, sources on top, those named in `last` at the bottom.

    The links form no cycle, and none leaves a box of `last`.
    """
    number = {name: index for index, name in enumerate(sizes)}
    graph = rank_graph(
        len(sizes),
        [(number[link.source], number[link.target]) for link in links],
        last=[number[name] for name in sizes if name in last],
    )
    widths, heights = [width for width, _ in sizes.values()], [height for _, height in sizes.values()]
    columns, width = _columns(graph, _breadths(graph, widths, links))
    ways = plan_ways(graph, columns, widths=widths, breadths=[link.breadth for link in links])
    gaps = _gaps(graph, ways, links)
    rows = _rows(graph, heights, [gap.height for gap in gaps])
    boxes = {
        name: _box(size, middle=columns[index], row=rows[graph.row_of[index]])
        for index, (name, size) in enumerate(sizes.items())
    }
    routes = [
        Route(
            top=boxes[link.source].top + boxes[link.source].height,
            bends=_bends(index, way, first=graph.row_of[chain[0]], rows=rows, gaps=gaps),
            bottom=boxes[link.target].top,
        )
        for index, (link, way, chain) in enumerate(zip(links, ways, graph.chains, strict=True))
    ]
    return Layout(boxes, tuple(routes), width, rows[-1][1] if rows else 0.0)


def _breadths(graph: RankedGraph, widths: Sequence[float], links: Sequence[Link]) -> list[float]:
    """By vertex, the width it takes in its row, margins included."""
    breadths = [width + 2 * _BOX_MARGIN for width in widths]
    for link, chain in zip(links, graph.chains, strict=True):
        # Dummies are numbered in the order of the links.
        breadths.extend(link.breadth + 2 * _DUMMY_MARGIN for _ in chain[1:-1])
    return breadths


def _columns(graph: RankedGraph, breadths: Sequence[float]) -> tuple[list[float], float]:
    """By vertex, the x of its middle in whole pixels from the drawing's left end; the drawing's width."""
    columns = place_columns(graph, breadths)
    left = min((x - breadth / 2 for x, breadth in zip(columns, breadths, strict=True)), default=0.0)
    right = max((x + breadth / 2 for x, breadth in zip(columns, breadths, strict=True)), default=0.0)
    return [float(round(x - left)) for x in columns], math.ceil(right - left)


@dataclass(frozen=True)
class _Gap:
    """What lies between a row and the next: `turns` by link."""

    height: float
    turns: dict[int, float]


def _gaps(graph: RankedGraph, ways: Sequence[Sequence[float]], links: Sequence[Link]) -> list[_Gap]:
    crossing: list[dict[int, tuple[float, float]]] = [{} for _ in graph.rows]
    for index, (way, chain) in enumerate(zip(ways, graph.chains, strict=True)):
        for row, ends in enumerate(pairwise(way), graph.row_of[chain[0]]):
            crossing[row][index] = ends
    gaps: list[_Gap] = []
    for ends_of in crossing:
        furthest = max((abs(end - start) for start, end in ends_of.values()), default=0.0)
        turns = plan_turns(list(ends_of.values()), [links[index].breadth for index in ends_of])
        height = (
            _GAP + min(_GAP_PER_PIXEL * furthest, _MOST_FOR_DISTANCE) + 2 * max(map(abs, turns), default=0.0)
        )
        gaps.append(_Gap(height, dict(zip(ends_of, turns, strict=True))))
    return gaps


def _rows(graph: RankedGraph, heights: Sequence[float], gaps: Sequence[float]) -> list[tuple[float, float]]:
    """The top and bottom of every row."""
    rows: list[tuple[float, float]] = []
    top = 0.0
    for row, gap in zip(graph.rows, gaps, strict=True):
        bottom = top + max((heights[vertex] for vertex in row if vertex < graph.num_nodes), default=0.0)
        rows.append((top, bottom))
        top = bottom + _STUB + gap + ARROW_LENGTH
    return rows


def _box(size: tuple[float, float], *, middle: float, row: tuple[float, float]) -> Box:
    width, height = size
    return Box(middle - width / 2, sum(row) / 2 - height / 2, width, height)


def _bends(
    link: int, way: Sequence[float], *, first: int, rows: Sequence[tuple[float, float]], gaps: Sequence[_Gap]
) -> tuple[Bend, ...]:
    return tuple(
        Bend(x0, rows[row][1] + _STUB, x1, rows[row + 1][0] - ARROW_LENGTH, gaps[row].turns[link])
        for row, (x0, x1) in enumerate(pairwise(way), first)
    )
