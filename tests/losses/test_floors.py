"""Floors against MNIST's known figures, and against searches for a prediction that beats them."""

from __future__ import annotations

import gzip
import math
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from mlx_runner.losses import floors
from mlx_runner.losses.floors import floor
from mlx_runner.losses.functions import LOSSES
from mlx_runner.losses.loss import build_loss
from mlx_runner.specs.errors import ConfigError
from torch import Tensor

MNIST = Path(__file__).parents[2] / "data" / "mnist"
IMAGE_HEADER_BYTES = 16


@pytest.mark.parametrize(("split", "expected"), [("train", 0.05836), ("t10k", 0.05808)])
def test_mnist_images_cannot_be_rebuilt_below_their_own_entropy(split: str, expected: float) -> None:
    pixels = gzip.decompress((MNIST / f"{split}-images-idx3-ubyte.gz").read_bytes())[IMAGE_HEADER_BYTES:]
    images = torch.from_numpy(np.frombuffer(pixels, dtype=np.uint8).copy()).reshape(-1, 784)
    lowest = floor("binary_crossentropy", images.float() / 255)
    assert lowest is not None
    assert lowest.item() == pytest.approx(expected, abs=5e-6)


def _targets(type: str) -> Tensor:
    generator = torch.Generator().manual_seed(2)
    kind = LOSSES[type].target_kind
    if kind == "classes":
        return torch.randint(0, 4, (12,), generator=generator)
    if type in ("kl_divergence", "categorical_crossentropy"):
        return torch.softmax(torch.randn(12, 4, generator=generator, dtype=torch.float64), -1)
    if kind == "distribution":
        return F.one_hot(torch.randint(0, 4, (12,), generator=generator), 4).double()
    if type == "binary_crossentropy":
        return torch.rand(12, 4, generator=generator, dtype=torch.float64)
    if kind == "binary" or "hinge" in type:
        return torch.randint(0, 2, (12, 4), generator=generator).double()
    return torch.randint(1, 6, (12, 4), generator=generator).double()


def _best(type: str, target: Tensor, smoothing: float) -> Tensor:
    """The prediction that should reach the floor."""
    if LOSSES[type].target_kind == "classes":
        target = F.one_hot(target, 4).double()
    spread = 2 if type.startswith("binary") else 4
    smoothed = target * (1 - smoothing) + smoothing / spread
    return 2 * target - 1 if type in ("hinge", "squared_hinge") else smoothed


KNOWN = sorted(set(LOSSES) - {"dice", "tversky"})
SMOOTHED = ["binary_crossentropy", "categorical_crossentropy", "sparse_categorical_crossentropy"]
CASES = [(type, 0.0) for type in KNOWN] + [(type, 0.2) for type in SMOOTHED]


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("type", "smoothing"), CASES)
def test_the_floor_is_reached_and_never_passed(type: str, smoothing: float, weighted: bool) -> None:
    target = _targets(type)
    weight = torch.linspace(0.2, 3.0, 12, dtype=torch.float64) if weighted else None
    mask = torch.arange(12) % 3 != 1 if weighted else None
    lowest = floor(type, target, label_smoothing=smoothing, mask=mask, sample_weight=weight, num_classes=4)
    assert lowest is not None
    loss = build_loss(type, label_smoothing=smoothing)
    best = _best(type, target, smoothing)
    assert loss(target, best, weight, mask).item() == pytest.approx(lowest.item(), abs=1e-6)
    generator = torch.Generator().manual_seed(4)
    for _ in range(50):
        nudged = (best + 0.05 * torch.randn(best.shape, generator=generator, dtype=torch.float64)).clamp_min(
            0.0
        )
        # Where the floor is of predictions that sum to 1, only those compete.
        nudged = nudged / nudged.sum(-1, keepdim=True) if type == "kl_divergence" else nudged
        assert loss(target, nudged, weight, mask).item() >= lowest.item() - 1e-6


def test_several_ones_in_a_row_share_the_prediction() -> None:
    lowest = floor("categorical_crossentropy", torch.tensor([[1.0, 1.0, 0.0]]))
    assert lowest is not None
    assert lowest.item() == pytest.approx(2 * math.log(2))


def test_a_masked_entry_leaves_the_floor() -> None:
    target = torch.tensor([[0.5, torch.nan], [1.0, 0.0]])
    lowest = floor("binary_crossentropy", target, mask=~target.isnan())
    assert lowest is not None
    assert lowest.item() == pytest.approx(math.log(2) / 3)


def test_blocks_add_up_to_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    target, weight = torch.rand(20, 3), torch.rand(20)
    mask = torch.rand(20, 3) < 0.7
    whole = floor("binary_crossentropy", target, mask=mask, sample_weight=weight)
    monkeypatch.setattr(floors, "_CHUNK_ENTRIES", 21)
    in_blocks = floor("binary_crossentropy", target, mask=mask, sample_weight=weight)
    assert whole is not None
    torch.testing.assert_close(in_blocks, whole)


@pytest.mark.parametrize(
    ("type", "target"),
    [
        ("dice", [[1.0, 0.0]]),
        ("tversky", [[1.0, 0.0]]),
        ("binary_crossentropy", [[1.0, 2.0]]),
        ("binary_focal_crossentropy", [[0.5, 0.0]]),
        ("categorical_focal_crossentropy", [[1.0, 1.0]]),
        ("hinge", [[-1.0, 0.0, 1.0]]),
    ],
)
def test_not_known(type: str, target: list[list[float]]) -> None:
    assert floor(type, torch.tensor(target)) is None


def test_smoothed_class_numbers_need_the_number_of_classes() -> None:
    target = torch.tensor([0, 1])
    assert floor("sparse_categorical_crossentropy", target, label_smoothing=0.1) is None
    hard = floor("sparse_categorical_crossentropy", target)
    assert hard is not None
    assert hard.item() == 0


def test_no_such_loss() -> None:
    with pytest.raises(ConfigError, match="did you mean 'poisson'"):
        floor("poison", torch.zeros(1, 1))
