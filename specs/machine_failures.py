"""Tells the machine's failures from faults of ours: which errors, by type and text, are the machine's.

Imports no torch, whose errors are known by their texts: whoever catches one need not have imported it.
"""

from __future__ import annotations

import errno
import re

from .errors import quoted

FAILURES = (MemoryError, RuntimeError, OSError, ImportError)
"""The types that such errors have; torch's own are kinds of RuntimeError, NumPy's of MemoryError."""

_NAMES = (errno.ENAMETOOLONG, errno.ELOOP)
"""What is wrong with a name, and is found by whoever looks whether there is such a file."""

FREE_SOME = "free some memory"

_CPU_MEMORY = ("DefaultCPUAllocator: can't allocate memory", "DefaultCPUAllocator: not enough memory")
_CUDA_MEMORY = (
    "CUDA out of memory",
    "CUDA error: out of memory",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_ALLOC_FAILED",
)
# Of the errors of CUDA those that no program can cause: a kernel's own, such as an illegal access, are ours.
_DEVICE = (
    "busy or unavailable",
    "no CUDA-capable device is detected",
    "uncorrectable ECC error",
    "uncorrectable NVLink error",
    "unknown error",
    "initialization error",
    "driver shutting down",
    "hardware stack error",
    "system not yet initialized",
    "unsupported display driver / cuda driver combination",
    "driver version is insufficient",
)
_DRIVER = ("NVIDIA driver on your system", "CUDA driver initialization failed", "CUDA unknown error")
_OTHER_DEVICE = "see to it, or compute with --device cpu"

# As PyTorch writes it for the CPU (bytes), for CUDA and as NumPy does (units).
_ASKED = re.compile(r"allocate (?P<size>\d+\.?\d*) (?P<unit>bytes|[KMGTPE]iB)")
_PREFIXES = "KMGTPE"


def describe_failure(
    error: BaseException,
    *,
    stage: str | None = None,
    available_bytes: int | None = None,
    fix: str = FREE_SOME,
) -> str | None:
    """The one sentence for a failure of the machine; None for every other error.

    stage: what was done, after the word `while`. available_bytes: what memory there is. fix: what helps
    against want of memory.
    """
    during = "" if stage is None else f" while {stage}"
    if is_out_of_memory(error):
        on_device = any(part in str(error) for part in _CUDA_MEMORY)
        where = "the memory of the CUDA device" if on_device else "memory"
        sizes = _sizes(error, None if on_device else available_bytes)
        return f"{where} ran out{during}{sizes}; {fix}."
    if isinstance(error, OSError) and error.errno in _NAMES and error.filename is not None:
        return f"cannot look at {quoted(str(error.filename))}{during}: {error.strerror}."
    if not isinstance(error, RuntimeError):
        return None
    text = str(error)
    first = text.strip().partition("\n")[0]
    if any(part in text for part in _DRIVER):
        return f"the CUDA driver failed{during} ({_bare(first)}); {_OTHER_DEVICE}."
    if first.startswith("CUDA error: ") and any(part in first for part in _DEVICE):
        return f"the CUDA device failed{during} ({_bare(first)}); {_OTHER_DEVICE}."
    if "shared memory" in text and "No space left on device" in text:
        return f"no space is left in the shared memory{during}; free some in /dev/shm, or make it larger."
    if text == "can't start new thread":
        return f"no thread could be started{during}: a limit is reached; raise it (ulimit -u, ulimit -v)."
    return None


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out, that of the machine or of a CUDA device."""
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    if isinstance(error, RuntimeError):
        text = str(error)
        return text == "std::bad_alloc" or any(part in text for part in (*_CPU_MEMORY, *_CUDA_MEMORY))
    if isinstance(error, ImportError):
        return "failed to map segment from shared object" in str(error)
    return isinstance(error, MemoryError)


def size_text(num_bytes: int) -> str:
    """`7.5 GB`, or `640 MB` of what is less than one."""
    return f"{num_bytes / 1e9:,.1f} GB" if num_bytes >= 1e9 else f"{num_bytes / 1e6:,.0f} MB"


def _sizes(error: BaseException, available_bytes: int | None) -> str:
    found = _ASKED.search(str(error))
    if found is None:
        return ""
    asked = f": {size_text(_bytes(found['size'], found['unit']))} were asked for at once"
    return asked if available_bytes is None else f"{asked}, {size_text(available_bytes)} are available"


def _bytes(size: str, unit: str) -> int:
    return int(float(size) * 1024 ** (0 if unit == "bytes" else 1 + _PREFIXES.index(unit[0])))


def _bare(sentence: str) -> str:
    return sentence.removeprefix("CUDA error: ").rstrip(".")
