"""Where `mlx` begins: an interrupt is no traceback even while the commands are still being imported."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line and exit with its code."""
    try:
        from .main import main as run

        run()
    except KeyboardInterrupt:
        sys.stderr.write("mlx: interrupted\n")
        sys.exit(130)
