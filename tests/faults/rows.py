"""The table that every test here trains on, by plain arithmetic."""

from __future__ import annotations

NUM_ROWS = 300
_WORDS = ("big house", "small old", "old garden", "")


def table_text() -> str:
    """CSV with empty cells among the inputs and the targets."""
    lines = ["x1,x2,x3,words,a,b,price"]
    for row in range(NUM_ROWS):
        x1, x2, x3 = (row * 37 % 101) / 10 - 5, (row * 53 % 97) / 10 - 4, (row * 29 % 83) / 10 - 4
        shown = "" if row % 13 == 7 else f"{x2:.1f}"
        both = "" if row % 17 == 3 else int(x1 + x2 > 3)
        price = (x1 + 5) * 20 + (x2 + 4) * row % 5 + 7
        lines.append(f"{x1:.1f},{shown},{x3:.1f},{_WORDS[row % 7 % 4]},{int(x1 > x3)},{both},{price:.2f}")
    return "\n".join(lines) + "\n"
