"""How fast `mlx predict` is over a million rows, and how much memory it takes beyond that of torch.

    python bench/predict_memory.py [rows]

A table of ten numbers, a category and an id is generated, a network of 64 units trained on its beginning, and
all of it predicted, once by input and once by output format, each in a process of its own.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import polars as pl

CONFIG = """\
name: bench
data:
  source: table
  path: train.csv
  id: name
  inputs:
    numbers: {type: numeric, columns: ["x*"]}
    colour: {type: categorical, column: colour}
  targets:
    late: {type: binary, column: late}
    price: {type: regression, columns: [price]}
model:
  inputs: [numbers, colour]
  layers:
    joined: {type: concatenate, of: [numbers, colour]}
    hidden: {type: dense, units: 64, activation: relu}
    late: {type: dense, of: hidden, units: 1, activation: sigmoid}
    price: {type: dense, of: hidden, units: 1}
  outputs: [late, price]
losses:
  late: {type: binary_crossentropy, output: late, target: late}
  price: {type: mean_squared_error, output: price, target: price}
training: {epochs: 1, batch_size: 100}
"""
MLX = [sys.executable, "-m", "mlx_runner.cli"]
TRAINING_ROWS = 2_000

# A process's peak is at least the memory of the one that started it, so that one has to be small.
LAUNCHER = """
import os, sys, time
started = time.perf_counter()
child = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ)
_, status, usage = os.wait4(child, 0)
print(time.perf_counter() - started, usage.ru_maxrss)
sys.exit(os.waitstatus_to_exitcode(status))
"""


def main() -> None:
    """Generate, train, predict and print."""
    num_rows = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        table = generate(num_rows)
        table.write_csv(folder / "all.csv")
        table.write_parquet(folder / "all.parquet")
        table.write_ndjson(folder / "all.jsonl")
        table[:TRAINING_ROWS].write_csv(folder / "train.csv")
        (folder / "bench.yaml").write_text(CONFIG, "utf-8")
        subprocess.run([*MLX, "train", "bench.yaml", "--quiet"], cwd=folder, check=True, capture_output=True)
        _, torch_bytes = measure([sys.executable, "-c", "import torch"], folder)
        print(f"import torch: {torch_bytes / 1e6:,.0f} MB")
        for source, target in (
            ("all.csv", "out.csv"),
            ("all.parquet", "out.csv"),
            ("all.jsonl", "out.csv"),
            ("all.csv", "out.parquet"),
            ("all.csv", "out.jsonl"),
        ):
            seconds, peak = measure([*MLX, "predict", "latest", source, "-o", target, "--quiet"], folder)
            print(
                f"{source:12} to {target:12} {num_rows / seconds:10,.0f} rows/s  "
                f"{(peak - torch_bytes) / 1e6:6,.0f} MB beyond torch"
            )


def generate(num_rows: int) -> pl.DataFrame:
    """A table whose targets can be learned."""
    generator = np.random.default_rng(0)
    numbers = generator.normal(size=(num_rows, 10)).round(6)
    return pl.DataFrame(
        {
            "name": [f"row{index}" for index in range(num_rows)],
            **{f"x{index}": column for index, column in enumerate(numbers.T)},
            "colour": np.array(["red", "green", "blue"])[generator.integers(0, 3, num_rows)],
            "late": (numbers[:, 0] > 0).astype(np.int64),
            "price": numbers[:, 1] * 3 + 7,
        }
    )


def measure(command: list[str], folder: Path) -> tuple[float, int]:
    """Seconds of a process, and the most memory that it had, in bytes."""
    launched = [sys.executable, "-S", "-c", LAUNCHER, *command]
    ended = subprocess.run(launched, cwd=folder, check=True, capture_output=True, text=True)
    seconds, kilobytes = ended.stdout.split()[-2:]
    return float(seconds), int(kilobytes) * 1024


if __name__ == "__main__":
    main()
