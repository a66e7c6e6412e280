"""Image inputs: the shape a config asks for, and the three scales."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from mlx_runner.data.images import image_field, image_scale
from mlx_runner.data.table import Field, Scale
from mlx_runner.specs.errors import ConfigError, DataError
from mlx_runner.specs.sources import Mnist

PIXELS = np.random.RandomState(0).randint(0, 256, size=(50, 1, 28, 28)).astype(np.uint8)


@pytest.mark.parametrize("shape", [(784,), (28, 28), (4, 14, 14), (1, 28, 28)])
def test_a_shape_of_as_many_values_is_taken(shape: tuple[int, ...]) -> None:
    assert image_field(Mnist(shape=shape), (1, 28, 28)) == Field(shape=shape, kind="image")


def test_a_shape_of_other_size_is_an_error() -> None:
    with pytest.raises(ConfigError) as caught:
        image_field(Mnist(shape=(28, 27)), (1, 28, 28))
    assert str(caught.value) == (
        "data.shape: [28, 27] holds 756 values, but an image has 784 (1, 28, 28); "
        "give sizes whose product is 784, such as [784]."
    )


def test_standardize_is_by_one_mean_and_deviation() -> None:
    scale = image_scale(Mnist(scale="standardize"), torch.from_numpy(PIXELS))
    assert isinstance(scale, Scale)
    assert scale.offset == pytest.approx(PIXELS.astype(np.float64).mean(), rel=1e-12)
    assert scale.divisor == pytest.approx(PIXELS.astype(np.float64).std(), rel=1e-12)
    scaled = scale.apply(torch.from_numpy(PIXELS).double())
    assert scaled.mean().item() == pytest.approx(0.0, abs=1e-6)
    assert scaled.std(correction=0).item() == pytest.approx(1.0, rel=1e-6)


def test_no_scale_leaves_pixels_alone() -> None:
    assert image_scale(Mnist(scale="none"), torch.from_numpy(PIXELS)) is None


def test_a_constant_image_cannot_be_standardized() -> None:
    with pytest.raises(DataError) as caught:
        image_scale(Mnist(scale="standardize"), torch.full((2, 1, 28, 28), 7, dtype=torch.uint8))
    assert str(caught.value) == (
        "data.scale: every training pixel is 7, so there is nothing to standardize by; use scale: unit."
    )
