"""Owns what image inputs have in common: the shape a config asks for, and the scale of the pixels."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ..specs.errors import ConfigError, DataError, Problem
from ..specs.sources import ImageBase
from .table import Field, Scale


def image_field(spec: ImageBase, natural_shape: tuple[int, ...]) -> Field:
    """The field of images that are (channels, height, width), or `data.shape` where that is given.

    Raises ConfigError where `data.shape` holds another number of values.
    """
    shape = spec.shape or natural_shape
    given, needed = math.prod(shape), math.prod(natural_shape)
    if given != needed:
        message = (
            f"{list(shape)} holds {given} values, but an image has {needed} {natural_shape}; "
            f"give sizes whose product is {needed}, such as [{needed}]."
        )
        raise ConfigError(Problem(message, ("data", "shape")))
    return Field(shape=shape, kind="image")


def image_scale(spec: ImageBase, train_images: Tensor) -> Scale | None:
    """The scale of uint8 images: by 255, by one mean and deviation of the training pixels, or none.

    Raises DataError where the training pixels are all the same and so have no deviation.
    """
    if spec.scale == "none":
        return None
    if spec.scale == "unit":
        return Scale(offset=0.0, divisor=255.0)
    mean, deviation = _mean_and_deviation(train_images)
    if deviation == 0.0:
        message = f"every training pixel is {mean:g}, so there is nothing to standardize by; use scale: unit."
        raise DataError(Problem(message, ("data", "scale")))
    return Scale(offset=mean, divisor=deviation)


def _mean_and_deviation(images: Tensor) -> tuple[float, float]:
    """Mean and population standard deviation, exact: from how often each of the 256 values occurs."""
    counts = torch.bincount(images.reshape(-1), minlength=256).double()
    values = torch.arange(256, dtype=torch.float64)
    mean = (counts @ values / counts.sum()).item()
    variance = (counts @ (values - mean).square() / counts.sum()).item()
    return mean, math.sqrt(variance)
