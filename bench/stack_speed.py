"""Sixteen settings in one stack against sixteen times one run of the reference.

    python bench/stack_speed.py [--members 16] [--rounds 3] [NAME ...]

Both train on the same rows in the same process, one epoch each (headline: a number of steps), in turn,
several rounds; the ratio of the medians is what counts, since machines are shared and noisy.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import time
from dataclasses import replace
from functools import partial

import torch
from mlx_runner.data import Table
from mlx_runner.specs.load import load_experiment
from mlx_runner.training import fit
from mlx_runner.training.assemble import open_workshop
from mlx_runner.training.blueprint import draw_blueprint
from mlx_runner.training.devices import prepare_process
from mlx_runner.training.interruption import Interruption
from mlx_runner.training.reporter import SilentReporter
from mlx_runner.training.saver import Saver
from mlx_runner.training.step import Trainee
from peers.tidy_torch import train_epoch
from peers.torch_networks import build, make_optimizer
from task import Stopwatch

NAMES = ("multilabel_attributes", "autoencoder", "headline")
ROWS = {"headline": 1600}
REFERENCES = {"multilabel_attributes": "attributes"}
"""The reference's own name of a network, where it is not that of the config."""


def measure(name: str, members: int, rounds: int) -> dict[str, float]:
    """Median seconds of an epoch: the reference's, a single run's, the stack's."""
    experiment = load_experiment(name)
    blueprint = draw_blueprint(experiment)
    workshop = open_workshop(blueprint, torch.device("cpu"))
    train = workshop.splits.train.slice(0, ROWS.get(name, len(workshop.splits.train)))
    batch_size = experiment.training.batch_size
    full = train.batch(0, len(train), torch.float32)
    data = {**full.inputs, **full.targets}
    module, loss_of = build(REFERENCES.get(name, name))
    optimizer = make_optimizer(module)
    settings = [experiment.model_copy(update={"seed": seed}) for seed in range(members)]
    alone = workshop.build([experiment], stacked=False)
    together = workshop.build([settings[0]] * members, stacked=True)
    saver = Saver(Interruption(), minutes=experiment.training.checkpoint_minutes)
    plan = fit.FitPlan(1, batch_size, True, (0,), blueprint.metrics, SilentReporter(), saver)
    own_orders = replace(plan, seeds=tuple(range(members)))
    seconds: dict[str, list[float]] = {"reference": [], "single": [], "stack": [], "stack, own orders": []}
    for epoch in range(1, rounds + 1):
        runs = {
            "reference": partial(train_epoch, module, loss_of, optimizer, data, batch_size, Stopwatch()),
            "single": partial(_epoch, alone, train, plan, epoch),
            "stack": partial(_epoch, together, train, plan, epoch),
            "stack, own orders": partial(_epoch, together, train, own_orders, epoch),
        }
        for kind, run in runs.items():
            started = time.perf_counter()
            run()
            seconds[kind].append(time.perf_counter() - started)
    return {kind: statistics.median(values) for kind, values in seconds.items()}


def _epoch(trainee: Trainee, train: Table, plan: fit.FitPlan, epoch: int) -> None:
    fit.train_epoch(trainee, train, plan=plan, epoch=epoch)


def main() -> None:
    """Print a row per network."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=list(NAMES))
    parser.add_argument("--members", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    prepare_process("float32")
    for name in options.names:
        found = measure(name, options.members, options.rounds)
        each = options.members * found["reference"]
        print(f"{name} ({options.threads} threads, {options.rounds} rounds, K = {options.members})")
        for kind, value in found.items():
            times = each / value if kind.startswith("stack") else found["reference"] / value
            print(f"  {kind:20} {value:8.3f} s an epoch, {times:6.2f} times the reference's speed")
        print(
            f"  peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB", flush=True
        )


if __name__ == "__main__":
    main()
