"""Owns the source `mnist`: where the digits come from, their targets, and their splits."""

from __future__ import annotations

import os
from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..specs.errors import DataError, MachineError, Problem
from ..specs.sources import Mnist, MnistBase
from . import mnist as embedded
from .fingerprint import fingerprint_tables
from .idx_files import damaged, read_idx
from .images import image_field, image_scale
from .splits import split_sizes
from .table import Field, Schema, Splits, Table

SIDE = 28
DIGIT_NAMES = tuple(str(digit) for digit in range(10))

ATTRIBUTES: dict[str, frozenset[int]] = {
    "even": frozenset({0, 2, 4, 6, 8}),
    "prime": frozenset({2, 3, 5, 7}),
    "at_least_five": frozenset({5, 6, 7, 8, 9}),
    "multiple_of_three": frozenset({0, 3, 6, 9}),
    "has_loop": frozenset({0, 6, 8, 9}),
    "straight_strokes": frozenset({1, 4, 7}),
}

# MD5 of the uncompressed content of the original files.
ORIGINAL_MD5 = {
    "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
    "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
    "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
    "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
}


@dataclass(frozen=True, eq=False)
class Digits:
    """One of the two files' digits: images (N, 28, 28) and labels (N,) from 0 to 9, both uint8."""

    images: NDArray[np.uint8]
    labels: NDArray[np.uint8]


def describe_mnist(spec: Mnist) -> Schema:
    """Input `image`; targets `digit` (class id), `digits` (one-hot), `attributes` (six binary labels)."""
    return Schema(
        inputs={"image": image_field(spec, (1, SIDE, SIDE))},
        targets={
            "digit": Field(shape=(), kind="classes", size=10, labels=DIGIT_NAMES),
            "digits": Field(shape=(10,), kind="binary", labels=DIGIT_NAMES, exclusive=True),
            "attributes": Field(shape=(len(ATTRIBUTES),), kind="binary", labels=tuple(ATTRIBUTES)),
        },
    )


def build_mnist(spec: Mnist) -> Splits:
    """Train and validation from the training file's first `samples` rows, test from the test file's.

    Raises ConfigError (shape, split) and the errors of `read_digits`.
    """
    schema = describe_mnist(spec)
    sizes = split_sizes(spec.samples, validation_split=spec.validation_split)
    training = read_digits(spec, "train", at_least=spec.samples)
    testing = read_digits(spec, "t10k", at_least=spec.test_samples)
    shape = schema.inputs["image"].shape
    images = torch.from_numpy(training.images[: spec.samples]).reshape(-1, *shape)
    scale = image_scale(spec, images[: sizes.train])
    scales = {} if scale is None else {"image": scale}
    rows = Table({"image": images}, _targets(training.labels[: spec.samples]), scales=scales)
    test_images = torch.from_numpy(testing.images[: spec.test_samples]).reshape(-1, *shape)
    test = Table({"image": test_images}, _targets(testing.labels[: spec.test_samples]), scales=scales)
    train = rows.slice(0, sizes.train)
    validation = rows.slice(sizes.train, spec.samples) if sizes.validation else None
    return Splits(train, validation, test, schema, fingerprint_tables((train, validation, test)))


def read_digits(spec: MnistBase, part: Literal["train", "t10k"], *, at_least: int = 1) -> Digits:
    """All digits of the training or the test file: embedded, in `data.root`, or downloaded.

    The embedded and the downloaded files must be the original ones; a folder of the user's may hold any
    28x28 images with labels from 0 to 9 (Fashion-MNIST). Raises DataError where a file is missing,
    damaged, inconsistent or shorter than `at_least` rows; MachineError where it cannot be read.
    """
    original = spec.download or spec.root is None
    images_file, labels_file = (
        _locate(spec, f"{part}-{name}") for name in ("images-idx3-ubyte", "labels-idx1-ubyte")
    )
    images = read_idx(images_file, num_axes=3, md5=_md5_of(images_file) if original else None)
    labels = read_idx(labels_file, num_axes=1, md5=_md5_of(labels_file) if original else None)
    if images.shape[1:] != (SIDE, SIDE):
        raise damaged(images_file, f"its images are {images.shape[1]}x{images.shape[2]}, not {SIDE}x{SIDE}")
    if len(images) != len(labels):
        raise damaged(labels_file, f"{len(labels)} labels for {len(images)} images in {images_file}")
    if labels.size and labels.max() > 9:
        row = int(np.argmax(labels > 9))
        raise damaged(labels_file, f"label {labels[row]} in row {row}; labels go from 0 to 9")
    if len(images) < at_least:
        key = "samples" if part == "train" else "test_samples"
        raise damaged(images_file, f"{len(images)} images, fewer than data.{key} asks for ({at_least})")
    return Digits(images, labels)


def one_hot(labels: NDArray[np.uint8]) -> Tensor:
    """Labels (N,) as float32 (N, 10)."""
    return torch.from_numpy(np.eye(10, dtype=np.float32)[labels])


def digit_attributes(labels: NDArray[np.uint8]) -> Tensor:
    """Labels (N,) as float32 (N, 6), one column per entry of `ATTRIBUTES`; 0 is a multiple of three."""
    rows = [[float(digit in digits) for digits in ATTRIBUTES.values()] for digit in range(10)]
    return torch.from_numpy(np.array(rows, dtype=np.float32)[labels])


def _targets(labels: NDArray[np.uint8]) -> dict[str, Tensor]:
    return {
        "digit": torch.from_numpy(labels.astype(np.int64)),
        "digits": one_hot(labels),
        "attributes": digit_attributes(labels),
    }


def _md5_of(file: Traversable) -> str:
    return ORIGINAL_MD5[file.name.removesuffix(".gz")]


def _locate(spec: MnistBase, name: str) -> Traversable:
    """The file `name`, raw or gzipped; the folder that torchvision makes in its root is looked into too."""
    if spec.download:
        return _locate_downloaded(_download_root(spec), name)
    if spec.root is None:
        return resources.files(embedded).joinpath(f"{name}.gz")
    root = _folder(spec.root)
    if not root.is_dir():
        raise DataError(
            Problem("data.root is not a folder; leave it out to use the embedded files", file=str(root))
        )
    found = _find_in((root, root / "MNIST" / "raw"), name)
    if found is None:
        raise damaged(
            root / name, f"no such file, nor {name}.gz; data.root needs the four idx files of MNIST"
        )
    return found


def _locate_downloaded(root: Path, name: str) -> Path:
    folder = root / "MNIST" / "raw"
    if any(_find_in((folder,), wanted) is None for wanted in ORIGINAL_MD5):
        _download(root)
    return _find_in((folder,), name) or folder / name


def _find_in(folders: tuple[Path, ...], name: str) -> Path | None:
    candidates = [folder / file for folder in folders for file in (name, f"{name}.gz")]
    try:
        return next((candidate for candidate in candidates if candidate.is_file()), None)
    except OSError as error:
        raise MachineError(Problem(f"cannot be read: {error.strerror}", file=str(folders[0]))) from error


def _folder(root: str) -> Path:
    try:
        return Path(root).expanduser()
    except RuntimeError as error:
        raise DataError(Problem("data.root names a home folder that does not exist", file=root)) from error


def _download_root(spec: MnistBase) -> Path:
    if spec.root is not None:
        return _folder(spec.root)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "mlx-runner"


def _download(root: Path) -> None:
    # Imported only here: torchvision costs more than a second, and no other source needs it.
    from torchvision.datasets import MNIST

    try:
        MNIST(str(root), download=True)
    except (RuntimeError, OSError, ValueError) as error:
        message = (
            f"MNIST could not be downloaded here ({error}); leave out data.download to use the embedded files"
        )
        raise DataError(Problem(message, file=str(root))) from error
