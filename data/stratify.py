"""Owns stratification: rows in parts of given sizes, each label as frequent in every part as it can be.

Iterative stratification (Sechidis, Tsoumakas, Vlahavas: On the stratification of multi-label data, 2011):
the rarest label's rows go, one by one, to the part that lacks most of that label, then the next label's.
Unlike there no part takes more rows than it is to have. Which part is next depends on the label's own
counts alone, so a label's parts are counted out first and its rows dealt with at once.

Legend: N rows, L labels, P parts, E entries: pairs of a row and a label that it has.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class LabelEntries:
    """Which of N rows have which of L labels: row `rows[e]` has label `labels[e]`, each (E), by row."""

    rows: Numbers
    labels: Numbers
    num_labels: int

    @classmethod
    def of_classes(cls, classes: NDArray[np.integer]) -> LabelEntries:
        """A label per class from numbers (N); below 0 a row has none."""
        rows: Numbers = np.flatnonzero(classes >= 0)
        found, labels = np.unique(classes[rows], return_inverse=True)
        return cls(rows, labels.reshape(-1).astype(np.int64), len(found))

    @classmethod
    def of_binary(cls, values: NDArray[np.generic]) -> LabelEntries:
        """A label per entry of the other axes from (N, ...); a row has those that are 1, not 0 or NaN."""
        rows, labels = np.nonzero(values.reshape(len(values), -1) == 1)
        return cls(rows, labels, int(np.prod(values.shape[1:], dtype=np.int64)))


def stratify(entries: LabelEntries, sizes: Sequence[int], stream: np.random.RandomState) -> Numbers:
    """The part, from 0 to P - 1, of each of the sum of `sizes` rows (N); part p gets `sizes[p]` rows."""
    num_rows = sum(sizes)
    parts: Numbers = np.full(num_rows, -1, dtype=np.int64)
    room = list(sizes)
    firsts = np.searchsorted(entries.rows, np.arange(num_rows + 1))
    by_label = np.argsort(entries.labels, kind="stable")
    counts = np.bincount(entries.labels, minlength=entries.num_labels)
    ends = np.cumsum(counts)
    # What each part still lacks of each label, times N: whole numbers, so that equal is equal.
    lacks = counts[:, None] * np.array(sizes, dtype=np.int64)
    left = counts.copy()
    for _ in range(entries.num_labels):
        label = int(np.argmin(np.where(left > 0, left, num_rows + 1)))
        if left[label] == 0:
            break
        rows = entries.rows[by_label[ends[label] - counts[label] : ends[label]]]
        rows = rows[parts[rows] < 0]
        dealt = _deal(len(rows), lacks[label].tolist(), room, num_rows, stream)
        parts[stream.permutation(rows)] = dealt
        _subtract(entries, firsts, rows, parts, lacks, left)
    unlabelled = np.flatnonzero(parts < 0)
    parts[stream.permutation(unlabelled)] = np.repeat(np.arange(len(sizes)), room)
    return parts


def _deal(
    num_rows: int, lacks: list[int], room: list[int], unit: int, stream: np.random.RandomState
) -> list[int]:
    """The part of each of a label's rows in turn; takes the rows out of `room`.

    Of parts that lack as much of the label, the one with more room is next, and of those any.
    """
    dealt = list[int]()
    open_parts = [part for part, places in enumerate(room) if places]
    for _ in range(num_rows):
        most = max((lacks[part], room[part]) for part in open_parts)
        best = [part for part in open_parts if (lacks[part], room[part]) == most]
        part = best[0] if len(best) == 1 else best[stream.randint(len(best))]
        dealt.append(part)
        lacks[part] -= unit
        room[part] -= 1
        if not room[part]:
            open_parts.remove(part)
    return dealt


def _subtract(
    entries: LabelEntries, firsts: Numbers, rows: Numbers, parts: Numbers, lacks: Numbers, left: Numbers
) -> None:
    """Take the rows, now in their parts, out of what is left of all their labels and what parts lack."""
    num_parts, lengths = lacks.shape[1], firsts[rows + 1] - firsts[rows]
    # The places of all entries of these rows: from each row's first, as many as it has.
    steps: Numbers = np.arange(int(lengths.sum()), dtype=np.int64)
    shifts: Numbers = np.repeat(firsts[rows] - (np.cumsum(lengths) - lengths), lengths)
    labels = entries.labels[steps + shifts]
    pairs = labels * num_parts + np.repeat(parts[rows], lengths)
    taken = np.bincount(pairs, minlength=lacks.size).reshape(lacks.shape)
    lacks -= taken * len(parts)
    left -= taken.sum(axis=1)
