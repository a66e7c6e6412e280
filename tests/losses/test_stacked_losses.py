"""A stack of members in one call: each gets the number it would get alone."""

from __future__ import annotations

import pytest
import torch
from mlx_runner.losses.functions import LOSSES
from mlx_runner.losses.loss import build_loss
from torch import Tensor

K, B, T = 3, 6, 4


def _pair(type: str, *, members: bool = False, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Targets (B, T), or (B) class numbers, and predictions (B, T) or (K, B, T)."""
    generator = torch.Generator().manual_seed(seed)
    lead = (K,) if members else ()
    prediction = torch.rand((*lead, B, T), generator=generator, dtype=torch.float64) * 0.8 + 0.1
    if LOSSES[type].target_kind == "classes":
        return torch.randint(0, T, (B,), generator=generator), prediction
    return torch.randint(0, 2, (B, T), generator=generator).double(), prediction


def _stacked_weights(kind: str) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(9)
    weight = torch.rand(K, B, 1, generator=generator, dtype=torch.float64)
    mask = torch.rand(K, B, 1, generator=generator) < 0.6
    mask[1] = False
    return {
        "plain": {},
        "shared": {"sample_weight": weight[0, :, 0], "mask": mask[0, :, 0]},
        "own": {"sample_weight": weight, "mask": mask},
        "mixed": {"sample_weight": weight[0], "mask": mask[:, :, 0]},
    }[kind]


@pytest.mark.parametrize("own_targets", [False, True])
@pytest.mark.parametrize("kind", ["plain", "shared", "own", "mixed"])
@pytest.mark.parametrize("reduction", ["sum_over_batch_size", "sum", "mean_with_sample_weight"])
@pytest.mark.parametrize("type", sorted(LOSSES))
def test_a_stack_gives_each_member_its_own_number(
    type: str, reduction: str, kind: str, own_targets: bool
) -> None:
    _, prediction = _pair(type, members=True)
    targets = torch.stack([_pair(type, seed=seed if own_targets else 0)[0] for seed in range(K)])
    weights = _stacked_weights(kind)
    loss = build_loss(type, reduction=reduction)
    stacked = loss(targets if own_targets else targets[0], prediction, member_axis=True, **weights)
    for member in range(K):
        mine = {name: value[member] if value.shape[0] == K else value for name, value in weights.items()}
        alone = loss(targets[member], prediction[member], **mine)
        torch.testing.assert_close(stacked[member], alone, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("from_logits", [False, True])
@pytest.mark.parametrize(
    "type", sorted(name for name, found in LOSSES.items() if "from_logits" in found.passes)
)
def test_members_may_smooth_their_labels_differently(type: str, from_logits: bool) -> None:
    target, prediction = _pair(type, members=True)
    smoothing = torch.tensor([0.0, 0.1, 0.4], dtype=torch.float64)
    loss = build_loss(type, from_logits=from_logits)
    stacked = loss(target, prediction, member_axis=True, label_smoothing=smoothing)
    for member, factor in enumerate(smoothing.tolist()):
        alone = build_loss(type, from_logits=from_logits, label_smoothing=factor)(target, prediction[member])
        torch.testing.assert_close(stacked[member], alone)
    torch.testing.assert_close(loss(target, prediction[1], label_smoothing=smoothing[1]), stacked[1])


@pytest.mark.parametrize("type", ["binary_crossentropy", "dice"])
def test_members_may_weigh_their_labels_differently(type: str) -> None:
    target, prediction = _pair(type, members=True)
    weight = torch.rand(K, 1, T, dtype=torch.float64)
    loss = build_loss(type)
    stacked = loss(target, prediction, member_axis=True, entry_weight=weight)
    for member in range(K):
        alone = loss(target, prediction[member], entry_weight=weight[member])
        torch.testing.assert_close(stacked[member], alone)
