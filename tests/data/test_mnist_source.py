"""The source `mnist`: its targets, its splits, and the places its files may come from."""

from __future__ import annotations

import gzip
import hashlib
import shutil
import sys
from importlib import resources
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from mlx_runner.data import mnist_source
from mlx_runner.data.mnist_source import build_mnist, describe_mnist, digit_attributes, one_hot, read_digits
from mlx_runner.specs.errors import DataError, MlxError
from mlx_runner.specs.sources import Mnist

EMBEDDED = Path(str(resources.files("mlx_runner.data.mnist")))

# Columns: even, prime, at least five, multiple of three, has a loop, straight strokes only.
ATTRIBUTE_ROWS = [
    [1, 0, 0, 1, 1, 0],  # 0
    [0, 0, 0, 0, 0, 1],  # 1
    [1, 1, 0, 0, 0, 0],  # 2
    [0, 1, 0, 1, 0, 0],  # 3
    [1, 0, 0, 0, 0, 1],  # 4
    [0, 1, 1, 0, 0, 0],  # 5
    [1, 0, 1, 1, 1, 0],  # 6
    [0, 1, 1, 0, 0, 1],  # 7
    [1, 0, 1, 0, 1, 0],  # 8
    [0, 0, 1, 1, 1, 0],  # 9
]


def write_idx(file: Path, values: np.ndarray) -> None:
    header = bytes((0, 0, 8, values.ndim)) + np.array(values.shape, ">u4").tobytes()
    content = header + values.astype(np.uint8).tobytes()
    file.write_bytes(gzip.compress(content) if file.suffix == ".gz" else content)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of the user's: 30 training images (raw) and 20 test images (gzipped), not MNIST's."""
    stream = np.random.RandomState(0)
    write_idx(tmp_path / "train-images-idx3-ubyte", stream.randint(0, 256, (30, 28, 28)))
    write_idx(tmp_path / "train-labels-idx1-ubyte", stream.randint(0, 10, 30))
    write_idx(tmp_path / "t10k-images-idx3-ubyte.gz", stream.randint(0, 256, (20, 28, 28)))
    write_idx(tmp_path / "t10k-labels-idx1-ubyte.gz", stream.randint(0, 10, 20))
    return tmp_path


def small(root: Path, **changes: object) -> Mnist:
    return Mnist(**({"root": str(root), "samples": 30, "test_samples": 20} | changes))


def test_attributes_equal_a_table_written_by_hand() -> None:
    found = digit_attributes(np.arange(10, dtype=np.uint8))
    assert found.dtype == torch.float32
    assert found.tolist() == ATTRIBUTE_ROWS


def test_attribute_labels_stand_in_the_order_of_the_columns() -> None:
    assert describe_mnist(Mnist()).targets["attributes"].labels == (
        "even",
        "prime",
        "at_least_five",
        "multiple_of_three",
        "has_loop",
        "straight_strokes",
    )


def test_one_hot_has_its_one_at_the_digit() -> None:
    assert one_hot(np.array([3, 0], dtype=np.uint8)).tolist() == [
        [0, 0, 0, 1, 0, 0, 0, 0, 0, 0],
        [1, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    ]


def test_the_whole_of_mnist() -> None:
    splits = build_mnist(Mnist())
    assert splits.validation is not None
    assert splits.test is not None
    assert [len(table) for table in (splits.train, splits.validation, splits.test)] == [54_000, 6_000, 10_000]
    labels = torch.cat([splits.train.targets["digit"], splits.validation.targets["digit"]])
    # Counts of each digit as published for MNIST's two files.
    assert labels.bincount().tolist() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert splits.test.targets["digit"].bincount().tolist() == [
        980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009,
    ]  # fmt: skip
    images = torch.cat([splits.train.inputs["image"], splits.validation.inputs["image"]])
    assert images.shape == (60_000, 1, 28, 28)
    assert hashlib.md5(
        gzip.decompress((EMBEDDED / "train-images-idx3-ubyte.gz").read_bytes())[16:]
    ).digest() == (hashlib.md5(images.numpy().data).digest())


def test_first_rows_are_kept_and_the_last_of_them_validate() -> None:
    whole = read_digits(Mnist(), "train")
    splits = build_mnist(Mnist(samples=70, test_samples=5, validation_split=0.3, shape=(784,)))
    assert splits.validation is not None
    assert splits.test is not None
    assert [len(table) for table in (splits.train, splits.validation, splits.test)] == [49, 21, 5]
    for table, start in ((splits.train, 0), (splits.validation, 49)):
        rows = slice(start, start + len(table))
        np.testing.assert_array_equal(table.inputs["image"].numpy(), whole.images[rows].reshape(-1, 784))
        np.testing.assert_array_equal(table.targets["digit"].numpy(), whole.labels[rows])
        assert torch.equal(table.targets["digits"].argmax(1), table.targets["digit"])
        rows_by_hand = [ATTRIBUTE_ROWS[digit] for digit in whole.labels[rows]]
        assert table.targets["attributes"].tolist() == rows_by_hand


def test_no_validation_rows_is_no_validation_split(folder: Path) -> None:
    assert build_mnist(small(folder, validation_split=0.0)).validation is None
    assert build_mnist(small(folder, validation_split=0.03)).validation is None


def test_scales_reach_the_batch(folder: Path) -> None:
    pixels = read_digits(small(folder), "train").images[:27, None].astype(np.float32)
    unit, none, standardized = (
        build_mnist(small(folder, scale=scale)).train.batch(0, 27, torch.float32).inputs["image"].numpy()
        for scale in ("unit", "none", "standardize")
    )
    np.testing.assert_array_equal(unit, pixels / np.float32(255))
    np.testing.assert_array_equal(none, pixels)
    wide = pixels.astype(np.float64)
    np.testing.assert_allclose(standardized, (wide - wide.mean()) / wide.std(), rtol=1e-5, atol=1e-6)


def test_validation_and_test_are_standardized_by_the_training_pixels(folder: Path) -> None:
    splits = build_mnist(small(folder, scale="standardize"))
    assert splits.test is not None
    wide = read_digits(small(folder), "train").images[:27].astype(np.float64)
    pixels = splits.test.inputs["image"].numpy()
    found = splits.test.batch(0, 20, torch.float64).inputs["image"].numpy()
    np.testing.assert_allclose(found, (pixels - wide.mean()) / wide.std(), rtol=1e-6, atol=1e-6)


def test_a_folder_of_other_digits_is_legal_and_told_apart_by_the_fingerprint(folder: Path) -> None:
    own = build_mnist(small(folder))
    original = build_mnist(Mnist(samples=30, test_samples=20))
    assert own.fingerprint != original.fingerprint
    assert own.fingerprint == build_mnist(small(folder)).fingerprint


def test_the_folder_that_torchvision_makes_is_found(folder: Path, tmp_path: Path) -> None:
    raw = tmp_path / "elsewhere" / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for file in folder.glob("*ubyte*"):
        shutil.copy(file, raw)
    assert build_mnist(small(tmp_path / "elsewhere")).fingerprint == build_mnist(small(folder)).fingerprint


def failure(spec: Mnist) -> tuple[str | None, str]:
    with pytest.raises(MlxError) as caught:
        build_mnist(spec)
    assert isinstance(caught.value, DataError)
    (problem,) = caught.value.problems
    return problem.file, problem.message


def test_missing_files_are_named(folder: Path) -> None:
    (folder / "train-labels-idx1-ubyte").unlink()
    assert failure(small(folder)) == (
        str(folder / "train-labels-idx1-ubyte"),
        "no such file, nor train-labels-idx1-ubyte.gz; data.root needs the four idx files of MNIST",
    )
    assert failure(small(folder / "absent")) == (
        str(folder / "absent"),
        "data.root is not a folder; leave it out to use the embedded files",
    )


def test_an_unknown_home_is_named() -> None:
    assert failure(Mnist(root="~nobody-of-that-name/mnist")) == (
        "~nobody-of-that-name/mnist",
        "data.root names a home folder that does not exist",
    )


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        (
            "train-labels-idx1-ubyte",
            np.zeros(29),
            "29 labels for 30 images in {folder}/train-images-idx3-ubyte",
        ),
        ("train-images-idx3-ubyte", np.zeros((30, 32, 32)), "its images are 32x32, not 28x28"),
        ("train-labels-idx1-ubyte", [0] * 28 + [26, 11], "label 26 in row 28; labels go from 0 to 9"),
        (
            "train-labels-idx1-ubyte",
            np.zeros((30, 1)),
            "starts with 0x00000802, not 0x00000801: not an idx file of unsigned bytes with 1 axis",
        ),
    ],
)
def test_files_that_do_not_fit_are_named(folder: Path, name: str, values: object, message: str) -> None:
    write_idx(folder / name, np.asarray(values))
    assert failure(small(folder)) == (str(folder / name), message.format(folder=folder))


def test_fewer_rows_than_asked_for_is_an_error(folder: Path) -> None:
    assert failure(small(folder, samples=31)) == (
        str(folder / "train-images-idx3-ubyte"),
        "30 images, fewer than data.samples asks for (31)",
    )
    assert failure(small(folder, test_samples=21)) == (
        str(folder / "t10k-images-idx3-ubyte.gz"),
        "20 images, fewer than data.test_samples asks for (21)",
    )


def test_embedded_files_must_be_the_original_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(mnist_source.ORIGINAL_MD5, "t10k-labels-idx1-ubyte", "0" * 32)
    assert failure(Mnist(samples=10)) == (
        str(EMBEDDED / "t10k-labels-idx1-ubyte.gz"),
        f"the MD5 of its content is 27ae3e4e09519cfbb04c329615203637, not {'0' * 32}: "
        "the file is not the original",
    )


def pretend_torchvision(monkeypatch: pytest.MonkeyPatch, download: object) -> None:
    datasets = ModuleType("torchvision.datasets")
    datasets.__dict__["MNIST"] = download
    monkeypatch.setitem(sys.modules, "torchvision", ModuleType("torchvision"))
    monkeypatch.setitem(sys.modules, "torchvision.datasets", datasets)


def test_a_download_is_made_once_and_lands_in_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []

    def download(root: str, *, download: bool) -> None:
        assert download
        calls.append(root)
        shutil.copytree(EMBEDDED, Path(root) / "MNIST" / "raw")

    pretend_torchvision(monkeypatch, download)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    spec = Mnist(download=True, samples=50, test_samples=10)
    for _ in range(2):
        assert build_mnist(spec).fingerprint == build_mnist(Mnist(samples=50, test_samples=10)).fingerprint
    assert calls == [str(tmp_path / "mlx-runner")]


def test_a_failed_download_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def download(root: str, *, download: bool) -> None:
        raise RuntimeError("Error downloading train-images-idx3-ubyte.gz")

    pretend_torchvision(monkeypatch, download)
    assert failure(Mnist(download=True, root=str(tmp_path))) == (
        str(tmp_path),
        "MNIST could not be downloaded here (Error downloading train-images-idx3-ubyte.gz); "
        "leave out data.download to use the embedded files",
    )


def test_downloaded_files_must_be_the_original_ones(folder: Path, tmp_path: Path) -> None:
    raw = tmp_path / "cache" / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for file in folder.glob("*ubyte*"):
        shutil.copy(file, raw)
    file, message = failure(small(tmp_path / "cache", download=True))
    assert file == str(raw / "train-images-idx3-ubyte")
    assert message.endswith("not 6bbc9ace898e44ae57da46a324031adb: the file is not the original")
