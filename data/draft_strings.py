"""Owns what texts of a column look like: addresses, paths of images, separated labels, words."""

from __future__ import annotations

import html
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from .image_files import ENDINGS

MOST_LABELS = 200
_LONGEST_LABEL = 40

_OPAQUE = re.compile(
    r"(https?://|www\.)\S+|[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}|[0-9a-fA-F]{16,}|"
    r"[^@\s]+@[^@\s]+\.[A-Za-z]+"
)
_DECORATED = re.compile(r"[-+(]?\s*[$€£¥]?\s*[-+]?[0-9][0-9.,' _]*\s*(%|[$€£¥]|EUR|USD)?\)?")
_ENTITY = re.compile(r"&(#[0-9]+|#x[0-9a-fA-F]+|[A-Za-z]{2,8});")

# White space as the reader of tables knows it; Python's own counts four control characters too.
_BLANKS = " \t\n\v\f\r\x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B)))

_SMALLEST_SIDE, _LARGEST_SIDE = 8, 64

# What separates labels, the most words of a label, and how often a label has to come on average.
_SEPARATED = ((";", 3, 2.0), ("|", 3, 2.0), (",", 2, 4.0))


class Images(NamedTuple):
    """The folder that paths are relative to (None: the first is no image there), size and channels."""

    root: str | None
    size: tuple[int, int] = (32, 32)
    channels: Literal[1, 3] = 3


class Words(NamedTuple):
    """The mean number of words, the number that 95 of 100 texts do not pass, whether HTML is in them."""

    mean: float
    most: int
    html: bool


def is_opaque(values: Sequence[str]) -> bool:
    """Whether all are addresses or codes: of web pages, of mail, UUIDs, hashes."""
    return all(_OPAQUE.fullmatch(value) for value in values)


def is_decorated_number(value: str) -> bool:
    """Whether it is a number with a sign of money, per cent, a decimal comma or marks between thousands."""
    return _DECORATED.fullmatch(value) is not None


def guess_images(values: Sequence[str], folders: Sequence[str]) -> Images | None:
    """Where paths of images lead, from one of the folders; None where some are no paths of images."""
    if not all(value.lower().endswith(ENDINGS) for value in values):
        return None
    if any(value.lower().startswith(("http://", "https://")) for value in values):
        return None
    found = ((folder, _shape_of(Path(folder) / values[0])) for folder in folders)
    return next((Images(folder, *shape) for folder, shape in found if shape is not None), Images(None))


def guess_labels(texts: Sequence[str]) -> tuple[str, dict[str, int]] | None:
    """What separates the labels in texts, and the rows of each label; None where they are no labels."""
    for separator, longest_words, least in _SEPARATED:
        if sum(separator in text for text in texts) < max(2, 0.1 * len(texts)):
            continue
        rows = [{piece.strip(_BLANKS) for piece in text.split(separator)} - {""} for text in texts]
        counts = Counter(piece for pieces in rows for piece in pieces)
        if not 2 <= len(counts) <= MOST_LABELS or sum(counts.values()) < least * len(counts):
            continue
        if len({frozenset(pieces) for pieces in rows}) < len(counts):  # categories with the mark in them
            continue
        if all(len(each) <= _LONGEST_LABEL and len(each.split()) <= longest_words for each in counts):
            return separator, dict(sorted(counts.items()))
    return None


def guess_words(texts: Sequence[str]) -> Words:
    """How long texts are, and whether some hold what HTML writes for other characters."""
    lengths = np.array([len(text.split()) for text in texts])
    most = int(np.quantile(lengths, 0.95, method="higher"))
    num_html = sum(_has_entity(text) for text in texts)
    return Words(float(lengths.mean()), most, num_html >= max(2, len(texts) // 200))


def _has_entity(text: str) -> bool:
    return "&" in text and any(html.unescape(each.group()) != each.group() for each in _ENTITY.finditer(text))


def _shape_of(path: Path) -> tuple[tuple[int, int], Literal[1, 3]] | None:
    """The size of a small image with about the proportions of the one at `path`, and its channels."""
    from PIL import Image

    try:
        with Image.open(path) as image:
            width, height, mode = image.width, image.height, image.mode
    except (OSError, ValueError, Image.DecompressionBombError):
        return None
    shrink = min(1.0, _LARGEST_SIDE / max(width, height))
    size = (max(_SMALLEST_SIDE, round(height * shrink)), max(_SMALLEST_SIDE, round(width * shrink)))
    return size, 1 if mode in ("1", "L", "I;16") else 3
