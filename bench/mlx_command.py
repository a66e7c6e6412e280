"""`mlx` as a user has it: its command in a process, and what is read from the run folder it leaves.

Its whole process does more than a peer's: it scores the best epoch on test, finds floors and a baseline, and
writes checkpoints, tables and plots. All of that stays in its time.
"""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path
from typing import Any

from children import ChildError, Ended, launch
from networks import Network

# The script that was installed with the package; the module where it is not on its place.
_SCRIPT = Path(sys.executable).parent / "mlx"
MLX = [str(_SCRIPT)] if _SCRIPT.is_file() else [sys.executable, "-m", "mlx_runner.cli"]


def train(network: Network, folder: Path, *, seed: int) -> dict[str, Any]:
    """One training; start-up ends with the first step, as of a run of a single batch beside it."""
    ended, run = _run(network, folder / "run", network.overrides(seed=seed))
    _, beginning = _run(
        network, folder / "step", network.overrides(seed=seed, rows=network.batch_size, epochs=1)
    )
    epochs = _read(run / "timings.csv")
    # Written when all is read and built, right before the first step.
    begun_at = (run / "environment.json").stat().st_mtime
    first_step_seconds = float(_read(beginning / "timings.csv")[0]["seconds"])
    return {
        **ended.costs(),
        "startup_seconds": begun_at - ended.launched_at + first_step_seconds,
        "epoch_seconds": [float(row["seconds"]) for row in epochs],
        "epoch_losses": [float(row["train/loss"]) for row in _read(run / "metrics.csv")],
        "steps": network.steps * len(epochs),
        "stages": json.loads((run / "summary.json").read_text("utf-8"))["seconds"],
    }


def compare(network: Network, folder: Path, *, seed: int, settings: int) -> dict[str, Any]:
    """One `mlx compare` of several settings, the first of which is the network as all train it."""
    values = ",".join(f"{0.01 * index:g}" for index in range(settings))
    command = [*MLX, "compare", network.config, *network.overrides(seed=seed)]
    command += ["--vary", f"{network.vary}={values}", "--seeds", "1", "--no-equal", "--quiet", "--json"]
    ended = launch([*command, "--runs", str(folder / "compare")], folder)
    document = json.loads(ended.stdout)
    members = [member for each in document["settings"] for member in each["members"]]
    if [member["status"] for member in members] != ["finished"] * settings:
        raise ChildError(f"mlx compare did not finish {settings} settings")
    first = folder / document["comparison"] / "members" / Path(members[0]["run"]).name
    return {**ended.costs(), "loss": float(_read(first / "metrics.csv")[-1]["train/loss"])}


def _run(network: Network, runs: Path, overrides: list[str]) -> tuple[Ended, Path]:
    """What a training took, and its run folder."""
    runs.mkdir()
    ended = launch([*MLX, "train", network.config, *overrides, "--runs", str(runs), "--quiet"], runs.parent)
    (run,) = (path.parent for path in runs.glob("*/summary.json"))
    return ended, run


def _read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))
