"""The colors of every plot and page: Okabe and Ito's palette, told apart by all kinds of color vision."""

from __future__ import annotations

# Okabe & Ito 2008, "Color Universal Design"; ordered so that the first few contrast most on white,
# with yellow, the faintest there, last.
OKABE_ITO = (
    "#0072B2",  # blue
    "#D55E00",  # vermilion
    "#009E73",  # bluish green
    "#CC79A7",  # reddish purple
    "#E69F00",  # orange
    "#56B4E9",  # sky blue
    "#000000",  # black
    "#F0E442",  # yellow
)
INK = "#333333"
GRID = "#DDDDDD"


def color_of(index: int) -> str:
    """The color of the series at `index`, counted from 0; after eight they repeat."""
    return OKABE_ITO[index % len(OKABE_ITO)]
