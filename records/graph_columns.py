"""The columns of a layered drawing: chains and long links run straight down, forks stand over their middle.

Brandes & Köpf 2002, "Fast and simple horizontal coordinate assignment": four placements, each of which aligns
every vertex with one neighbor, packed to one side; the drawing is the mean of the middle two.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Sequence
from itertools import chain, pairwise
from typing import TypeAlias

from .graph_ranks import RankedGraph

_Neighbors: TypeAlias = Sequence[Sequence[int]]


def place_columns(graph: RankedGraph, breadths: Sequence[float]) -> list[float]:
    """By vertex, the x of its middle. In a row, no two of their `breadths` (margins included) overlap."""
    above, below = _alignable(graph)
    runs: list[list[float]] = []
    for neighbors, is_upward in ((above, False), (below, True)):
        rows = graph.rows[::-1] if is_upward else graph.rows
        runs.append(_place(rows, neighbors, breadths))
        mirrored = _place([row[::-1] for row in rows], neighbors, breadths)
        runs.append([-x for x in mirrored])
    runs = _aligned_runs(runs, breadths)
    return [sum(sorted(values)[1:3]) / 2 for values in zip(*runs, strict=True)]


def _aligned_runs(runs: list[list[float]], breadths: Sequence[float]) -> list[list[float]]:
    """Move the runs onto the narrowest: those packed to the left at its left end, the others at its right."""
    if not runs[0]:
        return runs
    ends = [
        (
            min(x - breadth / 2 for x, breadth in zip(run, breadths, strict=True)),
            max(x + breadth / 2 for x, breadth in zip(run, breadths, strict=True)),
        )
        for run in runs
    ]
    width = min(right - left for left, right in ends)
    shifts = [width - right if index % 2 else -left for index, (left, right) in enumerate(ends)]
    return [[x + shift for x in run] for run, shift in zip(runs, shifts, strict=True)]


def _alignable(graph: RankedGraph) -> tuple[list[list[int]], list[list[int]]]:
    """The neighbors above and below that a vertex may stand in line with, from left to right.

    A node goes before a link that only passes, and of two branches the longer goes straight on. A segment
    counts if both its ends choose it, and if it crosses none that matters more.
    """
    place = {vertex: index for row in graph.rows for index, vertex in enumerate(row)}
    above = _preferred(graph, graph.above, _lengths(graph, graph.rows, graph.above))
    below = _preferred(graph, graph.below, _lengths(graph, graph.rows[::-1], graph.below))
    chosen_above: list[list[int]] = [[] for _ in above]
    chosen_below: list[list[int]] = [[] for _ in below]
    for row in graph.rows:
        both = [(upper, lower) for upper in row for lower in sorted(below[upper]) if upper in above[lower]]
        for upper, lower in _uncrossed(graph, both, place):
            chosen_above[lower].append(upper)
            chosen_below[upper].append(lower)
    return chosen_above, chosen_below


def _lengths(graph: RankedGraph, rows: Sequence[Sequence[int]], neighbors: _Neighbors) -> list[int]:
    """By vertex, the number of nodes on the longest path to it through `neighbors`, itself included."""
    lengths = [0] * len(neighbors)
    for row in rows:
        for vertex in row:
            longest = max((lengths[each] for each in neighbors[vertex]), default=0)
            lengths[vertex] = longest + (vertex < graph.num_nodes)
    return lengths


def _preferred(graph: RankedGraph, neighbors: _Neighbors, lengths: Sequence[int]) -> list[set[int]]:
    preferred: list[set[int]] = []
    for near in neighbors:
        found = {vertex for vertex in near if vertex < graph.num_nodes} or set(near)
        if len(found) == 2:
            longest = max(lengths[vertex] for vertex in found)
            found = {vertex for vertex in found if lengths[vertex] == longest}
        preferred.append(found)
    return preferred


def _uncrossed(
    graph: RankedGraph, segments: Sequence[tuple[int, int]], place: dict[int, int]
) -> list[tuple[int, int]]:
    """Segments between two rows without those that cross a chain of nodes or the inside of a long link.

    Where those cross each other, chains go before links, and left before right.
    """
    num_uses = Counter(chain.from_iterable(segments))
    alone = [each for each in segments if num_uses[each[0]] == num_uses[each[1]] == 1]
    chains = [each for each in alone if max(each) < graph.num_nodes]
    links = [each for each in alone if min(each) >= graph.num_nodes]
    places = {each: (place[each[0]], place[each[1]]) for each in segments}
    straight: list[tuple[int, int]] = []
    for each in chains + links:
        if not _crosses(places[each], straight):
            insort(straight, places[each])
    return [each for each in segments if not _crosses(places[each], straight)]


def _crosses(segment: tuple[int, int], others: Sequence[tuple[int, int]]) -> bool:
    """Whether a segment crosses any of `others`, as (place above, place below); they are sorted."""
    index = bisect_left(others, segment)
    is_left = index > 0 and others[index - 1][1] > segment[1]
    return is_left or (index < len(others) and others[index][1] < segment[1])


def _place(rows: Sequence[Sequence[int]], neighbors: _Neighbors, breadths: Sequence[float]) -> list[float]:
    """One run: align with the row before, then pack to the left."""
    root = _align(rows, neighbors)
    return _pack(rows, root, breadths)


def _align(rows: Sequence[Sequence[int]], neighbors: _Neighbors) -> list[int]:
    """By vertex, the first of the block that it stands in line with; blocks never cross."""
    place = {vertex: index for row in rows for index, vertex in enumerate(row)}
    root = list(range(len(neighbors)))
    for row in rows:
        last = -1
        for vertex in row:
            near = sorted(neighbors[vertex], key=place.__getitem__)
            for index in dict.fromkeys(((len(near) - 1) // 2, len(near) // 2)) if near else ():
                if place[near[index]] > last:
                    root[vertex] = root[near[index]]
                    last = place[near[index]]
                    break
    return root


def _pack(rows: Sequence[Sequence[int]], root: Sequence[int], breadths: Sequence[float]) -> list[float]:
    """Every block as far left as it goes, then each as near to what stands right of it as it goes."""
    rights: dict[int, dict[int, float]] = {}
    for row in rows:
        for left, right in pairwise(row):
            distances = rights.setdefault(root[left], {})
            distance = (breadths[left] + breadths[right]) / 2
            distances[root[right]] = max(distances.get(root[right], 0.0), distance)
    order = _left_to_right(rows, root, rights)
    x = dict.fromkeys(order, 0.0)
    for block in order:
        for other, distance in rights.get(block, {}).items():
            x[other] = max(x[other], x[block] + distance)
    for block in reversed(order):
        rooms = [x[other] - distance for other, distance in rights.get(block, {}).items()]
        x[block] = max(x[block], min(rooms, default=x[block]))
    return [x[each] for each in root]


def _left_to_right(
    rows: Sequence[Sequence[int]], root: Sequence[int], rights: dict[int, dict[int, float]]
) -> list[int]:
    """All blocks in an order in which each comes after what stands left of it."""
    num_waiting = dict.fromkeys((root[vertex] for row in rows for vertex in row), 0)
    for others in rights.values():
        for other in others:
            num_waiting[other] += 1
    order = [block for block, number in num_waiting.items() if not number]
    for block in order:
        for other in rights.get(block, {}):
            num_waiting[other] -= 1
            if not num_waiting[other]:
                order.append(other)
    return order
