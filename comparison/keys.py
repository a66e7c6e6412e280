"""Metric keys: which are totals, terms or metrics, which way is better, and which one is judged."""

from __future__ import annotations

from collections.abc import Sequence

from ..specs.errors import ConfigError, unknown_name
from ..specs.metrics import LOWER_IS_BETTER

SPLITS = ("test", "validation", "train")
"""In the order in which they are judged by."""

TOTAL_REASON = (
    "is the weighted total, and the settings weigh or define their losses differently: their totals are "
    "different quantities, and a lower one is not a better network"
)

_TOTALS = frozenset(f"{split}/loss" for split in SPLITS)


def is_total(key: str) -> bool:
    """Whether the key is a split's weighted total, `{split}/loss`."""
    return key in _TOTALS


def is_term(key: str) -> bool:
    """Whether the key is an unweighted term, `{split}/{term}/loss`."""
    return key.count("/") == 2 and key.endswith("/loss")


def is_metric(key: str) -> bool:
    """Whether the key is a metric of an output, `{split}/{output}/{metric}`."""
    return key.count("/") == 2 and not key.endswith("/loss")


def lower_is_better(key: str) -> bool:
    """Whether what the key names improves by falling."""
    return key.rpartition("/")[2] in LOWER_IS_BETTER


def judged_key(shared: Sequence[str], *, doubtful_terms: frozenset[str] = frozenset()) -> str:
    """The first key that settings are judged by: on test, validation or train, a metric before a term.

    doubtful_terms: terms that measure different things in different settings. Raises ConfigError where
    nothing is left.
    """
    for split in SPLITS:
        own = [key for key in shared if key.startswith(f"{split}/")]
        metrics = [key for key in own if is_metric(key)]
        terms = [key for key in own if is_term(key) and key.split("/")[1] not in doubtful_terms]
        if metrics or terms:
            return [*metrics, *terms][0]
    raise ConfigError(
        "the settings share no metric and no unweighted term that means the same in all of them; "
        "give them a metric of the same name on an output of the same name."
    )


def resolve_key(text: str, shared: Sequence[str], *, totals_differ: bool, option: str) -> str:
    """The key that a user means: in full, without its split, or the last part alone where it is unique.

    Raises ConfigError for an unknown or ambiguous one, and for a total where totals differ in kind.
    """
    names = [key for key in shared if not (totals_differ and is_total(key))]
    if totals_differ and (text == "loss" or is_total(text)):
        choices = ", ".join(key for key in names if key.startswith("test/")) or ", ".join(names)
        raise ConfigError(f"{option}: {text!r} {TOTAL_REASON}. Choose one of: {choices}.")
    for candidate in (text, *(f"{split}/{text}" for split in SPLITS)):
        if candidate in names:
            return candidate
    for split in SPLITS:
        matches = [key for key in names if key.startswith(f"{split}/") and key.rpartition("/")[2] == text]
        if len(matches) > 1:
            raise ConfigError(f"{option}: {text!r} may be {' or '.join(matches)}; give it in full.")
        if matches:
            return matches[0]
    raise ConfigError(f"{option}: {unknown_name('metric', text, names)}")
