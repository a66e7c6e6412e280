"""What a picture in SVG is made of: elements, numbers, and text whose width is known before any font is."""

from __future__ import annotations

import re
import unicodedata
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from ..specs.visible import visible

FONTS = "Helvetica, Arial, 'Segoe UI', 'DejaVu Sans', sans-serif"

# In em, by the characters that are at most so wide in DejaVu Sans, the widest of FONTS.
_ADVANCES = {
    0.33: "'ijlIJ ",
    0.39: ",.·:;/\\|-f",
    0.44: "()[]!tr",
    0.5: '"*`_',
    0.57: "scz?L",
    0.63: "FkvxyTaeo",
    0.69: "hnubdgpqPYESKVXZB0123456789${}",
    0.78: "ARCUNHDG&",
    0.84: "OQw#+<=>~^\u00d7",
    1.0: "MmW%@…",
}
_EM = {character: advance for advance, characters in _ADVANCES.items() for character in characters}
_WIDE_EM = 1.25
_BOLD = 1.13
_SLACK = 0.01
_ELLIPSIS = "…"
# XML has no way to write these, not even escaped.
_ILLEGAL = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def add(parent: Element, tag: str, text: str = "", **attributes: str | float) -> Element:
    """A new element within `parent`. An underscore in an attribute's name stands for a hyphen."""
    element = ElementTree.SubElement(parent, tag)
    for name, value in attributes.items():
        shown = _legal(value) if isinstance(value, str) else length_text(value)
        element.set(name.replace("_", "-"), shown)
    if text:
        element.text = _legal(text)
    return element


def _legal(text: str) -> str:
    """What XML can hold, and nothing that would turn or hide what is shown."""
    return "\n".join(visible(line) for line in _ILLEGAL.sub("\ufffd", text).split("\n"))


def length_text(value: float) -> str:
    """A length to a tenth of a pixel, as short as it gets."""
    # Adding 0 turns -0 into 0.
    return f"{round(value, 1) + 0.0:.1f}".removesuffix(".0")


def text_width(text: str, size: float, *, is_bold: bool = False) -> float:
    """At most how wide a line of `text` is drawn in a font of `size` pixels."""
    return sum(map(_advance, text)) * size * (_BOLD if is_bold else 1.0)


def _advance(character: str) -> float:
    known = _EM.get(character)
    if known is not None:
        return known
    if unicodedata.category(character) in ("Mn", "Me"):
        return 0.0
    if unicodedata.east_asian_width(character) in ("W", "F"):
        return _WIDE_EM
    # A letter with an accent is as wide as without.
    return _EM.get(unicodedata.normalize("NFD", character)[0], 1.0)


def fitted_text(text: str, width: float, size: float, *, is_bold: bool = False) -> str:
    """`text`, shortened in its middle until it is no wider than `width`: names differ at either end."""
    if text_width(text, size, is_bold=is_bold) <= width + _SLACK:
        return text
    fitting, too_many = 0, len(text)
    while too_many - fitting > 1:
        kept = (fitting + too_many) // 2
        if text_width(_shortened(text, kept), size, is_bold=is_bold) <= width:
            fitting = kept
        else:
            too_many = kept
    return _shortened(text, fitting)


def _shortened(text: str, kept: int) -> str:
    return text[: (kept + 1) // 2] + _ELLIPSIS + text[len(text) - kept // 2 :]
