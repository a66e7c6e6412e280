"""Mistakes on the command line and in data files: the exact message, the code, and no run left."""

# ruff: noqa: E501  (messages are compared word for word, each on one line)

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from importlib import resources
from pathlib import Path

import pytest
import torch
from mlx_runner.data import mnist
from mlx_runner.specs.load import shipped_configs

Mlx = Callable[..., tuple[int, str, str]]
Said = tuple[str | None, int | None, int | None, str | None, str]
"""One message: file, line, column, path, text."""
AssertFails = Callable[[Path, list[str], int, list[Said]], None]

FILE = "tiny.yaml"
SHIPPED = ", ".join(shipped_configs())
MNIST_FILES = (
    *("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"),
    *("t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"),
)

# Arguments after `mlx train`, the exit code, and what is said.
ARGUMENTS: dict[str, tuple[list[str], int, Said]] = {
    "a missing file": (
        ["tinny.yaml"],
        2,
        (
            *(None, None, None, None),
            f"no such file: 'tinny.yaml'; did you mean 'tiny.yaml'? Shipped configs: {SHIPPED}.",
        ),
    ),
    "a misspelt shipped config": (
        ["multilabel_atributes"],
        2,
        (
            *(None, None, None, None),
            f"no such file: 'multilabel_atributes'; did you mean 'multilabel_attributes'? Shipped configs: {SHIPPED}.",
        ),
    ),
    "a folder": (
        ["."],
        2,
        (
            *(None, None, None, None),
            f"'.' is a folder, not a config; did you mean 'tiny.yaml'? Shipped configs: {SHIPPED}.",
        ),
    ),
    "an override of the wrong type": (
        [FILE, "training.batch_size=1e-3"],
        2,
        (
            *("command line", None, None, "training.batch_size"),
            "must be a whole number, not the number 0.001",
        ),
    ),
    "an override without a value": (
        [FILE, "training.epochs"],
        2,
        (
            *("command line", None, None, None),
            "'training.epochs' is not an override; write key.path=value, such as training.epochs=5",
        ),
    ),
    "a negative seed": (
        [FILE, "--seed=-1"],
        2,
        ("command line", None, None, "seed", "must be at least 0, not -1"),
    ),
    "a seed that is text": (
        [FILE, "--seed", "lucky"],
        2,
        ("command line", None, None, "seed", "must be a whole number, not the text 'lucky'"),
    ),
    "a name that is a path": (
        [FILE, "--name", "a/b"],
        2,
        (
            *("command line", None, None, "name"),
            "a name is made of letters, digits, '_' and '-', and does not begin with '-', unlike 'a/b'",
        ),
    ),
    "an unknown device": (
        [FILE, "--device", "gpu"],
        2,
        (None, None, None, None, "no device named 'gpu'. Devices: auto, cpu, cuda, cuda:N."),
    ),
    "a device that is not there": (
        [FILE, "--device", "cuda:99"],
        6,
        (
            *(None, None, None, None),
            f"device 'cuda:99' is not there: {torch.cuda.device_count()} CUDA devices are visible",
        ),
    ),
    "a file where runs should go": (
        [FILE, "--runs", FILE],
        6,
        (
            *(None, None, None, None),
            "cannot make a run folder in 'tiny.yaml': a file of that name is in the way.",
        ),
    ),
    "no such data folder": (
        [FILE, "data.root=nowhere"],
        3,
        (
            *("nowhere", None, None, None),
            "data.root is not a folder; leave it out to use the embedded files",
        ),
    ),
}


@pytest.mark.parametrize("case", ARGUMENTS)
def test_mistakes_on_the_command_line(
    assert_fails: AssertFails, tiny: str, tmp_path: Path, case: str
) -> None:
    arguments, code, said = ARGUMENTS[case]
    (tmp_path / FILE).write_text(tiny, "utf-8")
    assert_fails(tmp_path, ["train", *arguments], code, [said])


def _mnist_folder(folder: Path, damaged: str, content: bytes) -> None:
    """A folder with the embedded files, one of them with other content."""
    folder.mkdir()
    for name in MNIST_FILES:
        original = resources.files(mnist).joinpath(name).read_bytes()
        (folder / name).write_bytes(content if name == damaged else original)


def _embedded(name: str) -> bytes:
    return gzip.decompress(resources.files(mnist).joinpath(name).read_bytes())


@pytest.mark.parametrize(
    "damage",
    [
        (
            "train-images-idx3-ubyte.gz",
            gzip.compress(_embedded("t10k-images-idx3-ubyte.gz")[:-1], compresslevel=1),
            "truncated: 7840015 bytes, where 10000 x 28 x 28 values take 7840016",
        ),
        (
            "train-labels-idx1-ubyte.gz",
            b"<html>Not found</html>",
            "the gzip data are damaged (Not a gzipped file (b'<h'))",
        ),
        (
            "t10k-labels-idx1-ubyte.gz",
            gzip.compress(_embedded("t10k-labels-idx1-ubyte.gz"))[:-100],
            "the gzip data are damaged (Compressed file ended before the end-of-stream marker was reached)",
        ),
        (
            "t10k-images-idx3-ubyte.gz",
            gzip.compress(_embedded("t10k-labels-idx1-ubyte.gz")),
            "starts with 0x00000801, not 0x00000803: not an idx file of unsigned bytes with 3 axes",
        ),
    ],
    ids=["a byte short", "not gzip", "broken off", "another kind"],
)
def test_damaged_mnist_files(
    assert_fails: AssertFails, mlx: Mlx, tiny: str, tmp_path: Path, damage: tuple[str, bytes, str]
) -> None:
    damaged, content, message = damage
    (tmp_path / FILE).write_text(tiny, "utf-8")
    _mnist_folder(tmp_path / "digits", damaged, content)
    said: Said = (f"digits/{damaged}", None, None, None, message)
    assert_fails(tmp_path, ["train", FILE, "data.root=digits"], 3, [said])
    # A check reads no data, so it has nothing to say of them.
    assert mlx("check", FILE, "data.root=digits", folder=tmp_path)[0] == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["trian", FILE], ["'trian'", "'train'"]),
        (["train", FILE, "--sed", "1"], ["--sed", "--seed"]),
        (["train"], ["CONFIG"]),
        (["check"], ["CONFIG"]),
        (["train", FILE, "--seed"], ["--seed"]),
        (["runs", "one", "two"], ["No such command", "'one'"]),
        (["runs", "shw"], ["'shw'", "'show'"]),
    ],
)
def test_usage(mlx: Mlx, tmp_path: Path, arguments: list[str], words: list[str]) -> None:
    """Typer words these; ours are the prefix, the streams, the code and the document."""
    code, out, err = mlx(*arguments, folder=tmp_path)
    assert (code, out) == (2, "")
    assert err.startswith("mlx: ")
    assert all(word in err for word in words)
    code, out, again = mlx(*arguments[:1], "--json", *arguments[1:], folder=tmp_path)
    assert (code, again) == (2, err)
    said = err.removeprefix("mlx: ").removesuffix("\n")
    (message,) = json.loads(out)["error"]["messages"]
    assert message == {"file": None, "line": None, "column": None, "path": None, "message": said}
    assert not any(tmp_path.iterdir())
