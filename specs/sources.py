"""The data sources a config may name: one frozen model per `source`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from .base import Fraction, PositiveInts
from .files import Arrays, ImageFolder, TableFiles
from .source_base import SourceBase

Scale = Literal["unit", "none", "standardize"]


class ImageBase(SourceBase):
    """What a source of images may say about the input `image`: another shape, and its scale."""

    shape: PositiveInts | None = None
    scale: Scale = "unit"


class MnistBase(ImageBase):
    """Where the MNIST digits come from: the embedded files, a folder of the user's, or a download."""

    root: str | None = None
    download: bool = False


class Mnist(MnistBase):
    """MNIST itself: input `image`; targets `digit`, `digits` (one-hot), `attributes` (six binary labels).

    `samples` and `test_samples` keep only the first rows of the training and test files.
    """

    source: Literal["mnist"] = "mnist"
    samples: int = Field(default=60_000, gt=0, le=60_000)
    test_samples: int = Field(default=10_000, gt=0, le=10_000)


class MultilabelMnist(MnistBase):
    """A 56x56 canvas of four cells, one to three random digits in distinct cells: target `digits`."""

    source: Literal["multilabel_mnist"] = "multilabel_mnist"
    samples: int = Field(default=60_000, gt=0, le=10_000_000)
    test_samples: int = Field(default=10_000, gt=0, le=10_000_000)


class MultiMnist(MnistBase):
    """Two random digits that overlap, one up and left, one down and right: targets `left` and `right`."""

    source: Literal["multimnist"] = "multimnist"
    samples: int = Field(default=60_000, gt=0, le=10_000_000)
    test_samples: int = Field(default=10_000, gt=0, le=10_000_000)


class Headlines(SourceBase):
    """Generated headlines: inputs `headline` (tokens), `context` (5 numbers); targets `shared`, `liked`.

    `samples` is the number of rows in all splits together; a headline has 20 to `length` words.
    """

    source: Literal["headlines"] = "headlines"
    samples: int = Field(default=20_000, gt=0, le=1_000_000)
    test_split: Fraction = 0.1
    length: int = Field(default=100, ge=20, le=1_000)


AnySource = Annotated[
    Mnist | MultilabelMnist | MultiMnist | Headlines | TableFiles | Arrays | ImageFolder,
    Field(discriminator="source"),
]
