"""Runs a command for real and writes what it printed as an SVG, exported from rich.

Usage: python docs/record_run.py docs/pictures/train.svg mlx train multilabel_attributes
"""

from __future__ import annotations

import io
import shlex
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.text import Text

COLUMNS = 110


def record(path: Path, command: list[str]) -> None:
    """Run `command` and draw its command line, its progress and its results."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=True)
    console = Console(record=True, width=COLUMNS, file=io.StringIO())
    console.print(Text(f"$ {shlex.join(command)}", style="bold"))
    for line in done.stdout.splitlines():
        console.print(Text(line.rstrip()), soft_wrap=True)
    # An id of its own would be drawn anew each time.
    console.save_svg(str(path), title="mlx", unique_id="mlx")


if __name__ == "__main__":
    record(Path(sys.argv[1]), sys.argv[2:])
