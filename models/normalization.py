"""Batch and layer normalization with Keras's momentum, epsilon and moving variance."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .initializers import Fans, ParameterSource
from .layer import Layer, Shape

_NO_FANS = Fans(1, 1)


class BatchNormalization(Layer):
    """Normalizes each channel over the batch: axis 1 of images, the last axis otherwise.

    In training by the batch's mean and biased variance, which the moving averages follow as
    `moving = momentum * moving + (1 - momentum) * batch`; in evaluation by the moving averages.
    Masked steps take no part in the batch's moments. A frozen layer always normalizes by the moving
    averages, as in Keras. gamma, beta, moving_mean, moving_variance: (C), or (K, C) in a stack.
    """

    moving_mean: Tensor
    moving_variance: Tensor
    reads_mask = True
    passes_mask = True

    def __init__(
        self,
        shapes: Sequence[Shape],
        source: ParameterSource,
        *,
        momentum: float,
        epsilon: float,
        center: bool,
        scale: bool,
        trainable: bool = True,
    ) -> None:
        super().__init__(shapes)
        self.trainable = trainable
        channels = shapes[0][0] if self.rank == 3 else shapes[0][-1]
        self.gamma, self.beta = _scale_and_center(source, channels, scale=scale, center=center)
        self.register_buffer("moving_mean", source.tensor("moving_mean", (channels,), "zeros", _NO_FANS))
        self.register_buffer(
            "moving_variance", source.tensor("moving_variance", (channels,), "ones", _NO_FANS)
        )
        self.momentum = momentum
        self.epsilon = epsilon

    def forward(self, values: Tensor, mask: Tensor | None = None) -> Tensor:
        members = self.moving_mean.shape[0] if self.moving_mean.dim() == 2 else None
        if members is not None and not self.has_members(values):
            values = values.expand(members, *values.shape)
        if mask is not None and self.training and self.trainable:
            return self._normalize_masked(values, mask)
        rows = values.flatten(-3, -2) if self.rank == 2 else values
        if members is None:
            return self._normalize(rows).reshape(values.shape)
        # One channel per member and channel: (K, B, C, ...) as (B, K * C, ...).
        by_channel = rows.movedim(0, 1)
        normalized = self._normalize(by_channel.flatten(1, 2)).reshape(by_channel.shape)
        return normalized.movedim(1, 0).reshape(values.shape)

    def _normalize(self, values: Tensor) -> Tensor:
        """values: (B, C, ...), or (B, K*C, ...)."""
        gamma = None if self.gamma is None else self.gamma.flatten()
        beta = None if self.beta is None else self.beta.flatten()
        if not (self.training and self.trainable):
            moments = self.moving_mean.flatten(), self.moving_variance.flatten()
            return F.batch_norm(values, *moments, gamma, beta, training=False, eps=self.epsilon)
        count = values.numel() // values.shape[1]
        mean = torch.zeros_like(self.moving_mean).flatten()
        variance = torch.zeros_like(mean)
        # With momentum 1 PyTorch leaves the batch's own moments here, the variance unbiased.
        normalized = torch.batch_norm(
            values, gamma, beta, mean, variance, True, 1.0, self.epsilon, torch.backends.cudnn.enabled
        )
        biased = variance * ((count - 1) / count) if count > 1 else torch.zeros_like(variance)
        self._follow(mean, biased)
        return normalized

    def _normalize_masked(self, values: Tensor, mask: Tensor) -> Tensor:
        """values: (B, T, C) or (K, B, T, C), by the moments of the steps that count."""
        # Sums over all steps lose too much in a shorter type.
        values = values.to(self.moving_mean.dtype)
        counted = mask.unsqueeze(-1)
        # Keras adds its epsilon of 1e-7 to the count, so that a batch of padding alone gives zeros.
        count = counted.sum(dim=(-3, -2)).to(values.dtype) + 1e-7
        mean = torch.where(counted, values, 0.0).sum(dim=(-3, -2)) / count
        centered = values - mean[..., None, None, :]
        variance = torch.where(counted, centered, 0.0).square().sum(dim=(-3, -2)) / count
        self._follow(mean.detach(), variance.detach())
        normalized = centered * torch.rsqrt(variance + self.epsilon)[..., None, None, :]
        if self.gamma is not None:
            normalized = normalized * self.gamma[..., None, None, :]
        return normalized if self.beta is None else normalized + self.beta[..., None, None, :]

    @torch.no_grad()
    def _follow(self, mean: Tensor, variance: Tensor) -> None:
        self.moving_mean.lerp_(mean.view_as(self.moving_mean), 1.0 - self.momentum)
        self.moving_variance.lerp_(variance.view_as(self.moving_variance), 1.0 - self.momentum)


class LayerNormalization(Layer):
    """Normalizes the last axis of each example (the channels of an image, at each pixel)."""

    passes_mask = True

    def __init__(
        self, shapes: Sequence[Shape], source: ParameterSource, *, epsilon: float, center: bool, scale: bool
    ) -> None:
        super().__init__(shapes)
        self.size = shapes[0][0] if self.rank == 3 else shapes[0][-1]
        self.gamma, self.beta = _scale_and_center(source, self.size, scale=scale, center=center)
        self.epsilon = epsilon
        self.member_count = source.members

    def forward(self, values: Tensor) -> Tensor:
        if self.rank == 3:
            return self._forward_last(values.movedim(-3, -1)).movedim(-1, -3)
        return self._forward_last(values)

    def _forward_last(self, values: Tensor) -> Tensor:
        if self.member_count is None:
            return F.layer_norm(values, (self.size,), self.gamma, self.beta, self.epsilon)
        normalized = F.layer_norm(values, (self.size,), None, None, self.epsilon)
        shape = (self.member_count, *(1,) * self.rank, self.size)
        if self.gamma is not None:
            normalized = normalized * self.gamma.view(shape)
        if self.beta is not None:
            normalized = normalized + self.beta.view(shape)
        return normalized


def _scale_and_center(
    source: ParameterSource, size: int, *, scale: bool, center: bool
) -> tuple[nn.Parameter | None, nn.Parameter | None]:
    gamma = source.parameter("gamma", (size,), "ones", _NO_FANS) if scale else None
    beta = source.parameter("beta", (size,), "zeros", _NO_FANS) if center else None
    return gamma, beta
