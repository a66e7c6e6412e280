"""Arguments and options that the commands under `mlx runs` share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

OneRun = Annotated[
    str,
    typer.Argument(metavar="RUN", help="A run: its name, the beginning or end of it, `latest`, or a path."),
]
RunsFolder = Annotated[Path, typer.Option("--runs", metavar="DIR", help="The folder with run folders.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")]

RUNS = Path("runs")
