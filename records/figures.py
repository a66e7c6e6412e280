"""What all figures share: their style, their making without a window system, their saving as PNG and SVG."""

from __future__ import annotations

import io
import logging
import os
import warnings
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ..specs.errors import MachineError
from ..specs.visible import visible
from .atomic import write_bytes
from .palette import GRID, INK

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from matplotlib.typing import RcKeyType

_PIXELS_PER_INCH = 150
_LONGEST_TEXT = 100
_CACHE_WARNINGS = (
    "mkdir -p failed for path",
    "%s is not a writable directory",
    "Matplotlib created a temporary cache directory",
    "Matplotlib is building the font cache",
    "Could not save font_manager cache",
)
STYLE: dict[RcKeyType, object] = {
    "figure.facecolor": "white",
    "font.family": ["DejaVu Sans"],
    "font.size": 10.0,
    "axes.titlesize": 11.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.axisbelow": True,
    "xtick.color": INK,
    "ytick.color": INK,
    "grid.color": GRID,
    "axes.formatter.useoffset": False,
    "figure.constrained_layout.w_pad": 0.1,
    "figure.constrained_layout.h_pad": 0.1,
    "lines.linewidth": 1.6,
    "lines.markersize": 4.0,
    # Names hold underscores and perhaps dollars: they are no formulas.
    "text.usetex": False,
    "text.parse_math": False,
    # The same table gives the same bytes.
    "svg.hashsalt": "mlx",
    "svg.fonttype": "path",
}


@contextmanager
def figure_style() -> Generator[None]:
    """Matplotlib, imported at the first time, in the style of all figures.

    Raises MachineError where there is no folder at all for what it keeps while it works.
    """
    _prepare_caches()
    try:
        import matplotlib

        matplotlib.get_cachedir()
    except OSError as error:
        message = "there is no folder for temporary files, which plots need; name one in TMPDIR."
        raise MachineError(message) from error
    with matplotlib.rc_context(STYLE):
        yield


def make_figure(*, width: float, height: float) -> Figure:
    """An empty figure (inches), without pyplot: no global state, no window system."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), dpi=_PIXELS_PER_INCH, layout="constrained")


def save_figure(path_of: Callable[[str], Path], name: str, figure: Figure) -> list[Path]:
    """Write `<name>.png` and `<name>.svg` to where `path_of` puts them; the paths. Raises MachineError.

    No name of a stranger's can break the XML, nor hide, turn or crowd out what is drawn; those of ticks are
    `drawn_text` before they come here.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.text import Text

    for each in figure.findobj(Text):
        assert isinstance(each, Text)
        each.set_text("\n".join(map(drawn_text, each.get_text().split("\n"))))
    paths = [path_of(f"{name}.png"), path_of(f"{name}.svg")]
    with warnings.catch_warnings():
        # A name in a script that the font lacks shows as boxes, which is plain to see.
        warnings.filterwarnings("ignore", message="Glyph .* missing from", category=UserWarning)
        write_bytes(paths[0], _written(lambda file: FigureCanvasAgg(figure).print_png(file)))
        # The layout has been found; `savefig` would find it twice for each file.
        figure.set_layout_engine("none")
        undated: dict[str, object] = {"Date": None}
        write_bytes(
            paths[1], _written(lambda file: FigureCanvasSVG(figure).print_svg(file, metadata=undated))
        )
    return paths


def _written(write: Callable[[io.BytesIO], None]) -> bytes:
    buffer = io.BytesIO()
    write(buffer)
    return buffer.getvalue()


def drawn_text(text: str, *, longest: int = _LONGEST_TEXT) -> str:
    """`text` on one line that leaves room for the drawing: what is long loses its middle, as names differ at
    either end."""
    shown = visible(text)
    return shown if len(shown) <= longest else f"{shown[: longest // 2]}…{shown[-longest // 2 :]}"


def _prepare_caches() -> None:
    """Where no home folder can be written to, Matplotlib's caches go into a temporary one without a word."""
    for name in ("matplotlib", "matplotlib.font_manager"):
        logging.getLogger(name).addFilter(_is_no_word_of_caches)
    try:
        Path.home()
    except RuntimeError:
        # Older versions fail without any home; for a place that is none they make a temporary folder.
        os.environ.setdefault("MPLCONFIGDIR", os.devnull)


def _is_no_word_of_caches(record: logging.LogRecord) -> bool:
    return not str(record.msg).startswith(_CACHE_WARNINGS)
