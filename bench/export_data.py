"""What all peers begin with, taken from `mlx` itself: the rows, and the initial weights of every seed.

    python bench/export_data.py NETWORK ROWS SEEDS FOLDER

Images stay uint8 (rows, 784), as they come from their files; every peer scales them itself. The weights are
the same for all, since a network as small as 784-6-6 ends at losses 15 % apart from other initial weights.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch
from mlx_runner.data import open_source
from mlx_runner.models import build_network
from mlx_runner.specs.load import load_experiment
from mlx_runner.training.blueprint import draw_blueprint
from networks import NETWORKS, Network


def main() -> None:
    """Write NETWORK.npz and, of each seed, NETWORK_SEED.npz."""
    name, rows, seeds, folder = sys.argv[1:]
    network = NETWORKS[name]
    _export_rows(network, int(rows), Path(folder) / f"{name}.npz")
    for seed in range(int(seeds)):
        _export_weights(network, seed, Path(folder) / f"{name}_{seed}.npz")


def _export_rows(network: Network, rows: int, path: Path) -> None:
    experiment = load_experiment(network.config, network.overrides(seed=0, rows=rows))
    train = open_source(experiment.data).build().train
    assert len(train) == rows, "every row is for training"
    tensors = {**train.inputs, **train.targets}
    np.savez(path, **{column: tensors[column].numpy() for column in network.columns})


def _export_weights(network: Network, seed: int, path: Path) -> None:
    """By layer and weight, `encoder_1.kernel`, in the order and layout of Keras."""
    experiment = load_experiment(network.config, network.overrides(seed=seed))
    module = build_network(
        experiment.model,
        draw_blueprint(experiment).inputs,
        seed=seed,
        numerics=experiment.numerics,
        dtype=torch.float32,
        device=torch.device("cpu"),
    )
    weights = {name.removeprefix("layers."): each for name, each in module.named_parameters()}
    assert sum(each.numel() for each in weights.values()) == network.parameters
    np.savez(path, **{name: each.detach().numpy() for name, each in weights.items()})


if __name__ == "__main__":
    main()
