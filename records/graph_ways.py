"""The ways of links in a layered drawing: where they meet their boxes, and in which order they turn."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import accumulate, pairwise

from .graph_ranks import RankedGraph

_MARGIN = 12.0
_SPACING = 7.0
_TURN_SPACING = 2.5
_MOST_TURNS = 150.0
# A link to a box far to one side leaves this far from the middle, in widths of its own box.
_REACH = 0.33


def plan_ways(
    graph: RankedGraph, columns: Sequence[float], *, widths: Sequence[float], breadths: Sequence[float]
) -> list[list[float]]:
    """By link, its x in every row from the source to the target: those side by side at a box are kept apart.

    columns: by vertex, the x of its middle. widths: of the nodes. breadths: of the links.
    """
    ways = [[columns[vertex] for vertex in chain] for chain in graph.chains]
    # From middle to middle: a place at one end does not wait for the one at the other.
    towards = [(way[1], way[-2]) for way in ways]
    for end in (0, -1):
        links_at: list[list[int]] = [[] for _ in widths]
        for link, chain in enumerate(graph.chains):
            links_at[chain[end]].append(link)
        for node, links in enumerate(links_at):
            links.sort(key=lambda link: towards[link][end])
            wanted = [
                _wanted(towards[link][end] - columns[node], widths[node], passes=len(ways[link]) > 2)
                for link in links
            ]
            room = widths[node] / 2 - _MARGIN
            offsets = _spread(wanted, [breadths[link] for link in links], room)
            for link, offset in zip(links, offsets, strict=True):
                ways[link][end] = columns[node] + offset
    return ways


def _wanted(distance: float, width: float, *, passes: bool) -> float:
    """How far from the middle of its box a link meets it that comes from `distance` to the right."""
    # Two boxes meet halfway; a link that passes other rows is met where it is.
    straight = distance if passes else distance / 2
    if abs(straight) <= width / 2 - _MARGIN:
        return straight
    return math.copysign(_REACH * width, distance)


def _spread(wanted: Sequence[float], breadths: Sequence[float], room: float) -> list[float]:
    """Places near the `wanted` ones, in their order, apart and at most `room` from the middle."""
    distances = [(left + right) / 2 + _SPACING for left, right in pairwise(breadths)]
    total = sum(distances)
    squeeze = min(1.0, 2 * room / total) if total else 1.0
    shifts = list(accumulate((squeeze * distance for distance in distances), initial=0.0))
    # Pool adjacent violators: those that would overlap move together, to the mean of what they want.
    pools: list[tuple[float, int]] = []
    for place, shift in zip(wanted, shifts, strict=False):
        total, size = place - shift, 1
        while pools and pools[-1][0] / pools[-1][1] >= total / size:
            total, size = total + pools[-1][0], size + pools[-1][1]
            pools.pop()
        pools.append((total, size))
    starts = [total / size for total, size in pools for _ in range(size)]
    return [
        max(-room, min(start, room - shifts[-1])) + shift
        for start, shift in zip(starts, shifts, strict=False)
    ]


def plan_turns(ends: Sequence[tuple[float, float]], breadths: Sequence[float]) -> list[float]:
    """How far below the middle between two rows each link turns, for links from an x to another.

    Of two that run to one side over each other, the one further on that side turns first: so they stay apart
    and cross at most once.
    """
    turns = [0.0] * len(ends)
    for sign in (1, -1):
        running = [index for index, (start, end) in enumerate(ends) if sign * (end - start) > 1.0]
        running.sort(key=lambda index: (-sign * ends[index][0], -sign * ends[index][1]))
        for place, index in enumerate(running):
            low, high = sorted(ends[index])
            for earlier in running[:place]:
                distance = (breadths[index] + breadths[earlier]) / 2 + _TURN_SPACING
                if min(ends[earlier]) < high + distance and max(ends[earlier]) > low - distance:
                    turns[index] = max(turns[index], turns[earlier] + distance)
        lowest = max((turns[index] for index in running), default=0.0)
        squeeze = min(1.0, _MOST_TURNS / lowest) if lowest else 1.0
        for index in running:
            turns[index] = (turns[index] - lowest / 2) * squeeze
    return turns
