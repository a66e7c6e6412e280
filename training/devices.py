"""Which device a run is on, how many threads it may use, and what is set once per process."""

from __future__ import annotations

import ctypes
import math
import sys
import warnings
from collections.abc import Generator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor

from ..models import Network
from ..models.dense import BinarySoftmaxHeads, Dense
from ..models.recurrent import Recurrent
from ..specs.errors import ConfigError, DataError, MachineError

_MOST_THREADS = 4096
_WORTH_SHARING = 2_000_000
"""The multiplications of a layer and step from which a second thread gained more than a tenth."""

_TRIM_THRESHOLD, _MMAP_THRESHOLD, _MMAP_MAX = -1, -3, -4
"""The parameters of mallopt(3): what the heap's end may hold unused, and from which size on and how many
blocks may lie outside of the heap."""

_KEEPING = {_TRIM_THRESHOLD: 2**30, _MMAP_MAX: 0}
_ADAPTED = {_TRIM_THRESHOLD: 2**26, _MMAP_THRESHOLD: 2**25, _MMAP_MAX: 2**16}
"""What glibc comes to by itself where large blocks are freed; once told, it adapts no more."""

_INPUTS_FIRST = (Dense, BinarySoftmaxHeads, Recurrent)

DTYPES = {
    "float32": torch.float32,
    "float64": torch.float64,
    "tf32": torch.float32,
    "bf16": torch.float32,
}
"""The type of weights and batches by `training.precision`."""

AUTOCAST = {"bf16": torch.bfloat16}
"""The type in which layers multiply, where it is another one."""


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


def prepare_process(precision: str) -> None:
    """Flush denormals, and have a CUDA device multiply float32 as `training.precision` says.

    Without the first an epoch on MNIST takes half as long again: the averages of Adam for pixels that are
    always black decay into denormals. PyTorch's own default for convolutions is tf32.
    """
    torch.set_flush_denormal(True)
    # An LSTM's weights are views of a network's; what cuDNN copies in every step is small beside its work.
    warnings.filterwarnings("ignore", message="RNN module weights are not part of single contiguous chunk")
    # Not `fp32_precision`, by which PyTorch's own export finds convolutions and recurrences at odds.
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = precision == "tf32"


@contextmanager
def keeping_freed_memory() -> Generator[None]:
    """Have glibc keep what a step frees for the next one, for what is computed inside.

    It would give large blocks back to the system, which hands out and clears other pages for them in every
    step: a third of a step of eight autoencoders. What reads data and what scores a run at its end is better
    off without, since it frees what nobody needs again.
    """
    if sys.platform != "linux" or not hasattr(ctypes.CDLL(None), "mallopt"):
        yield
        return
    libc = ctypes.CDLL(None)
    for parameter, value in _KEEPING.items():
        libc.mallopt(parameter, value)
    try:
        yield
    finally:
        for parameter, value in _ADAPTED.items():
            libc.mallopt(parameter, value)
        libc.malloc_trim(0)


def planned_threads(plan: Mapping[str, object]) -> int:
    """As many threads as a plan says: they decide how sums are split, and with it their last bits.

    Raises DataError where it names no number of threads that a machine could have.
    """
    threads = plan.get("threads")
    if not isinstance(threads, int) or not 0 < threads <= _MOST_THREADS:
        raise DataError(f"plan.json is damaged: {threads!r} is no number of threads.")
    return threads


@contextmanager
def settled_threads(
    network: Network, device: torch.device, *, rows: int, threads: int | None = None
) -> Generator[None]:
    """As many threads as suit a network, for what is computed inside; `threads` if a plan has said so.

    One, on a CPU, where the network steps through a recurrence, or no layer multiplies enough for the
    batches of `rows` that it is given: a second thread gains little there, and each of many small operations
    waits for it while another process has its core. Otherwise what PyTorch was given. docs/benchmarks.md has
    the measurements.
    """
    before = torch.get_num_threads()
    if threads is not None:
        torch.set_num_threads(threads)
    elif device.type == "cpu" and (
        _is_recurrent(network) or _largest_product(network, rows) < _WORTH_SHARING
    ):
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _is_recurrent(network: Network) -> bool:
    return any(isinstance(module, Recurrent) for module in network.modules())


def _largest_product(network: Network, rows: int) -> int:
    """The most multiplications in one layer of a step; those of a grouped convolution are an upper bound."""
    stacked = network.members is not None
    largest = 0
    for node in network.graph.nodes:
        entries = math.prod(network.shapes[node.of[0]])
        for module in network.layer(node.owner).modules():
            kernel = getattr(module, "kernel", None)
            if isinstance(kernel, Tensor):
                # (inputs, units, ...), but (filters, channels, ...) where a layer convolves.
                sizes = kernel.shape[stacked:]
                channels = sizes[0 if isinstance(module, _INPUTS_FIRST) else 1]
                largest = max(largest, entries // channels * kernel.numel())
    return rows * largest
