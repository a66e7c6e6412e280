"""A run's network as a file that needs no `mlx` any more: written, checked against the run, described.

Legend: B batch.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from ..records.atomic import open_replacement, write_text, writing
from ..records.numbers import to_json
from ..records.run_folder import RunFolder
from ..specs.errors import ConfigError, GateError
from ..specs.exports import ENDINGS, ExportFormat
from ..specs.load import located
from .export_description import describe_export
from .export_formats import Served, write_onnx, write_safetensors, write_torch
from .memory import machine_failures_told
from .served import ServedNetwork, deviation, random_inputs
from .trained_run import TrainedRun, open_trained_run

TOLERANCE = 1e-4
"""The largest deviation allowed, by the largest magnitude of the output."""

# The smallest batch, which tracing is the first to get wrong, and one of another size than it traces.
_CHECKED_ROWS = (1, 7)


@dataclass(frozen=True)
class Exported:
    """What was written and how it was checked. `deviations` are the largest, by output."""

    run: str
    file_format: ExportFormat
    file: Path
    description: Path
    num_bytes: int
    checked_with: str
    checked_rows: tuple[int, ...]
    deviations: dict[str, float]

    def document(self) -> dict[str, object]:
        """The same as plain JSON values."""
        return {
            "run": self.run,
            "format": self.file_format,
            "file": str(self.file),
            "preparation": str(self.description),
            "bytes": self.num_bytes,
            "checked_with": self.checked_with,
            "checked_rows": list(self.checked_rows),
            "deviations": self.deviations,
        }


def export_run(
    folder: RunFolder, out: Path | None, *, file_format: ExportFormat, device: torch.device
) -> Exported:
    """Write the network of a run at its best weights, with its description beside it.

    out: None for the run's name with the format's ending, in the current folder. Both files are written
    after the network in the file has given what the run's gives, or not at all.

    Raises:
        ConfigError: a network that cannot be written in the format, a package that is missing, a place
        where no file can be. DataError: a damaged run. GateError: the file does not give what the run
        does. MachineError.
    """
    out = out or Path(folder.name + ENDINGS[file_format])
    _check_place(out)
    with machine_failures_told("opening the run"):
        run = open_trained_run(folder, device=device)
    # The file multiplies in the precision of its weights, and is checked against that.
    run.network.autocast = None
    network = ServedNetwork(run.network, run.decisions.temperatures).eval()
    with torch.no_grad(), located(run.experiment), machine_failures_told("exporting"):
        served = _write(run, network, file_format)
        deviations = _check(run, network, served)
    description = out.with_name(f"{out.name}.preparation.json")
    with open_replacement(out) as file:
        with writing(out):
            file.write(served.data)
        write_text(description, to_json(describe_export(run, file_format, served.facts)))
    return Exported(
        str(folder.path),
        file_format,
        out,
        description,
        len(served.data),
        served.runner,
        _CHECKED_ROWS,
        deviations,
    )


def _check_place(out: Path) -> None:
    """Before minutes of work: the folder has to be there, and be no file's."""
    if out.is_dir():
        raise ConfigError(f"'{out}' is a folder; name a file in it.")
    if not out.parent.is_dir():
        raise ConfigError(f"'{out}' cannot be written: there is no folder '{out.parent}'.")


def _write(run: TrainedRun, network: ServedNetwork, file_format: ExportFormat) -> Served:
    # Neither 1 nor a size that is checked, lest it be taken for a constant.
    example = random_inputs(run.inputs, 3, dtype=run.dtype, seed=0)
    example = {name: values.to(run.device) for name, values in example.items()}
    match file_format:
        case "onnx":
            return write_onnx(network, example)
        case "torch":
            return write_torch(network, example)
        case "safetensors":
            return write_safetensors(run, network)


def _check(run: TrainedRun, network: ServedNetwork, served: Served) -> dict[str, float]:
    """The largest deviation by output, over batches of several sizes."""
    largest = dict.fromkeys(network.network.graph.outputs, 0.0)
    for rows in _CHECKED_ROWS:
        inputs = random_inputs(run.inputs, rows, dtype=run.dtype, seed=rows)
        inputs = {name: values.to(run.device) for name, values in inputs.items()}
        expected, given = network(inputs), served.run(inputs)
        for name, values in expected.items():
            largest[name] = max(largest[name], deviation(values.cpu(), given[name].cpu()))
    wrong = {name: number for name, number in largest.items() if not number <= TOLERANCE}
    if wrong:
        found = ", ".join(f"{name} by {number:.1e}" for name, number in wrong.items())
        raise GateError(
            f"the exported network does not give what the run's does: {served.runner} deviates in {found} "
            f"of the largest value, where {TOLERANCE:.0e} is allowed; nothing was written."
        )
    return largest
