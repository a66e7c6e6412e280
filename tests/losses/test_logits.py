"""The fast cross-entropy from logits against NumPy's and PyTorch's, in value and gradient."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from mlx_runner.losses.logits import logits_crossentropy
from torch.nn import functional as F


@pytest.mark.parametrize(("dtype", "rtol"), [(torch.float32, 1e-6), (torch.float64, 2e-15)])
@pytest.mark.parametrize("target", [0.0, 1.0, 0.25])
def test_is_exact_over_the_whole_range(dtype: torch.dtype, rtol: float, target: float) -> None:
    """Against y log(1 + e^-x) + (1 - y) log(1 + e^x) by NumPy; even tiny losses keep their digits."""
    logits = torch.cat([torch.linspace(-80, 80, 4001), torch.linspace(-1e-3, 1e-3, 101)]).to(dtype)
    x = logits.double().numpy()
    expected = torch.from_numpy(target * np.logaddexp(0.0, -x) + (1.0 - target) * np.logaddexp(0.0, x))
    found = logits_crossentropy(logits, torch.full_like(logits, target))
    torch.testing.assert_close(found.double(), expected, rtol=rtol, atol=1e-37)


def test_equals_torch() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(500, generator=generator, dtype=torch.float64) * 5
    targets = torch.rand(500, generator=generator, dtype=torch.float64)
    expected = F.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    torch.testing.assert_close(logits_crossentropy(logits, targets), expected, rtol=1e-13, atol=0.0)


def test_gradients() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(3, 4, 5, generator=generator, dtype=torch.float64, requires_grad=True)
    targets = torch.rand(4, 5, generator=generator, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(logits_crossentropy, (logits, targets))
    assert torch.autograd.gradgradcheck(logits_crossentropy, (logits, targets))


def test_what_is_not_finite_stays_so() -> None:
    logits = torch.tensor([float("nan"), float("inf"), float("-inf")])
    found = logits_crossentropy(logits, torch.tensor([1.0, 0.0, 1.0]))
    assert found[0].isnan()
    assert not torch.isfinite(found[1:]).any()
