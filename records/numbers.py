"""Numbers as text: one format for table cells, and JSON that never holds NaN or infinity."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import cast

_UNUSUAL = re.compile(r"[^\x20-\x7e\n]")


def format_number(value: int | float) -> str:
    """The shortest text of at most 9 significant digits; empty for NaN and infinity.

    Nine digits give every float32 back exactly. A float keeps a point or an exponent (`1.0`), so that
    it is read back as a float; an int is written in full.
    """
    if isinstance(value, int):
        return str(int(value))
    if not math.isfinite(value):
        return ""
    text = f"{value:.9g}"
    return text if "." in text or "e" in text else f"{text}.0"


def finite_or_none(value: float | None) -> float | None:
    """The value itself where it is a finite number, else None."""
    return value if value is not None and math.isfinite(value) else None


def to_json(document: object) -> str:
    """One JSON document: null for what is not finite, keys in the given order, a newline at the end.

    Text keeps its letters; what is no visible character is escaped, so that a terminal may show the document
    and any file name can be encoded. Raises TypeError for what JSON has no form for.
    """
    text = json.dumps(_finite(document), indent=2, ensure_ascii=False, allow_nan=False)
    # Line ends are those between entries: within a text they are escaped by now.
    return _UNUSUAL.sub(_visible, text) + "\n"


def _visible(match: re.Match[str]) -> str:
    character = match.group()
    return character if character.isprintable() else json.dumps(character)[1:-1]


def _finite(document: object) -> object:
    if isinstance(document, float):
        return finite_or_none(document)
    if isinstance(document, Mapping):
        entries = cast("Mapping[object, object]", document)
        return {key: _finite(value) for key, value in entries.items()}
    if isinstance(document, Sequence) and not isinstance(document, str | bytes):
        return [_finite(value) for value in cast("Sequence[object]", document)]
    return document
