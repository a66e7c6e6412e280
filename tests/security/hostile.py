"""Texts of a stranger that want to be more than text, and a table and a config that are full of them."""

from __future__ import annotations

import csv
import io

import yaml

TITLE = "\x1b]0;owned\x07title"
CLEAR = "\x1b[2J\x1b[Hclear"
COLOR = "\x1b[31mred"
RETURN = "over\rwritten"
BIDI = "\u202eesrever"
INVISIBLE = "a\u200bb\u2066c"
C1 = "\x9b31mcsi"
MARKUP = "[red]mark[/red]"
LINK = "[link=https://example.org]click[/link]"
EMOJI = ":skull:"
BACKSLASH = "back\\"
SCRIPT = "<script>alert(1)</script>"
QUOTES = "\"'><img src=x onerror=alert(1)>"
URL = "javascript:alert(1)"
MARKDOWN = "![x](https://example.org/pixel.png) | `code`"
LINE = "two\nlines"
FORMULA = "=cmd|'/C calc'!A0"
PLUS, MINUS, AT, TAB = "+1+cmd", "-2+cmd", "@SUM(1)", "\t=1"
DIVISION = "\uff1d1+1"

TEXTS = (
    *(TITLE, CLEAR, COLOR, RETURN, BIDI, INVISIBLE, C1, MARKUP, LINK, EMOJI, BACKSLASH, SCRIPT, QUOTES, URL),
    *(MARKDOWN, LINE, FORMULA, PLUS, MINUS, AT, TAB, DIVISION),
)

RAW = ("\x1b]0;", "\x1b[2J", "\x1b[31mred", "\r", "\u202e", "\u200b", "\u2066", "\x9b")
"""What may never reach a terminal as it stands."""

# White space around a cell means nothing, so it cannot be part of a category.
CATEGORIES = tuple(text for text in TEXTS if text == text.strip())

# A name that begins or ends with white space stays what it is in a header.
LABELS = TEXTS


def table(rows: int = 120) -> str:
    """A table whose header, ids and categories are hostile."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n", quoting=csv.QUOTE_ALL)
    writer.writerow(["id", "x1", "x2", "kind", "words", *LABELS, "=price", "\x1b[1msize"])
    for row in range(rows):
        x1, x2 = (row * 37 % 101) / 10 - 5, (row * 53 % 97) / 10 - 4
        labels = [int((x1 + index) % 2 > 1) for index in range(len(LABELS))]
        kind = CATEGORIES[row % len(CATEGORIES)]
        words = f"{TEXTS[row % len(TEXTS)]} word{row % 5}".replace("\n", " ")
        writer.writerow([TEXTS[row % len(TEXTS)], x1, x2, kind, words, *labels, x1 * 3, x2 + 7])
    return out.getvalue()


def config(path: str = "rows.csv") -> str:
    """A config that trains on `table()`."""
    layers = {
        "joined": {"type": "concatenate", "of": ["numbers", "words"]},
        "hidden": {"type": "dense", "units": 6, "activation": "relu"},
        "tags": {"type": "dense", "of": "hidden", "units": len(LABELS), "activation": "sigmoid"},
        "kind": {"type": "dense", "of": "hidden", "units": len(CATEGORIES), "activation": "softmax"},
        "prices": {"type": "dense", "of": "hidden", "units": 2},
    }
    document = {
        "name": "stranger",
        "data": {
            "source": "table",
            "path": path,
            "id": "id",
            "validation_split": 0.2,
            "test_split": 0.2,
            "inputs": {
                "numbers": {"type": "numeric", "columns": ["x1", "x2"]},
                "words": {"type": "text", "column": "words", "encoding": "counts", "vocabulary_size": 30},
            },
            "targets": {
                "tags": {"type": "multilabel", "columns": list(LABELS)},
                "kind": {"type": "categorical", "column": "kind", "categories": list(CATEGORIES)},
                "prices": {"type": "regression", "columns": ["=price", "\x1b[1msize"]},
            },
        },
        "model": {"inputs": ["numbers", "words"], "layers": layers, "outputs": ["tags", "kind", "prices"]},
        "losses": {
            "tags": {"type": "binary_crossentropy", "output": "tags", "target": "tags"},
            "kind": {"type": "sparse_categorical_crossentropy", "output": "kind", "target": "kind"},
            "prices": {"type": "mean_squared_error", "output": "prices", "target": "prices"},
        },
        "thresholds": {"tags": dict.fromkeys(LABELS, 0.25)},
        "training": {"epochs": 1, "batch_size": 20},
    }
    return yaml.safe_dump(document, sort_keys=False)
