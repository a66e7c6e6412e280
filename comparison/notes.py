"""What a reader of a comparison must know beside the numbers, one sentence each."""

from __future__ import annotations

from collections.abc import Iterator

from .evidence import Evidence
from .statistics import CONFIDENCE, t_quantile

FEW_SEEDS = 5


def find_notes(evidence: Evidence, judged: str | None) -> list[str]:
    """The notes on this evidence, those on the judged key among them."""
    return [
        *_on_members(evidence),
        *_on_seeds(evidence, judged),
        *_on_comparability(evidence),
    ]


def _on_members(evidence: Evidence) -> Iterator[str]:
    """Who is missing, and what that does to the pairs."""
    for name, members in evidence.members.items():
        for status in ("diverged", "failed", "interrupted", "lost", "running"):
            seeds = [member.seed for member in members if member.status == status]
            if seeds:
                verb = "diverged" if status == "diverged" else f"did not finish ({status})"
                yield f"{name} {verb} on seed {_listed(seeds)}: left out on both sides of its pairs."
        for key in evidence.shared:
            without = [
                member.seed for member in members if member.status == "finished" and key not in member.metrics
            ]
            if without:
                yield f"{name} has no {key} on seed {_listed(without)}: left out of that metric's pairs."
    if not any(member.metrics for member in evidence.members[evidence.baseline]):
        yield f"the baseline {evidence.baseline} has no result: there are no differences to it."


def _on_seeds(evidence: Evidence, judged: str | None) -> Iterator[str]:
    if judged is None:
        return
    reference = _seeds(evidence, evidence.baseline, judged)
    pairs = {
        name: len(_seeds(evidence, name, judged) & reference)
        for name in evidence.members
        if name != evidence.baseline and reference and _seeds(evidence, name, judged)
    }
    unpaired = [name for name, count in pairs.items() if count == 0]
    if unpaired:
        yield f"{', '.join(unpaired)} shares no seed with the baseline {evidence.baseline}: no differences."
    counts = [count for count in pairs.values() if count] or [len(reference)]
    least, level = min(counts), round(CONFIDENCE * 100)
    if least == 1:
        yield "one seed: no deviation, no interval; give --seeds 3 or more for error bars."
    elif 1 < least < FEW_SEEDS:
        width = t_quantile(0.5 + CONFIDENCE / 2, least - 1)
        yield (
            f"few seeds ({least}): a {level} % t interval is the mean +- {width:.2f} standard errors, "
            "and shows large differences only."
        )
    if len(pairs) > 1 and least > 1:
        yield (
            f"{len(pairs)} settings are compared with {evidence.baseline}: of {level} % intervals one in 20 "
            "excludes zero (*) by chance alone; p (Holm) is adjusted for that."
        )


def _on_comparability(evidence: Evidence) -> Iterator[str]:
    for term in sorted(evidence.doubtful_terms):
        prefix = f"losses.{term}."
        what = [path.removeprefix(prefix) for path in evidence.varied if path.startswith(prefix)]
        changed = ", ".join(each for each in what if each != "weight") or "definition"
        yield f"the term {term} is another quantity in some settings ({changed}): compare it with care."
    prints = {
        member.fingerprint
        for members in evidence.members.values()
        for member in members
        if member.fingerprint
    }
    if len(prints) > 1:
        yield "the settings were trained on different data: their differences hold that of the data as well."
    names = list(evidence.flats)
    for index, name in enumerate(names):
        for earlier in names[:index]:
            if evidence.flats[earlier] == evidence.flats[name]:
                yield f"{earlier} and {name} are the same config."


def _seeds(evidence: Evidence, name: str, key: str) -> set[int]:
    return {member.seed for member in evidence.members[name] if key in member.metrics}


def _listed(seeds: list[int]) -> str:
    return ", ".join(map(str, seeds))
