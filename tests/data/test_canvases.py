"""The source `multilabel_mnist`: the same bytes everywhere, the right digits, the right labels."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
import torch
from mlx_runner.data.canvases import build_canvases, describe_canvases, paint_canvases, plan_canvases
from mlx_runner.data.mnist_source import Digits, read_digits
from mlx_runner.data.table import Splits, Table
from mlx_runner.specs.errors import ConfigError, MachineError
from mlx_runner.specs.sources import Mnist, MultilabelMnist

# SHA-256 of the images and the labels of the default config's splits.
DEFAULT_CONTENT = {
    "train": (
        "f0173038c4c0f398af485eb344b5ca3451b493e8ab0ace301924065e74437872",
        "9bf68a26d7aaa00c1b77641af66196e8f213dc08bc7cc30ab2e46e07991eafa7",
    ),
    "validation": (
        "a57c83adb92844333d3b5a6cad0fbc673b0aa1640d66743067005099991ee21d",
        "033a467d90e064eee7af896d8554fcf04c87623615626a86571613ad3fba6231",
    ),
    "test": (
        "a5c35bf52876aa8338886d1c93ea0b1d3b81a4e6820f7bbf1b53437c1cf22c56",
        "971913a5c8c28d6c00abcbf999593bf9a68522e3cd3fd4480eaf19b5debec770",
    ),
}


@pytest.fixture(scope="module")
def training() -> Digits:
    return read_digits(Mnist(), "train")


@pytest.fixture(scope="module")
def default() -> Splits:
    return build_canvases(MultilabelMnist())


def tables(splits: Splits) -> dict[str, Table]:
    assert splits.validation is not None
    assert splits.test is not None
    return {"train": splits.train, "validation": splits.validation, "test": splits.test}


def content(table: Table) -> tuple[str, str]:
    image, digits = table.inputs["image"].numpy(), table.targets["digits"].numpy()
    return hashlib.sha256(image.tobytes()).hexdigest(), hashlib.sha256(digits.tobytes()).hexdigest()


def labels_by_image(images: np.ndarray, labels: np.ndarray) -> dict[bytes, int]:
    return {image.tobytes(): int(label) for image, label in zip(images, labels, strict=True)}


def cells_of(canvas: np.ndarray) -> list[bytes]:
    """The cells of a canvas (1, 56, 56) that are not empty."""
    corners = [(0, 0), (0, 28), (28, 0), (28, 28)]
    cells = [canvas[0, top : top + 28, left : left + 28] for top, left in corners]
    return [cell.tobytes() for cell in cells if cell.any()]


def test_the_default_canvases_are_these_bytes(default: Splits) -> None:
    assert {name: content(table) for name, table in tables(default).items()} == DEFAULT_CONTENT


def test_the_default_splits(default: Splits) -> None:
    assert {name: len(table) for name, table in tables(default).items()} == {
        "train": 54_000,
        "validation": 6_000,
        "test": 10_000,
    }
    for table in tables(default).values():
        assert table.inputs["image"].dtype == torch.uint8
        assert table.inputs["image"].shape[1:] == (1, 56, 56)
        assert table.targets["digits"].dtype == torch.float32


def test_each_cell_is_a_digit_of_its_own_pool_and_the_labels_are_their_set(
    default: Splits, training: Digits
) -> None:
    testing = read_digits(Mnist(), "t10k")
    pools = {
        "train": labels_by_image(training.images[:54_000], training.labels[:54_000]),
        "validation": labels_by_image(training.images[54_000:], training.labels[54_000:]),
        "test": labels_by_image(testing.images, testing.labels),
    }
    assert len(set().union(*pools.values())) == 70_000, "no image of MNIST occurs twice"
    for name, table in tables(default).items():
        canvases, targets = table.inputs["image"].numpy(), table.targets["digits"].numpy()
        for canvas, target in zip(canvases[:2_000], targets[:2_000], strict=True):
            shown = [pools[name][cell] for cell in cells_of(canvas)]
            assert 1 <= len(shown) <= 3
            assert set(np.flatnonzero(target)) == set(shown)
            assert set(np.unique(target)) <= {0.0, 1.0}


def test_draws_are_uniform() -> None:
    plan = plan_canvases(60_000, 100, np.random.RandomState(1))
    # Five standard deviations of a binomial count.
    for values, size in ((plan.counts - 1, 3), (plan.digits, 100), (plan.cells, 4)):
        counts = np.bincount(values.ravel(), minlength=size)
        deviation = np.sqrt(values.size * (1 / size) * (1 - 1 / size))
        assert len(counts) == size
        assert np.abs(counts - values.size / size).max() < 5 * deviation
    assert all(len(set(cells)) == 3 for cells in plan.cells[:1_000].tolist())


def test_painting_equals_a_plain_loop(training: Digits) -> None:
    plan = plan_canvases(40, 500, np.random.RandomState(5))
    expected = np.zeros((40, 56, 56), dtype=np.uint8)
    for row in range(40):
        for slot in range(plan.counts[row]):
            top, left = divmod(int(plan.cells[row, slot]), 2)
            digit = training.images[plan.digits[row, slot]]
            expected[row, 28 * top : 28 * top + 28, 28 * left : 28 * left + 28] = digit
    np.testing.assert_array_equal(paint_canvases(plan, training.images), expected)


def test_the_seed_alone_decides() -> None:
    spec = MultilabelMnist(samples=60, test_samples=20)
    again, other = build_canvases(spec), build_canvases(MultilabelMnist(samples=60, test_samples=20, seed=1))
    assert build_canvases(spec).fingerprint == again.fingerprint
    assert other.fingerprint != again.fingerprint


def test_test_canvases_do_not_depend_on_the_training_split() -> None:
    one = build_canvases(MultilabelMnist(samples=60, test_samples=20))
    two = build_canvases(MultilabelMnist(samples=100, test_samples=20, validation_split=0.5))
    assert content(tables(one)["test"]) == content(tables(two)["test"])


def test_no_validation_split() -> None:
    assert (
        build_canvases(MultilabelMnist(samples=20, test_samples=5, validation_split=0.0)).validation is None
    )


def test_shape_and_scale() -> None:
    spec = MultilabelMnist(samples=20, test_samples=5, shape=(3136,), scale="standardize")
    assert describe_canvases(spec).inputs["image"].shape == (3136,)
    train = build_canvases(spec).train
    pixels = train.inputs["image"].numpy().astype(np.float64)
    found = train.batch(0, 18, torch.float64).inputs["image"].numpy()
    np.testing.assert_allclose(found, (pixels - pixels.mean()) / pixels.std(), rtol=1e-6, atol=1e-6)


def test_a_validation_split_without_digits_is_an_error() -> None:
    with pytest.raises(ConfigError) as caught:
        build_canvases(MultilabelMnist(samples=100_000, validation_split=0.00001))
    assert str(caught.value) == (
        "data.validation_split: 1e-05 of 60000 digits is none to make validation canvases from; "
        "raise it, or set it to 0."
    )


def test_canvases_larger_than_memory_are_an_error_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = plan_canvases(1_000, 10, np.random.RandomState(0))

    def refuse(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr(np, "zeros", refuse)
    with pytest.raises(MachineError) as caught:
        paint_canvases(plan, np.ones((10, 28, 28), dtype=np.uint8))
    assert (
        str(caught.value) == "data.samples: 1000 canvases take 0.0 GB, more than there is memory; lower it."
    )
