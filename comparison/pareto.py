"""The Pareto front: the settings that no other one beats on every output."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .keys import is_metric, is_term, lower_is_better


def front_axes(
    shared: Sequence[str], judged: str, *, term_outputs: Mapping[str, str], doubtful_terms: frozenset[str]
) -> tuple[str, ...]:
    """One key per output, on the judged split: its judged or first metric, else its first term.

    term_outputs: the output of each term, in the order of the losses. Fewer than two make no front.
    """
    split = judged.partition("/")[0]
    own = [judged, *(key for key in shared if key.startswith(f"{split}/") and key != judged)]
    axes: list[str] = []
    for output in dict.fromkeys(term_outputs.values()):
        metrics = [key for key in own if is_metric(key) and key.split("/")[1] == output]
        terms = [
            key
            for key in own
            if is_term(key)
            and term_outputs.get(key.split("/")[1]) == output
            and key.split("/")[1] not in doubtful_terms
        ]
        axes += [*metrics, *terms][:1]
    return tuple(axes) if len(axes) > 1 else ()


def pareto_front(means: Mapping[str, Mapping[str, float]], axes: Sequence[str]) -> tuple[str, ...]:
    """The settings that none dominates: none is as good on every axis and better on one.

    means: by setting and key. A setting without a value on an axis takes no part; equal ones both stay.
    """
    points = {
        name: tuple(values[key] * (-1.0 if lower_is_better(key) else 1.0) for key in axes)
        for name, values in means.items()
        if axes and all(key in values for key in axes)
    }
    return tuple(
        name
        for name, point in points.items()
        if not any(_dominates(other, point) for other in points.values())
    )


def _dominates(other: Sequence[float], point: Sequence[float]) -> bool:
    pairs = list(zip(other, point, strict=True))
    return all(theirs >= own for theirs, own in pairs) and any(theirs > own for theirs, own in pairs)
