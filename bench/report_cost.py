"""How many training steps a gradient report costs (`training.gradient_report`).

    python bench/report_cost.py [--rounds 12] [NAME ...]

A report and a step on the same batch, in turn, in one process of one thread; the medians are divided. The
first two rounds warm up.
"""

from __future__ import annotations

import argparse
import statistics
import time

import torch
from mlx_runner.specs.load import load_experiment
from mlx_runner.training.assemble import open_workshop
from mlx_runner.training.blueprint import draw_blueprint
from mlx_runner.training.devices import prepare_process
from mlx_runner.training.gradient_report import GradientReport
from mlx_runner.training.step import train_step

ROWS = {"headline": 2000, "multilabel_attributes": 5000, "autoencoder": 5000}
WARM_UP = 2


def measure(name: str, rounds: int) -> tuple[float, float]:
    """Median seconds of a report and of a step."""
    experiment = load_experiment(name, [f"data.samples={ROWS[name]}"])
    workshop = open_workshop(draw_blueprint(experiment), torch.device("cpu"))
    trainee = workshop.build([experiment], stacked=False)
    report = GradientReport(workshop.blueprint, trainee, every=1)
    train, index = workshop.splits.train, torch.arange(experiment.training.batch_size)
    reports, steps = list[float](), list[float]()
    for _ in range(WARM_UP + rounds):
        started = time.perf_counter()
        report.before_step(trainee, train, index, epoch=1)
        reported = time.perf_counter()
        train_step(trainee, train.gather(index, torch.float32))
        steps.append(time.perf_counter() - reported)
        reports.append(reported - started)
    return statistics.median(reports[WARM_UP:]), statistics.median(steps[WARM_UP:])


def main() -> None:
    """Print a line per network."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=list(ROWS))
    parser.add_argument("--rounds", type=int, default=12)
    options = parser.parse_args()
    torch.set_num_threads(1)
    prepare_process("float32")
    for name in options.names:
        report, step = measure(name, options.rounds)
        print(f"{name:24} a report takes {report / step:5.2f} steps of {1000 * step:7.2f} ms", flush=True)


if __name__ == "__main__":
    main()
