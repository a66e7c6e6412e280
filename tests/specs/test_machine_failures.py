"""Which errors are the machine's: exactly those, by type and text, and no other."""

from __future__ import annotations

import errno

import numpy as np
import pytest
import torch
from mlx_runner.specs.machine_failures import FAILURES, describe_failure, is_out_of_memory, size_text

CUDA_TEXT = (
    "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 79.11 GiB of which 1.50 "
    "GiB is free. Process 1 has 77.60 GiB memory in use."
)
CUDA_HINT = "\nCUDA kernel errors might be asynchronously reported at some other API call."
DRIVER = (
    "The NVIDIA driver on your system is too old (found version 11040). Please update your GPU driver by "
    "downloading and installing a new version."
)


def _numpy_error() -> MemoryError:
    with pytest.raises(MemoryError) as caught:
        np.empty((2**40, 2**10), np.float32)
    return caught.value


def _torch_error() -> RuntimeError:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**55, dtype=torch.float32)
    return caught.value


def test_what_numpy_and_torch_raise_over_memory() -> None:
    for error, size in ((_numpy_error(), "4,503,599.6 GB"), (_torch_error(), "144,115,188.1 GB")):
        assert isinstance(error, FAILURES)
        assert describe_failure(error, stage="training", available_bytes=640_000_000, fix="buy some") == (
            f"memory ran out while training: {size} were asked for at once, 640 MB are available; buy some."
        )
        assert is_out_of_memory(error)


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (MemoryError(), "memory ran out; free some memory."),
        (RuntimeError("std::bad_alloc"), "memory ran out; free some memory."),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), "memory ran out; free some memory."),
        (
            ImportError("libtorch_cpu.so: failed to map segment from shared object"),
            "memory ran out; free some memory.",
        ),
        (
            torch.OutOfMemoryError(CUDA_TEXT),
            "the memory of the CUDA device ran out: 2.1 GB were asked for at once; free some memory.",
        ),
        (
            torch.AcceleratorError("CUDA error: out of memory" + CUDA_HINT),
            "the memory of the CUDA device ran out; free some memory.",
        ),
        (
            RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
            "the memory of the CUDA device ran out; free some memory.",
        ),
        (
            torch.AcceleratorError("CUDA error: uncorrectable ECC error encountered" + CUDA_HINT),
            "the CUDA device failed (uncorrectable ECC error encountered); see to it, or compute with "
            "--device cpu.",
        ),
        (
            RuntimeError("CUDA error: CUDA-capable device(s) is/are busy or unavailable" + CUDA_HINT),
            "the CUDA device failed (CUDA-capable device(s) is/are busy or unavailable); see to it, or "
            "compute with --device cpu.",
        ),
        (
            RuntimeError(DRIVER),
            f"the CUDA driver failed ({DRIVER.removesuffix('.')}); see to it, or compute with --device cpu.",
        ),
        (
            RuntimeError(
                "unable to allocate shared memory(shm) for file </torch_1>: No space left on device (28)"
            ),
            "no space is left in the shared memory; free some in /dev/shm, or make it larger.",
        ),
        (
            RuntimeError("can't start new thread"),
            "no thread could be started: a limit is reached; raise it (ulimit -u, ulimit -v).",
        ),
    ],
)
def test_what_the_machine_does(error: BaseException, sentence: str) -> None:
    assert isinstance(error, FAILURES)
    assert describe_failure(error) == sentence


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("mat1 and mat2 shapes cannot be multiplied (2x3 and 4x5)"),
        RuntimeError("CUDA error: device-side assert triggered" + CUDA_HINT),
        RuntimeError("CUDA error: an illegal memory access was encountered" + CUDA_HINT),
        RuntimeError("an unknown error"),
        RuntimeError("out of memory"),
        OSError(errno.ENOSPC, "No space left on device"),
        ImportError("No module named 'onnx'"),
        ValueError("DefaultCPUAllocator: can't allocate memory"),
        KeyboardInterrupt(),
    ],
    ids=str,
)
def test_what_is_not_the_machine_s(error: BaseException) -> None:
    assert describe_failure(error) is None
    assert not is_out_of_memory(error)


@pytest.mark.parametrize(
    ("num_bytes", "text"), [(0, "0 MB"), (999_000_000, "999 MB"), (7_450_000_000, "7.5 GB")]
)
def test_sizes(num_bytes: int, text: str) -> None:
    assert size_text(num_bytes) == text
