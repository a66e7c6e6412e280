"""Owns drawing whole groups of rows, so that their sizes come as near to a number of rows as they can.

Legend: N rows, G groups.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.int64]

# Drawn at random until so few rows are missing; then the sums of sizes are gone through.
_LAST_ROWS = 4096


def draw_groups(sizes: Numbers, targets: Sequence[int], stream: np.random.RandomState) -> Numbers:
    """Which part each group (G) belongs to: i for the one that is to have `targets[i]` rows, -1 for the rest.

    Groups are drawn in a random order. A part that is to have rows has a group at least, and so has the
    rest; gives fewer groups to the parts only where there are not as many groups as that takes.
    """
    parts: Numbers = np.full(len(sizes), -1, dtype=np.int64)
    order: Numbers = stream.permutation(len(sizes)).astype(np.int64)
    for part, target in enumerate(targets):
        later = sum(other > 0 for other in targets[part + 1 :])
        available = order[parts[order] < 0]
        most = len(available) - 1 - later  # the rest keeps a group, and so do the parts that come later
        if target > 0 and most > 0:
            parts[_nearest_groups(sizes, available, target, most)] = part
    return parts


def _nearest_groups(sizes: Numbers, order: Numbers, target: int, most: int) -> list[int]:
    """At least one and at most `most` groups, whose rows are as near to `target` as sums of them get."""
    chosen, missing = list[int](), target
    left = list[int]()
    for group in order.tolist():
        size = int(sizes[group])
        if missing > _LAST_ROWS and size <= missing and len(chosen) < most:
            chosen.append(group)
            missing -= size
        else:
            left.append(group)
    if missing > _LAST_ROWS:  # every group that is left is larger than what is missing
        nearest = min(left, key=lambda group: abs(int(sizes[group]) - missing))
        return [*chosen, nearest] if not chosen or sizes[nearest] < 2 * missing else chosen
    if missing > 0 and len(chosen) < most:
        chosen += _nearest_sum(sizes, left, missing, most - len(chosen), needed=not chosen)
    return chosen


def _nearest_sum(sizes: Numbers, groups: list[int], target: int, most: int, *, needed: bool) -> list[int]:
    """The groups whose sizes sum up to what is nearest to `target`; none at all, unless some are `needed`.

    Of every sum that can be reached the group that reaches it first is kept: the groups before it reach
    what is left of the sum without it. Bit s of `reached` stands for the sum s.
    """
    smallest = min(int(sizes[group]) for group in groups)
    limit = max(2 * target, smallest)
    mask, reached = (1 << (limit + 1)) - 1, 1
    last: dict[int, int] = {}
    count: dict[int, int] = {0: 0}
    seen: dict[int, int] = {}
    for group in groups:
        size = int(sizes[group])
        seen[size] = seen.get(size, 0) + 1
        if size > limit or seen[size] > limit // size:
            continue
        for total in _bits((reached << size) & mask & ~reached):
            fewer = count[total - size]
            if fewer < most:
                count[total], last[total] = fewer + 1, group
                reached |= 1 << total
        if target in last:
            break
    best = min(
        (total for total in count if total or not needed), key=lambda total: (abs(total - target), total)
    )
    chosen = list[int]()
    while best:
        chosen.append(last[best])
        best -= int(sizes[last[best]])
    return chosen


def _bits(number: int) -> list[int]:
    """The places of the ones of a number, ascending."""
    text = np.frombuffer(number.to_bytes(number.bit_length() // 8 + 1, "little"), dtype=np.uint8)
    return np.flatnonzero(np.unpackbits(text, bitorder="little")).tolist()
