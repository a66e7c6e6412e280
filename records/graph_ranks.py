"""The rows of a layered drawing: in which row each node stands, and in which order along it."""

from __future__ import annotations

from bisect import bisect_right, insort
from collections import deque
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import pairwise

_MOST_SWEEPS = 24
_MOST_STEPS = 100_000
"""Sweeps times vertices: what a second or so is enough for."""
_PATIENCE = 4


@dataclass(frozen=True)
class RankedGraph:
    """Vertices by number: the nodes come first, then a dummy for every row that a link only passes.

    rows: the vertices from left to right, top row first. row_of: by vertex, the number of its row.
    above, below: by vertex, those that it is joined to in the rows beside its own. chains: by link, its
    vertices from the source down to the target.
    """

    num_nodes: int
    rows: tuple[tuple[int, ...], ...]
    row_of: tuple[int, ...]
    above: tuple[tuple[int, ...], ...]
    below: tuple[tuple[int, ...], ...]
    chains: tuple[tuple[int, ...], ...]


def rank_graph(num_nodes: int, links: Sequence[tuple[int, int]], *, last: Collection[int]) -> RankedGraph:
    """Rows by the longest path from above, with `last` in a row of their own; few crossings along them.

    links: (source, target), without a cycle. last: nodes that no link leaves.
    """
    rank = _ranks(num_nodes, links, last)
    above: list[list[int]] = [[] for _ in range(num_nodes)]
    below: list[list[int]] = [[] for _ in range(num_nodes)]
    chains: list[tuple[int, ...]] = []
    for source, target in links:
        dummies = range(len(rank), len(rank) + rank[target] - rank[source] - 1)
        rank.extend(range(rank[source] + 1, rank[target]))
        above.extend([] for _ in dummies)
        below.extend([] for _ in dummies)
        chain = (source, *dummies, target)
        for upper, lower in pairwise(chain):
            below[upper].append(lower)
            above[lower].append(upper)
        chains.append(chain)
    rows = _reduce_crossings(_first_order(rank, below), above, below)
    if _is_mirrored(rows, num_nodes):
        rows = [row[::-1] for row in rows]
    return RankedGraph(
        num_nodes=num_nodes,
        rows=tuple(map(tuple, rows)),
        row_of=tuple(rank),
        above=tuple(map(tuple, above)),
        below=tuple(map(tuple, below)),
        chains=tuple(chains),
    )


def _ranks(num_nodes: int, links: Sequence[tuple[int, int]], last: Collection[int]) -> list[int]:
    targets: list[list[int]] = [[] for _ in range(num_nodes)]
    num_waiting = [0] * num_nodes
    for source, target in links:
        targets[source].append(target)
        num_waiting[target] += 1
    rank = [0] * num_nodes
    ready = deque(node for node in range(num_nodes) if not num_waiting[node])
    num_ranked = 0
    while ready:
        node = ready.popleft()
        num_ranked += 1
        for target in targets[node]:
            rank[target] = max(rank[target], rank[node] + 1)
            num_waiting[target] -= 1
            if not num_waiting[target]:
                ready.append(target)
    assert num_ranked == num_nodes, "the links form a cycle"
    assert not any(targets[node] for node in last), "a link leaves one of the last nodes"
    bottom = max((rank[node] + 1 for node in range(num_nodes) if node not in last), default=0)
    for node in last:
        rank[node] = bottom
    return rank


def _first_order(rank: Sequence[int], below: Sequence[Sequence[int]]) -> list[list[int]]:
    """Depth first from the top: a tree is free of crossings at once, and siblings keep their order."""
    rows: list[list[int]] = [[] for _ in range(max(rank, default=-1) + 1)]
    seen: set[int] = set()
    waiting = sorted(range(len(rank)), key=lambda vertex: (-rank[vertex], -vertex))
    while waiting:
        vertex = waiting.pop()
        if vertex not in seen:
            seen.add(vertex)
            rows[rank[vertex]].append(vertex)
            waiting.extend(reversed(below[vertex]))
    return rows


def _reduce_crossings(
    rows: list[list[int]], above: Sequence[Sequence[int]], below: Sequence[Sequence[int]]
) -> list[list[int]]:
    """The best order seen in sweeps that sort each row by the mean place of its neighbors."""
    best, fewest = rows, _num_crossings(rows, below)
    rows = [list(row) for row in rows]
    num_failures = 0
    for sweep in range(min(_MOST_SWEEPS, _MOST_STEPS // max(len(above), 1))):
        if not fewest or num_failures == _PATIENCE:
            break
        if sweep % 2:
            _sort_rows(rows, above)
        else:
            _sort_rows(rows[::-1], below)
        _swap_neighbors(rows, above, below)
        num_crossings = _num_crossings(rows, below)
        num_failures += 1
        if num_crossings < fewest:
            best, fewest = [list(row) for row in rows], num_crossings
            num_failures = 0
    return best


def _sort_rows(rows: Sequence[list[int]], neighbors: Sequence[Sequence[int]]) -> None:
    """Sort each row in place by its neighbors in the row before; without any, a vertex stays where it is."""
    places: dict[int, float] = {}
    for row in rows:
        means = {
            vertex: sum(map(places.__getitem__, near)) / len(near)
            for vertex in row
            if (near := neighbors[vertex])
        }
        previous = -1.0
        for vertex in row:
            previous = means.setdefault(vertex, previous)
        row.sort(key=means.__getitem__)
        places = {vertex: float(place) for place, vertex in enumerate(row)}


def _swap_neighbors(
    rows: Sequence[list[int]], above: Sequence[Sequence[int]], below: Sequence[Sequence[int]]
) -> None:
    """Swap two that stand side by side wherever this alone saves a crossing: once along every row."""
    place = {vertex: index for row in rows for index, vertex in enumerate(row)}
    sides = (above, below)
    for row in rows:
        for index in range(len(row) - 1):
            left, right = row[index], row[index + 1]
            saved = 0
            for side in sides:
                lefts = sorted(place[each] for each in side[left])
                rights = sorted(place[each] for each in side[right])
                saved += _num_inversions(lefts, rights) - _num_inversions(rights, lefts)
            if saved > 0:
                row[index], row[index + 1] = right, left
                place[left], place[right] = index + 1, index


def _num_inversions(lefts: Sequence[int], rights: Sequence[int]) -> int:
    """How many pairs stand the wrong way round; both are sorted."""
    return sum(len(lefts) - bisect_right(lefts, right) for right in rights)


def _num_crossings(rows: Sequence[Sequence[int]], below: Sequence[Sequence[int]]) -> int:
    total = 0
    for row, next_row in pairwise(rows):
        place = {vertex: index for index, vertex in enumerate(next_row)}
        passed: list[int] = []
        for vertex in row:
            ends = sorted(place[each] for each in below[vertex])
            total += _num_inversions(passed, ends)
            for end in ends:
                insort(passed, end)
    return total


def _is_mirrored(rows: Sequence[Sequence[int]], num_nodes: int) -> bool:
    """Whether more nodes stand left of an earlier one than right of it."""
    balance = 0
    for row in rows:
        nodes = [vertex for vertex in row if vertex < num_nodes]
        balance += sum(1 if left < right else -1 for left, right in pairwise(nodes))
    return balance < 0
