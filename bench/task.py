"""What a peer is told to train, and what it is asked to tell."""

from __future__ import annotations

import resource
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

# ru_maxrss counts KiB on Linux and bytes on macOS.
RSS_UNIT = 1 if sys.platform == "darwin" else 1024


@dataclass(frozen=True)
class Task:
    """One training. `data` is the .npz file of the rows, `initial` that of the weights to begin with."""

    network: str
    data: Path
    initial: Path
    batch_size: int
    epochs: int
    seed: int

    def weights(self) -> dict[str, list[np.ndarray]]:
        """The initial weights by layer, in the order and layout of Keras."""
        # Not above: the runner, which has to stay small, imports this module too.
        import numpy as np

        layers = dict[str, list[np.ndarray]]()
        with np.load(self.initial) as arrays:
            for name in arrays.files:
                layers.setdefault(name.partition(".")[0], []).append(arrays[name])
        return layers


class Stopwatch:
    """Notes the times of one training; costs a step well under a microsecond."""

    def __init__(self) -> None:
        self.steps = 0
        self.epoch_seconds: list[float] = []
        self.epoch_losses: list[float] = []
        self._first_step_at: float | None = None
        self._imports: dict[str, float] = {}
        self._started = time.perf_counter()

    def framework_imported(self) -> None:
        """The peer's packages are imported, and nothing else has been done."""
        self._imports = {
            "import_seconds": time.perf_counter() - self._started,
            "import_peak_bytes": peak_bytes(),
        }

    def epoch_started(self) -> None:
        """An epoch begins."""
        self._started = time.perf_counter()

    def step_done(self) -> None:
        """A step has ended."""
        if self._first_step_at is None:
            # The runner knows when it started this process, by the same clock.
            self._first_step_at = time.time()
        self.steps += 1

    def epoch_done(self, loss: float) -> None:
        """An epoch has ended; `loss` is the mean over its rows."""
        self.epoch_seconds.append(time.perf_counter() - self._started)
        self.epoch_losses.append(loss)

    def document(self) -> dict[str, object]:
        """All that was noted."""
        return {
            **self._imports,
            "first_step_at": self._first_step_at,
            "steps": self.steps,
            "epoch_seconds": self.epoch_seconds,
            "epoch_losses": self.epoch_losses,
            "peak_bytes": peak_bytes(),
        }


def peak_bytes() -> int:
    """The most memory this process has had so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * RSS_UNIT
