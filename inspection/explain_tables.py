"""An explanation for a reader: tables, and the sentences that say what they show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..records.text_tables import TextTable, number_text
from ..training.attribution import REGULARIZATION
from .explain import Explanation
from .floors import Floor
from .gradients import Agreement, LabelLayer, LabelReach, Reach
from .updates import AGGREGATED, Update

DASH = "-"

# Rows that a reader can take in; the JSON document has all of them.
_MOST_PAIRS = 24
_MOST_COLUMNS = 5
_MOST_LABELS = 20

# Cosines that are nearer to 0 than this matter to nobody.
_UNRELATED = 0.05


@dataclass(frozen=True)
class Chapter:
    """One part of an explanation: its tables, then its sentences."""

    title: str
    tables: tuple[TextTable, ...]
    sentences: tuple[str, ...]


def explain_chapters(explanation: Explanation) -> tuple[Chapter, ...]:
    """The parts of an explanation that have something to tell, in reading order."""
    chapters = [_update_chapter(explanation.update), _reach_chapter(explanation)]
    if explanation.agreement:
        chapters.append(_agreement_chapter(explanation.agreement))
    chapters += [_label_chapter(each) for each in explanation.labels]
    chapters.append(_floor_chapter(explanation.floors))
    return tuple(chapters)


def _update_chapter(update: Update) -> Chapter:
    rows = [
        (
            term.name,
            term.kind,
            number_text(term.raw),
            f"{term.weight:g}",
            number_text(term.weighted),
            _percent(term.share),
        )
        for term in update.terms
    ]
    rows.append(("total", "", "", "", number_text(update.total), ""))
    headings = ("term", "kind", "raw", "weight", "weighted", "share")
    outputs = f"{len(update.outputs)} output{'s' if len(update.outputs) > 1 else ''}"
    steps = "one step" if update.optimizer_steps == 1 else f"{update.optimizer_steps} steps"
    sentences = (
        f"{update.batch_size} rows and {outputs} gave one total, {_passes(update)} and {steps} of "
        f"{update.optimizer}: one update per batch, not one per output.",
        "The gradient of the total is the weighted sum of the terms' gradients: the largest difference is "
        f"{update.deviation:.1e}, beside a largest entry of {update.largest_gradient:.1e}.",
        f"{update.changed_weights:,} of {update.weights:,} weights changed; the same batch then costs "
        f"{_known(update.total_after)} instead of {_known(update.total)}.",
    )
    return Chapter("One update", (TextTable("one update", headings, tuple(rows), 2),), sentences)


def _passes(update: Update) -> str:
    if update.weighting in AGGREGATED:
        return f"a backward pass per loss, aggregated by {update.weighting},"
    return "one backward pass"


def _known(value: float) -> str:
    return number_text(value) or "no number"


def _reach_chapter(explanation: Explanation) -> Chapter:
    title = "gradient norm of each unweighted term, and its share of the layer's gradient"
    sentences = [
        "A dash: the term does not reach the layer. Norms are means over the batches; shares add up to "
        "100 %, and a negative one works against the others."
    ]
    sentences += [_unreached(explanation, layer) for layer in explanation.unreached]
    if explanation.frozen:
        sentences.append(f"Frozen, so that nothing moves them: {', '.join(explanation.frozen)}.")
    table = _wide_reach if len(explanation.rows) <= _MOST_COLUMNS else _long_reach
    return Chapter("Reach", (table(explanation, title),), tuple(sentences))


def _wide_reach(explanation: Explanation, title: str) -> TextTable:
    """A row per layer, a column per term."""
    rows = [
        (each.layer, f"{each.weights:,}", *(_reach_cell(each, row) for row in explanation.rows))
        for each in explanation.reach
    ]
    return TextTable(title, ("layer", "weights", *explanation.rows), tuple(rows), 1)


def _long_reach(explanation: Explanation, title: str) -> TextTable:
    """A row per layer and term that reaches it: more columns than this fit no screen."""
    rows = [
        (each.layer, f"{each.weights:,}", row, number_text(norm), _percent(each.shares[row]))
        for each in explanation.reach
        for row, norm in each.norms.items()
    ]
    return TextTable(title, ("layer", "weights", "term", "norm", "share"), tuple(rows), 1)


def _unreached(explanation: Explanation, layer: str) -> str:
    reach = next(each for each in explanation.reach if each.layer == layer)
    movers = [name for name in (REGULARIZATION,) if name in reach.norms]
    movers += ["weight decay"] if explanation.update.optimizer == "adamw" else []
    what = f"only {' and '.join(movers)} moves its weights" if movers else "its weights stay as they are"
    return f"No loss that counts reaches {layer}: {what}."


def _reach_cell(reach: Reach, row: str) -> str:
    if row not in reach.norms:
        return DASH
    return f"{number_text(reach.norms[row])} ({_percent(reach.shares[row])})"


def _agreement_chapter(agreement: Sequence[Agreement]) -> Chapter:
    ordered = (
        sorted(agreement, key=lambda each: (each.mean is None, each.mean))
        if len(agreement) > _MOST_PAIRS
        else agreement
    )
    shown = ordered[:_MOST_PAIRS]
    rows = [
        (each.layer, *each.terms, number_text(each.mean), number_text(each.std), _tendency(each))
        for each in shown
    ]
    headings = ("layer", "term", "other term", "cosine", "spread", "the two")
    table = TextTable(
        "agreement of the terms' gradients on the layers that they share", headings, tuple(rows), 3
    )
    sentences = [
        "1: the same direction, 0: unrelated, -1: opposite; spread is the standard deviation over batches."
    ]
    if len(shown) < len(agreement):
        sentences.append(f"The {len(shown)} lowest of {len(agreement)} pairs; --json has all of them.")
    return Chapter("Agreement", (table,), tuple(sentences))


def _tendency(agreement: Agreement) -> str:
    """What can be said at two standard errors of the mean, if it is not too small to matter."""
    if agreement.mean is None or agreement.std is None:
        return ""
    margin = 2.0 * agreement.std / agreement.batches**0.5
    if abs(agreement.mean) <= max(margin, _UNRELATED):
        return "are unrelated"
    return "help each other" if agreement.mean > 0 else "fight"


def _label_chapter(reach: LabelReach) -> Chapter:
    headings = ("layer", "moved by one label", "by several", "by none", "lowest agreement")
    rows = [
        (each.layer, f"{each.one:,}", f"{each.several:,}", f"{each.none:,}", _lowest(each))
        for each in reach.layers
    ]
    title = f"{reach.term}: weights by the number of labels that move them"
    tables = [TextTable(title, headings, tuple(rows), 1)]
    tables.append(_labels_table(reach))
    own = [each.layer for each in reach.layers if each.one and not each.several]
    shared = [each.layer for each in reach.layers if each.several]
    sentences: list[str] = []
    if own:
        sentences.append(
            f"In {_listed(own)} every weight belongs to one label and gets that label's gradient alone."
        )
    if shared:
        sentences.append(f"In {_listed(shared)} weights get the sum of several labels' gradients.")
    if reach.activation == "softmax":
        sentences.append(
            f"The softmax of {reach.output} makes its labels compete for a sum of 1: what raises one lowers "
            "all others, so every label moves every column of its last layer."
        )
    if len(reach.labels) > _MOST_LABELS:
        sentences.append(f"{_MOST_LABELS} of {len(reach.labels)} labels are shown; --json has all of them.")
    return Chapter(f"Labels of {reach.output}", tuple(tables), tuple(sentences))


def _labels_table(reach: LabelReach) -> TextTable:
    """By label, the norm on every layer, and beside it on shared layers the cosine with the others."""
    headings = ("label", *(each.layer for each in reach.layers))
    rows = [
        (label, *(_label_cell(each, label) for each in reach.layers)) for label in reach.labels[:_MOST_LABELS]
    ]
    title = f"{reach.term}: gradient norm by label (cosine with all other labels together)"
    return TextTable(title, headings, tuple(rows), 1)


def _label_cell(layer: LabelLayer, label: str) -> str:
    norm, cosine = number_text(layer.norms[label]), layer.agreement[label]
    return norm if cosine is None or not layer.is_shared else f"{norm} ({cosine:+.2f})"


def _lowest(layer: LabelLayer) -> str:
    known: Mapping[str, float] = {
        label: value for label, value in layer.agreement.items() if value is not None
    }
    if not known or not layer.is_shared:
        return DASH
    label = min(known, key=lambda name: known[name])
    return f"{known[label]:+.2f} {label}"


def _floor_chapter(floors: Sequence[Floor]) -> Chapter:
    headings = ("term", "split", "loss", "floor", "distance", "floor is")
    rows = [
        (
            each.term,
            each.split,
            number_text(each.loss),
            number_text(each.floor) or "?",
            number_text(each.distance),
            each.reason,
        )
        for each in floors
    ]
    sentences = _noise_sentences(floors)
    table = TextTable(
        "how far each loss is from the least that any prediction could make it on these data",
        headings,
        tuple(rows),
        2,
    )
    return Chapter("Floors", (table,), tuple(sentences))


def _noise_sentences(floors: Sequence[Floor]) -> list[str]:
    """One sentence for the terms that the same noise is known for."""
    terms: dict[str, list[str]] = {}
    for each in floors:
        if each.label_noise:
            costs = [
                f"{number_text(value)} {seen.replace('_', ' ')}" for seen, value in each.label_noise.items()
            ]
            terms.setdefault(", ".join(costs), []).append(each.term)
    return [
        f"The targets of {_listed(names)} are drawn at random: their true chances cost {costs}; less is luck."
        for costs, names in terms.items()
    ]


def _percent(share: float | None) -> str:
    return f"{100.0 * (share or 0.0):.0f} %"


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
