"""Where `mlx` begins: an interrupt is no traceback even while the commands are still being imported."""

from __future__ import annotations

import gc
import os
import signal
import sys
from contextlib import suppress

_COLLECTED_AT = 50_000
"""New objects after which Python looks for cycles: its own 700 cost a sixth of the import of PyTorch. It
stays so, for a step of training leaves no cycles behind."""


def main() -> None:
    """Run the command line and exit with its code."""
    gc.set_threshold(_COLLECTED_AT, *gc.get_threshold()[1:])
    try:
        try:
            from .main import main as run

            run()
        except SystemExit as end:
            if "torch" in sys.modules and isinstance(end.code, int):
                _leave(end.code)
            raise
        finally:
            # What is left is Python's own end, which would tell an interrupt as a traceback.
            if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
                signal.signal(signal.SIGINT, signal.SIG_DFL)
    except KeyboardInterrupt:
        sys.stderr.write("mlx: interrupted\n")
        sys.exit(130)


def _leave(code: int) -> None:
    """End the process at once, unless something could not be written: all files are closed by now, and the
    interpreter would take a third of a second to put PyTorch away."""
    with suppress(Exception):
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
