"""`mlx compare` of sixteen settings against sixteen times one run of the reference, whole trainings in turn.

Usage: python bench/compare_speed.py [--rounds 3] [--settings 16] [NAME ...]

The reference trains in this process, with the threads PyTorch takes by itself; only its epochs are timed. Of
`mlx compare`, run as a command, the time from the first worker's first step to the last member's end is taken
from the run folders, and the whole process is reported beside it.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
from eager_reference import build, train_epoch
from mlx_runner.data import open_source
from mlx_runner.specs.load import load_experiment
from mlx_runner.training.devices import prepare_process

EPOCHS = {"multilabel_attributes": 5, "autoencoder": 3, "headline": 1}
CHANGES = {
    "multilabel_attributes": ["data.validation_split=0"],
    "autoencoder": ["data.validation_split=0"],
    "headline": ["data.samples=4000", "data.validation_split=0", "training.early_stopping=null"],
}
PATHS = {
    "multilabel_attributes": "losses.attributes.label_smoothing",
    "autoencoder": "losses.pixels.label_smoothing",
    "headline": "losses.aux.weight",
}


def time_reference(name: str, changes: list[str]) -> float:
    """Seconds of the reference's epochs."""
    experiment = load_experiment(name, changes)
    train = open_source(experiment.data).build().train
    full = train.batch(0, len(train), torch.float32)
    data = {**full.inputs, **full.targets}
    module, loss_of = build(name)
    optimizer = torch.optim.Adam(module.parameters(), lr=1e-3)
    started = time.perf_counter()
    for _ in range(experiment.training.epochs):
        train_epoch(module, loss_of, optimizer, data, experiment.training.batch_size)
    return time.perf_counter() - started


def time_compare(name: str, changes: list[str], settings: int) -> tuple[float, float]:
    """Seconds that the members' trainings took, workers side by side, and of the whole process."""
    values = ",".join(f"{0.01 * index:g}" for index in range(settings))
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "mlx_runner.cli", "compare", name, *changes]
        command += ["--vary", f"{PATHS[name]}={values}", "--seeds", "1", "--no-equal", "--quiet", "--json"]
        started = time.perf_counter()
        done = subprocess.run([*command, "--runs", folder], check=True, stdout=subprocess.PIPE, text=True)
        whole = time.perf_counter() - started
        members = [member for each in json.loads(done.stdout)["settings"] for member in each["members"]]
        # Members of a stack share its time, so every worker's stack counts once: workers run side by side.
        comparison = next(Path(folder).glob("*_compare"))
        runs = [comparison / "members" / Path(member["run"]).name for member in members]
        seconds = [json.loads((run / "summary.json").read_text())["seconds"]["train"] for run in runs]
    return max(seconds), whole


def main() -> None:
    """Print the medians and the ratio of every round."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=list(EPOCHS))
    parser.add_argument("--settings", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    prepare_process()
    for name in options.names:
        changes = [*CHANGES[name], f"training.epochs={EPOCHS[name]}"]
        rounds = [
            (time_reference(name, changes), *time_compare(name, changes, options.settings))
            for _ in range(options.rounds)
        ]
        ratios = [options.settings * reference / trained for reference, trained, _ in rounds]
        medians = [statistics.median(values) for values in zip(*rounds, strict=True)]
        print(
            f"{name}: {EPOCHS[name]} epochs; reference {medians[0]:.2f} s, {options.settings} settings "
            f"{medians[1]:.2f} s (whole process {medians[2]:.2f} s); times faster, per round: "
            f"{', '.join(f'{ratio:.2f}' for ratio in ratios)}; median {statistics.median(ratios):.2f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
