"""One peer in a process of its own: trains one task and prints what it noted as the last line, in JSON.

    python bench/peer.py NAME probe
    python bench/peer.py NAME train NETWORK DATA.npz INITIAL.npz BATCH_SIZE EPOCHS SEED

`probe` imports the peer and prints the versions of its packages, or which of them is missing.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from importlib import metadata
from pathlib import Path

from peer_list import PEERS, Peer
from task import Stopwatch, Task


def main() -> None:
    """Probe or train."""
    peer = PEERS[sys.argv[1]]
    if peer.keras_backend is not None:
        # Keras reads it when it is imported.
        os.environ["KERAS_BACKEND"] = peer.keras_backend
    document = _probe(peer) if sys.argv[2] == "probe" else _train(peer, sys.argv[3:])
    print(json.dumps(document), flush=True)


def _probe(peer: Peer) -> dict[str, object]:
    try:
        importlib.import_module(f"peers.{peer.module}")
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in (*peer.packages, "numpy"):
            raise
        return {"missing": package}
    return {"versions": {package: metadata.version(package) for package in peer.packages}}


def _train(peer: Peer, words: list[str]) -> dict[str, object]:
    network, data, initial, *numbers = words
    batch_size, epochs, seed = map(int, numbers)
    watch = Stopwatch()
    module = importlib.import_module(f"peers.{peer.module}")
    watch.framework_imported()
    module.train(Task(network, Path(data), Path(initial), batch_size, epochs, seed), watch)
    return watch.document()


if __name__ == "__main__":
    main()
