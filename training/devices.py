"""Which device a run is on, how many threads it may use, and what is set once per process."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import contextmanager

import torch

from ..models import Network
from ..models.recurrent import Recurrent
from ..specs.errors import ConfigError, DataError, MachineError

_MOST_THREADS = 4096

DTYPES = {"float32": torch.float32, "float64": torch.float64}


def choose_device(name: str) -> torch.device:
    """The device for `auto`, `cpu`, `cuda` or `cuda:N`.

    Raises:
        ConfigError: a name of another form. MachineError: a CUDA device that is not there.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    kind, _, index = name.partition(":")
    if kind not in ("cpu", "cuda") or (index and (kind == "cpu" or not index.isdigit())):
        raise ConfigError(f"no device named {name!r}. Devices: auto, cpu, cuda, cuda:N.")
    if kind == "cuda" and int(index or 0) >= torch.cuda.device_count():
        raise MachineError(
            f"device {name!r} is not there: {torch.cuda.device_count()} CUDA devices are visible"
        )
    return torch.device(name)


def prepare_process() -> None:
    """Flush denormals: the averages of Adam for pixels that are always black decay into them.

    On MNIST an epoch takes half as long again without this.
    """
    torch.set_flush_denormal(True)


def replay_threads(plan: Mapping[str, object]) -> None:
    """As many threads as a plan says: they decide how sums are split, and with it their last bits.

    Raises DataError where it names no number of threads that a machine could have.
    """
    threads = plan.get("threads")
    if not isinstance(threads, int) or not 0 < threads <= _MOST_THREADS:
        raise DataError(f"plan.json is damaged: {threads!r} is no number of threads.")
    torch.set_num_threads(threads)


@contextmanager
def calm_threads(network: Network, device: torch.device) -> Generator[None]:
    """One thread for what is computed inside, where a CPU steps through a recurrence.

    Its many small products gain little from a second thread, and wait for it at every step where another
    process has the core: three times as long was seen.
    """
    threads = torch.get_num_threads()
    if device.type == "cpu" and any(isinstance(module, Recurrent) for module in network.modules()):
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
