"""The legend of a graph's picture: what its lines and boxes mean, in columns below it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from .graph_boxes import Kind, add_shape
from .graph_layout import Box
from .graph_strokes import Stroke, add_stroke
from .palette import GRID, INK
from .svg import FONTS, add, fitted_text, length_text, text_width

_SIZE = 11.0
_LINE = 20.0
_RULE_GAP = 16.0
_SAMPLE = 40.0
_SAMPLE_GAP = 8.0
_COLUMN_GAP = 16.0
_MOST_TEXT = 260.0
# A wide picture is looked at in parts: the legend stays together.
_MOST_WIDTH = 1100.0
_SAMPLE_COLOR = "#777777"


@dataclass(frozen=True)
class LegendEntry:
    """What a line or a kind of box means."""

    sample: Stroke | Kind
    text: str


def add_legend(
    parent: Element, sections: Sequence[tuple[str, Sequence[LegendEntry]]], *, left: float, top: float,
    width: float,
) -> float:  # fmt: skip
    """Draw sections, each a heading over its entries, below a rule at `top`; the y of their end."""
    group = add(parent, "g")
    add(group, "path", d=f"M{length_text(left)} {length_text(top)}h{length_text(width)}", stroke=GRID)
    y = top + _RULE_GAP
    for heading, entries in sections:
        _add_text(group, heading, x=left, y=y, is_bold=True)
        texts = [fitted_text(entry.text, _MOST_TEXT, _SIZE) for entry in entries]
        column = _SAMPLE + _SAMPLE_GAP + max(text_width(text, _SIZE) for text in texts) + _COLUMN_GAP
        num_columns = max(int((min(width, _MOST_WIDTH) + _COLUMN_GAP) // column), 1)
        for index, (entry, text) in enumerate(zip(entries, texts, strict=True)):
            x, line = left + column * (index % num_columns), y + _LINE * (1 + index // num_columns)
            each = add(group, "g", data_entry=entry.text)
            add(each, "title", entry.text)
            _add_sample(each, entry.sample, x=x, y=line)
            _add_text(each, text, x=x + _SAMPLE + _SAMPLE_GAP, y=line)
        y += _LINE * (1 + -(-len(entries) // num_columns)) + 6
    return y - _LINE / 2


def _add_sample(parent: Element, sample: Stroke | Kind, *, x: float, y: float) -> None:
    if isinstance(sample, Stroke):
        add_stroke(parent, f"M{length_text(x)} {length_text(y)}h{length_text(_SAMPLE)}", sample)
    else:
        box = Box(left=x + 1.0, top=y - 7.0, width=_SAMPLE - 10.0, height=14.0)
        add_shape(parent, sample, box, color=_SAMPLE_COLOR)


def _add_text(parent: Element, text: str, *, x: float, y: float, is_bold: bool = False) -> None:
    bold = {"font_weight": "bold"} if is_bold else {}
    add(parent, "text", text, x=x, y=y + 0.36 * _SIZE, font_family=FONTS, font_size=_SIZE, fill=INK, **bold)
