"""`mlx export`: a run's network as a file for other programs, checked against the run."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .plain_text import plain

if TYPE_CHECKING:
    # Not at run time: `mlx --help` imports no torch.
    from ..training.export import Exported


def export(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run: its name, `latest`, or a path.")],
    output_format: Annotated[
        str, typer.Option("--format", metavar="onnx|torch|safetensors", help="What to write.")
    ],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="FILE", help="Instead of the run's name.")
    ] = None,
    device: Annotated[
        str | None, typer.Option(metavar="cpu|cuda[:N]", help="Where a torch program is to run [cpu].")
    ] = None,
    runs: Annotated[Path, typer.Option(metavar="DIR", help="The folder with run folders.")] = Path("runs"),
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")] = False,
) -> None:
    """Write the network of a run at its best weights, and beside it all that its user has to know.

    Nothing is written unless the file gives what the run gives, for batches of several sizes.
    docs/export.md has an example. [dim]Exit codes: 0 done, 2 config or usage, 3 damaged run, 5 other
    results, 6 machine.[/dim]
    """
    from .failures import reported_failures

    with reported_failures(json=json):
        from ..records.listing import find_run
        from ..specs.exports import choose_export

        file_format = choose_export(output_format, device=device)
        folder = find_run(runs, run)
        # After the arguments, so that a mistake in them is told at once: this imports torch.
        from ..training.devices import choose_device
        from ..training.export import export_run

        exported = export_run(folder, out, file_format=file_format, device=choose_device(device or "cpu"))
        if json:
            from ..records.numbers import to_json

            sys.stdout.write(to_json(exported.document()))
        else:
            sys.stdout.write(_described(exported))


def _described(exported: Exported) -> str:
    name, largest = max(exported.deviations.items(), key=lambda item: item[1])
    rows = " and ".join(str(number) for number in exported.checked_rows)
    lines = (
        f"{exported.file} ({_size(exported.num_bytes)}), described in {exported.description}",
        f"checked with {exported.checked_with} on batches of {rows}: the largest deviation is "
        f"{largest:.2g} of the largest value ({name})",
    )
    return "".join(f"{plain(line)}\n" for line in lines)


def _size(num_bytes: int) -> str:
    return f"{num_bytes / 1e6:,.1f} MB" if num_bytes >= 1e6 else f"{num_bytes / 1e3:.0f} kB"
