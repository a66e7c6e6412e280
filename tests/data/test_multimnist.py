"""The source `multimnist`: the same bytes everywhere, two digits where they belong, an exact resize."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
import torch
from mlx_runner.data.mnist_source import Digits, read_digits
from mlx_runner.data.multimnist import (
    build_multimnist,
    describe_multimnist,
    overlay_pairs,
    shrink_canvases,
)
from mlx_runner.data.table import Splits, Table
from mlx_runner.specs.errors import ConfigError, MachineError
from mlx_runner.specs.sources import Mnist, MultiMnist

# SHA-256 of the images, the left and the right labels of the default config's splits.
DEFAULT_CONTENT = {
    "train": (
        "a4742195a2c880f9163c8c0cb8ed3b6282616184d82a3e3ceaeeab7a27f0700c",
        "b5edec24befa7dca1aa7241b9cdfceebac56189c63f01c96d6734e222687fda3",
        "0de797a4f9ea69efdd6f3fa453dab726fd24553d603cb422a4d84db0ed620614",
    ),
    "validation": (
        "5e02b65e68b59504e8faa83dca526aa51181b0746ba0104a5e781cd03276fbdd",
        "dd56a6b704586a9d2df1b467624591b08f0cdf25b472a7a1bd23cc6adbc138a2",
        "30f8e99c979ea980a86fa1475ee1b2e17985742b3c2d1749f0dfe42013718162",
    ),
    "test": (
        "cff93290f8f298b6226e320fb47c634593ddcaf819f74710186c8672de0ae50e",
        "f2d1b19c4a1f4badeb680cac59e1f2396fecf945f1fd81266b0cf445acc5bc88",
        "7fce6896f03d78861361b70a0c998045f350a7070deb697c9ed89372b0d58d48",
    ),
}


@pytest.fixture(scope="module")
def training() -> Digits:
    return read_digits(Mnist(), "train")


@pytest.fixture(scope="module")
def default() -> Splits:
    return build_multimnist(MultiMnist())


def tables(splits: Splits) -> dict[str, Table]:
    assert splits.validation is not None
    assert splits.test is not None
    return {"train": splits.train, "validation": splits.validation, "test": splits.test}


def content(table: Table) -> tuple[str, ...]:
    columns = (table.inputs["image"], table.targets["left"], table.targets["right"])
    return tuple(hashlib.sha256(column.numpy().tobytes()).hexdigest() for column in columns)


def overlay(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """The 36x36 canvas of two digits, pixel by pixel."""
    canvas = np.zeros((36, 36), dtype=np.uint8)
    for row in range(36):
        for column in range(36):
            first = left[row, column] if row < 28 and column < 28 else 0
            inside = 6 <= row < 34 and 6 <= column < 34
            second = right[row - 6, column - 6] if inside else 0
            canvas[row, column] = max(int(first), int(second))
    return canvas


def test_the_default_images_are_these_bytes(default: Splits) -> None:
    assert {name: content(table) for name, table in tables(default).items()} == DEFAULT_CONTENT


def test_the_default_splits(default: Splits) -> None:
    sizes = {name: len(table) for name, table in tables(default).items()}
    assert sizes == {"train": 54_000, "validation": 6_000, "test": 10_000}
    assert default.optima == {}
    for table in tables(default).values():
        assert table.inputs["image"].dtype == torch.uint8
        assert table.inputs["image"].shape[1:] == (1, 28, 28)
        for name in ("left", "right"):
            assert table.targets[name].dtype == torch.int64
            # Classes as frequent as in MNIST, where they make up 9.0 % (fives) to 11.2 % (ones).
            shares = torch.bincount(table.targets[name], minlength=10) / len(table)
            assert 0.08 < shares.min() < shares.max() < 0.13


def test_the_two_digits_are_drawn_independently(default: Splits) -> None:
    left, right = default.train.targets["left"].numpy(), default.train.targets["right"].numpy()
    counts = np.histogram2d(left, right, bins=10)[0]
    expected = np.outer(counts.sum(axis=1), counts.sum(axis=0)) / counts.sum()
    # Pearson's statistic has mean 81 and variance 162 under independence; five deviations above.
    assert ((counts - expected) ** 2 / expected).sum() < 81 + 5 * np.sqrt(162)


def test_images_are_pairs_of_their_own_pool(training: Digits) -> None:
    """The very rows that the seed draws, of the part of the file that belongs to each split."""
    testing = read_digits(Mnist(), "t10k")
    splits = tables(build_multimnist(MultiMnist(samples=40, test_samples=20, validation_split=0.25, seed=3)))
    pools = {
        "train": (0, training.images[:45_000], training.labels[:45_000]),
        "validation": (1, training.images[45_000:], training.labels[45_000:]),
        "test": (2, testing.images, testing.labels),
    }
    for name, (stream, images, labels) in pools.items():
        table = splits[name]
        pairs = np.random.RandomState([3, stream]).randint(
            0, len(labels), size=(len(table), 2), dtype=np.int64
        )
        canvases = np.stack([overlay(images[left], images[right]) for left, right in pairs])
        np.testing.assert_array_equal(table.inputs["image"][:, 0].numpy(), shrink_canvases(canvases))
        np.testing.assert_array_equal(table.targets["left"].numpy(), labels[pairs[:, 0]])
        np.testing.assert_array_equal(table.targets["right"].numpy(), labels[pairs[:, 1]])


def test_overlaying_equals_a_plain_loop_across_chunks(
    training: Digits, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mlx_runner.data.multimnist.CHUNK", 7)
    pairs = np.random.RandomState(4).randint(0, 500, size=(30, 2))
    canvases = np.stack([overlay(training.images[left], training.images[right]) for left, right in pairs])
    np.testing.assert_array_equal(overlay_pairs(pairs, training.images), shrink_canvases(canvases))


def test_shrinking_equals_bilinear_interpolation_by_torch() -> None:
    canvases = np.random.RandomState(5).randint(0, 256, size=(50, 36, 36)).astype(np.uint8)
    resized = torch.nn.functional.interpolate(
        torch.from_numpy(canvases)[:, None].double(), size=(28, 28), mode="bilinear", align_corners=False
    )
    # No value lies within 1/98 of a half, so both round alike.
    np.testing.assert_array_equal(shrink_canvases(canvases), resized[:, 0].round().to(torch.uint8).numpy())


def test_shrinking_keeps_the_extremes() -> None:
    for value in (0, 1, 255):
        assert np.all(shrink_canvases(np.full((1, 36, 36), value, dtype=np.uint8)) == value)


def test_the_seed_alone_decides() -> None:
    spec = MultiMnist(samples=60, test_samples=20)
    again, other = build_multimnist(spec), build_multimnist(MultiMnist(samples=60, test_samples=20, seed=1))
    assert build_multimnist(spec).fingerprint == again.fingerprint
    assert other.fingerprint != again.fingerprint


def test_test_images_do_not_depend_on_the_training_split() -> None:
    one = build_multimnist(MultiMnist(samples=60, test_samples=20))
    two = build_multimnist(MultiMnist(samples=100, test_samples=20, validation_split=0.5))
    assert content(tables(one)["test"]) == content(tables(two)["test"])


def test_no_validation_split() -> None:
    splits = build_multimnist(MultiMnist(samples=20, test_samples=5, validation_split=0.0))
    assert splits.validation is None
    assert len(splits.train) == 20


def test_shape_and_scale() -> None:
    spec = MultiMnist(samples=20, test_samples=5, shape=(784,))
    assert describe_multimnist(spec).inputs["image"].shape == (784,)
    train = build_multimnist(spec).train
    expected = train.inputs["image"].numpy() / np.float32(255)
    np.testing.assert_array_equal(train.batch(0, 18, torch.float32).inputs["image"].numpy(), expected)


def test_a_validation_split_without_digits_is_an_error() -> None:
    with pytest.raises(ConfigError) as caught:
        build_multimnist(MultiMnist(samples=100_000, validation_split=0.00001))
    assert str(caught.value) == (
        "data.validation_split: 1e-05 of 60000 digits is none to make validation canvases from; "
        "raise it, or set it to 0."
    )


def test_images_larger_than_memory_are_an_error_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr(np, "zeros", refuse)
    with pytest.raises(MachineError) as caught:
        overlay_pairs(np.zeros_like(np.ones((1_000, 2), dtype=np.int64)), np.ones((1, 28, 28), np.uint8))
    assert str(caught.value) == "data.samples: 1000 images take 0.0 GB, more than there is memory; lower it."
