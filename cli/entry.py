"""Where `mlx` begins: an interrupt is no traceback even while the commands are still being imported."""

from __future__ import annotations

import signal
import sys


def main() -> None:
    """Run the command line and exit with its code."""
    try:
        try:
            from .main import main as run

            run()
        finally:
            # What is left is Python's own end, which would tell an interrupt as a traceback.
            if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
                signal.signal(signal.SIGINT, signal.SIG_DFL)
    except KeyboardInterrupt:
        sys.stderr.write("mlx: interrupted\n")
        sys.exit(130)
