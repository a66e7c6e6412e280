"""Mistakes that only the data show: labels without a case, batches without rows, losses out of scale."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import torch

from ..losses import LossTerm
from ..specs.errors import Problem
from ..specs.losses import BinaryCrossentropy, CategoricalCrossentropy, SparseCategoricalCrossentropy
from ..specs.weighting import IMTLG, MGDA, GradNorm, Uncertainty
from ..training.assemble import Workshop
from ..training.seeding import epoch_order
from ..training.step import score_batch
from .label_counts import LabelCounts, count_labels

RARITY = 10
"""A class is rare if its even share, 1/2 for a label and 1/C for C classes, passes so many times its own."""

FAR_APART = 100.0
"""The factor between weighted losses from which the smaller one is taken to be drowned."""

_WEIGHABLE = BinaryCrossentropy | CategoricalCrossentropy | SparseCategoricalCrossentropy
_BALANCING = Uncertainty | GradNorm | MGDA | IMTLG
"""Weightings that make up for the scales of the losses."""

_LONGEST_LIST = 3


def label_always_or_never_positive(workshop: Workshop) -> Iterator[Problem]:
    """MLX201: once for every target."""
    seen: set[str] = set()
    for term in workshop.objective.terms:
        counts = None if term.target in seen else count_labels(workshop, term)
        seen.add(term.target)
        if counts is None:
            continue
        cases = list(zip(counts.labels, counts.positives, counts.observed, strict=True))
        never = [label for label, positives, _ in cases if positives == 0.0]
        always = [label for label, positives, observed in cases if positives == observed > 0.0]
        for found, what in ((never, "never"), ([] if counts.classes else always, "always")):
            if found:
                yield Problem(_one_sided(counts, found, what, workshop), ("losses", term.name, "target"))


def _one_sided(counts: LabelCounts, found: Sequence[str], what: str, workshop: Workshop) -> str:
    """The sentence for labels that are never, or always, positive, or classes that never occur."""
    several, rows = len(found) > 1, f"in the {len(workshop.splits.train)} training rows"
    one, more = ("class", "classes") if counts.classes else ("label", "labels")
    who = f"{len(found)} {more} ({_listed(found)})" if several else f"{one} {found[0]!r}"
    it = "them" if several else "it"
    if counts.classes:
        does = f"never {'occur' if several else 'occurs'} {rows}, so that never to name {it} is learned"
        return f"{who} of {counts.target!r} {does}; leave {it} out, or bring rows of {it}"
    does = f"{'are' if several else 'is'} {what} positive {rows}, so that a constant is all there is to learn"
    return f"{who} of {counts.target!r} {does}; leave {it} out, or bring rows of both kinds"


def strong_imbalance_without_weights(workshop: Workshop) -> Iterator[Problem]:
    """MLX202: of cross-entropies that could weigh the classes."""
    experiment = workshop.blueprint.experiment
    for term in workshop.objective.terms:
        described = experiment.losses[term.name]
        if not isinstance(described, _WEIGHABLE) or described.weight == 0.0 or _weighs(described):
            continue
        counts = count_labels(workshop, term)
        rare = [] if counts is None else _rare(counts)
        if counts is not None and rare:
            yield Problem(_rarity(counts, rare), ("losses", term.name, "target"))


def _weighs(described: _WEIGHABLE) -> bool:
    """Whether a loss says anything of how much its classes count."""
    return described.class_weight is not None or getattr(described, "pos_weight", None) is not None


def _rare(counts: LabelCounts) -> list[tuple[float, str]]:
    """The share of the rarer class and its label, of those that are rare, rarest first."""
    parts = len(counts.labels) if counts.classes else 2
    rare: list[tuple[float, str]] = []
    for label, positives, observed in zip(counts.labels, counts.positives, counts.observed, strict=True):
        cases = positives if counts.classes else min(positives, observed - positives)
        if cases > 0.0 and cases * parts * RARITY < observed:
            rare.append((cases / observed, label))
    return sorted(rare)


def _rarity(counts: LabelCounts, rare: Sequence[tuple[float, str]]) -> str:
    share, label = rare[0]
    more = f" (and {len(rare) - 1} more)" if len(rare) > 1 else ""
    whose = f"class {label!r}" if counts.classes else f"the rarer class of label {label!r}"
    return (
        f"{whose} of {counts.target!r} makes up {100 * share:.2g} % of the training rows{more}: never to "
        f"predict it costs next to nothing; use class_weight: balanced, or a focal loss"
    )


def batch_larger_than_data(workshop: Workshop) -> Iterator[Problem]:
    """MLX204."""
    rows, batch_size = len(workshop.splits.train), workshop.blueprint.experiment.training.batch_size
    if batch_size > rows:
        yield Problem(
            f"a batch of {batch_size} rows never fills: there are {rows} training rows, so that an epoch is "
            f"a single step; use at most {rows}",
            ("training", "batch_size"),
        )


def loss_scales_apart(workshop: Workshop) -> Iterator[Problem]:
    """MLX205: at the untrained network's first batch."""
    if len(workshop.objective.terms) < 2 or isinstance(workshop.blueprint.experiment.weighting, _BALANCING):
        return
    values = {term.name: value for term, value in _first_values(workshop) if 0.0 < value < math.inf}
    if len(values) < 2:
        return
    large, small = max(values, key=values.__getitem__), min(values, key=values.__getitem__)
    factor = values[large] / values[small]
    if factor >= FAR_APART:
        weight = workshop.blueprint.experiment.losses[large].weight / factor
        yield Problem(
            f"{large!r} begins at {values[large]:.3g} and {small!r} at {values[small]:.3g} (weighted): the "
            f"first counts {factor:.3g} times as much; give it a weight near {weight:.1g}, or another scale",
            ("losses", large, "weight"),
        )


def _first_values(workshop: Workshop) -> list[tuple[LossTerm, float]]:
    """Every term with its weighted value at the first step of a training, without its sign."""
    experiment, train = workshop.blueprint.experiment, workshop.splits.train
    trainee = workshop.build([experiment], stacked=False)
    rows = len(train)
    order = epoch_order(experiment.seed, 1, rows) if experiment.training.shuffle else torch.arange(rows)
    index = order[: experiment.training.batch_size].to(workshop.device)
    with torch.no_grad():
        batch = train.gather(index, workshop.dtype)
        _, ledger = score_batch(trainee.network, trainee.objective, trainee.knobs, batch)
    terms = trainee.objective.terms
    weighted = (ledger.raw * ledger.weights).abs()[: len(terms)].cpu()
    return [(term, float(value)) for term, value in zip(terms, weighted, strict=True)]


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:_LONGEST_LIST]) + (", ..." if len(names) > _LONGEST_LIST else "")
