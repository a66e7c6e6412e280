"""Everything that takes its turn in a round: `mlx`, its peers and the limit, each in processes of its own."""

from __future__ import annotations

import statistics
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import mlx_command
from children import ChildError, launch
from networks import Network
from peer_list import PEERS, Peer

BENCH = Path(__file__).resolve().parent
KERAS_RUNS = 2
"""One before `mlx compare` and one after it, of the sixteen that their mean stands for."""

Measurement = dict[str, Any]


@dataclass(frozen=True)
class Ground:
    """Where a bench runs: its folder, the data files in it, and the interpreters of packages."""

    folder: Path
    interpreters: dict[str, str] = field(default_factory=dict[str, str])

    def python_of(self, peer: Peer) -> str:
        """The interpreter that was named for one of the peer's packages, or this one."""
        named = [self.interpreters[package] for package in peer.packages if package in self.interpreters]
        return named[0] if named else sys.executable

    def data_of(self, network: Network) -> Path:
        """The file of the network's rows."""
        return self.folder / f"{network.name}.npz"

    def initial_of(self, network: Network, seed: int) -> Path:
        """The file of the network's first weights."""
        return self.folder / f"{network.name}_{seed}.npz"


def export_data(network: Network, ground: Ground, *, seeds: int) -> None:
    """Write the rows that all peers train on, and the weights they begin with. Raises ChildError."""
    script, numbers = str(BENCH / "export_data.py"), [str(network.rows), str(seeds)]
    launch([sys.executable, script, network.name, *numbers, str(ground.folder)], ground.folder)


def probe(peer: Peer, ground: Ground) -> Measurement:
    """The versions of a peer's packages, or the one that is `missing`, or its `error`.

    It is imported, so that the first round finds its files in memory as the others do.
    """
    python = ground.python_of(peer)
    try:
        return launch([python, str(BENCH / "peer.py"), peer.name, "probe"], ground.folder).document()
    except ChildError as error:
        return {"error": str(error)}


def measure(name: str, network: Network, ground: Ground, *, seed: int) -> Measurement:
    """One turn of `mlx`, of `limit` or of a peer; an `error` where it failed."""
    try:
        if name == "limit":
            return _measure_limit(network, ground)
        with tempfile.TemporaryDirectory(dir=ground.folder) as folder:
            if name == "mlx":
                return mlx_command.train(network, Path(folder), seed=seed)
            return _measure_peer(PEERS[name], network, ground, Path(folder), seed=seed)
    except ChildError as error:
        return {"error": str(error)}


def measure_settings(
    network: Network, ground: Ground, *, seed: int, settings: int, has_keras: bool
) -> Measurement:
    """One `mlx compare` of many settings, between two of as many trainings by Keras on jax."""
    keras = list[Measurement]()

    def train_keras() -> None:
        with tempfile.TemporaryDirectory(dir=ground.folder) as folder:
            keras.append(_measure_peer(PEERS["keras-jax"], network, ground, Path(folder), seed=seed))

    try:
        if has_keras:
            train_keras()
        with tempfile.TemporaryDirectory(dir=ground.folder) as folder:
            compared = mlx_command.compare(network, Path(folder), seed=seed, settings=settings)
        while has_keras and len(keras) < KERAS_RUNS:
            train_keras()
    except ChildError as error:
        return {"error": str(error)}
    compared["others_cores"] = max(each["others_cores"] for each in (compared, *keras))
    mean = {"keras_whole_seconds": statistics.mean(each["whole_seconds"] for each in keras)} if keras else {}
    return {**compared, **mean, "settings": settings}


def measure_import(ground: Ground) -> Measurement:
    """A process that imports PyTorch and nothing else: what of `mlx` is not its own."""
    return launch([sys.executable, "-c", "import torch"], ground.folder).costs()


def _measure_peer(peer: Peer, network: Network, ground: Ground, folder: Path, *, seed: int) -> Measurement:
    numbers = [str(number) for number in (network.batch_size, network.epochs, seed)]
    files = [str(ground.data_of(network)), str(ground.initial_of(network, seed))]
    command = [ground.python_of(peer), str(BENCH / "peer.py"), peer.name, "train", network.name]
    ended = launch([*command, *files, *numbers], folder)
    told = ended.document()
    startup_seconds = told.pop("first_step_at") - ended.launched_at
    return {**told, **ended.costs(), "startup_seconds": startup_seconds}


def _measure_limit(network: Network, ground: Ground) -> Measurement:
    """With the threads PyTorch takes, and with one: the lower of the two is the limit."""
    script = str(BENCH / "limit.py")
    found = list[Measurement]()
    for threads in ("0", "1"):
        ended = launch([sys.executable, script, network.name, str(network.steps), threads], ground.folder)
        found.append({**ended.document(), "others_cores": ended.others_cores})
    return min(found, key=lambda each: each["epoch_seconds"])
