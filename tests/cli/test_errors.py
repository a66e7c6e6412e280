"""Every kind of mistake through the command line: the exact message, its place, the code, and no run left."""

# ruff: noqa: E501  (messages are compared word for word, each on one line)

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import get_args

import pytest
import torch
from mlx_runner.data import mnist
from mlx_runner.specs.load import shipped_configs
from mlx_runner.specs.metrics import MetricName
from mlx_runner.specs.training import Training

Mlx = Callable[..., tuple[int, str, str]]
Said = tuple[str | None, int | None, int | None, str | None, str]
"""One message: file, line, column, path, text."""

FILE = "tiny.yaml"
SHIPPED = ", ".join(shipped_configs())
MNIST_FILES = (
    *("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"),
    *("t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"),
)

# What is replaced in the tiny config by what, and all that is then said of it.
CONFIGS: dict[str, tuple[str, str, list[Said]]] = {
    "an unknown key": (
        "{epochs: 2",
        "{epoch: 2",
        [
            (
                *(FILE, 12, 12, "training"),
                f"unknown key 'epoch'; did you mean 'epochs'? Allowed: {', '.join(Training.model_fields)}.",
            )
        ],
    ),
    "text for a number": (
        "units: 6, activation: relu",
        "units: six, activation: relu",
        [(FILE, 6, 34, "model.layers.hidden.units", "must be a whole number, not the text 'six'")],
    ),
    "a fraction for a whole number": (
        "units: 6, activation: relu",
        "units: 1e-3, activation: relu",
        [(FILE, 6, 34, "model.layers.hidden.units", "must be a whole number, not the number 0.001")],
    ),
    "a number out of range": (
        "epochs: 2",
        "epochs: 0",
        [(FILE, 12, 20, "training.epochs", "must be greater than 0, not 0")],
    ),
    "a misspelt layer": (
        "of: hidden",
        "of: hiden",
        [
            (
                *(FILE, 7, 31, "model.layers.scores.of"),
                "no layer or input named 'hiden'; did you mean 'hidden'? Names: image, hidden, scores.",
            )
        ],
    ),
    "a misspelt input": (
        "inputs: [image]",
        "inputs: [imgae]",
        [
            (
                *(FILE, 4, 12, "model.inputs.0"),
                "no input named 'imgae'; did you mean 'image'? Inputs: image.",
            )
        ],
    ),
    "a misspelt output": (
        "output: scores",
        "output: score",
        [
            (
                *(FILE, 10, 47, "losses.labels.output"),
                "no output named 'score'; did you mean 'scores'? Outputs: scores.",
            )
        ],
    ),
    "a misspelt target": (
        "target: attributes",
        "target: atributes",
        [
            (
                *(FILE, 10, 63, "losses.labels.target"),
                "no target named 'atributes'; did you mean 'attributes'? Targets: image, digit, digits, attributes.",
            )
        ],
    ),
    "a misspelt metric": (
        "[f1_micro]",
        "[f1_mirco]",
        [
            (
                *(FILE, 11, 20, "metrics.scores.0"),
                f"no metric named 'f1_mirco'; did you mean 'f1_micro'? Metrics: {', '.join(get_args(MetricName))}.",
            )
        ],
    ),
    "an output that nothing else knows, in the order of the text": (
        "outputs: [scores]",
        "outputs: [scoers]",
        [
            (
                *(FILE, 8, 13, "model.outputs.0"),
                "no layer named 'scoers'; did you mean 'scores'? Layers: hidden, scores.",
            ),
            (
                *(FILE, 10, 47, "losses.labels.output"),
                "no output named 'scores'; did you mean 'scoers'? Outputs: scoers.",
            ),
            (
                *(FILE, 11, 11, "metrics.scores"),
                "no output named 'scores'; did you mean 'scoers'? Outputs: scoers.",
            ),
        ],
    ),
    "a cycle": (
        "hidden: {type: dense,",
        "hidden: {type: dense, of: scores,",
        [
            (
                *(FILE, 6, 31, "model.layers.hidden.of"),
                "the layers form a cycle: hidden reads scores reads hidden",
            )
        ],
    ),
    "shapes that do not fit": (
        "of: hidden, units: 6",
        "of: hidden, units: 7",
        [
            (
                *(FILE, 10, 63, "losses.labels.target"),
                "target 'attributes' has (6) per example, but output 'scores' gives (7)",
            )
        ],
    ),
    "an image in a shape it has not": (
        "shape: [784]",
        "shape: [28]",
        [
            (
                *(FILE, 2, 23, "data.shape"),
                "[28] holds 28 values, but an image has 784 (1, 28, 28); give sizes whose product is 784, such as [784].",
            )
        ],
    ),
    "a duplicate key": (
        "metrics: {",
        "name: again\nmetrics: {",
        [(FILE, 11, 1, None, "duplicate key 'name'; it is first given at line 1, column 1")],
    ),
    "a list for a mapping": (
        "training: {epochs: 2, batch_size: 100}",
        "training: [2, 100]",
        [(FILE, 12, 1, "training", "must be a mapping, not a list")],
    ),
    "a tab": (
        "  inputs:",
        "\tinputs:",
        [(FILE, 4, 1, None, "a tab cannot indent YAML; use spaces")],
    ),
    "several at once": (
        "{epochs: 2, batch_size: 100}",
        "{epochs: two, batch_size: -1}",
        [
            (FILE, 12, 20, "training.epochs", "must be a whole number, not the text 'two'"),
            (FILE, 12, 37, "training.batch_size", "must be greater than 0, not -1"),
        ],
    ),
}

WHOLE_FILES: dict[str, tuple[str, Said]] = {
    "an empty file": (
        "",
        (FILE, None, None, None, "the file is empty; a config is a mapping that begins with 'name: ...'"),
    ),
    "only a comment": (
        "# nothing\n",
        (FILE, None, None, None, "the file is empty; a config is a mapping that begins with 'name: ...'"),
    ),
    "a list": (
        "- name: tiny\n",
        (FILE, 1, 1, None, "a config must be a mapping at the top, not a list"),
    ),
}

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


def _lines(said: list[Said]) -> str:
    """The messages as a terminal shows them."""
    lines: list[str] = []
    for file, line, column, path, message in said:
        place = ":".join(str(part) for part in (file, line, column) if part is not None)
        lines.append(": ".join(["mlx", *filter(None, (place, path)), message]) + "\n")
    return "".join(lines)


def _document(code: int, said: list[Said]) -> dict[str, object]:
    keys = ("file", "line", "column", "path", "message")
    return {"error": {"code": code, "messages": [dict(zip(keys, each, strict=True)) for each in said]}}


def _assert_fails(mlx: Mlx, folder: Path, arguments: list[str], code: int, said: list[Said]) -> None:
    """Both ways of saying it, and nothing left behind."""
    before = sorted(folder.rglob("*"))
    assert mlx(*arguments, folder=folder) == (code, "", _lines(said))
    ended, out, err = mlx(*arguments, "--json", folder=folder)
    assert (ended, err) == (code, _lines(said))
    assert json.loads(out) == _document(code, said)
    assert sorted(folder.rglob("*")) == before


@pytest.mark.parametrize("command", ["check", "train"])
@pytest.mark.parametrize("case", CONFIGS)
def test_mistakes_in_a_config(mlx: Mlx, tiny: str, tmp_path: Path, command: str, case: str) -> None:
    given, instead, said = CONFIGS[case]
    assert tiny.count(given) == 1
    (tmp_path / FILE).write_text(tiny.replace(given, instead), "utf-8")
    _assert_fails(mlx, tmp_path, [command, FILE], 2, said)


@pytest.mark.parametrize("command", ["check", "train"])
@pytest.mark.parametrize("case", WHOLE_FILES)
def test_files_that_are_no_config(mlx: Mlx, tmp_path: Path, command: str, case: str) -> None:
    text, said = WHOLE_FILES[case]
    (tmp_path / FILE).write_text(text, "utf-8")
    _assert_fails(mlx, tmp_path, [command, FILE], 2, [said])


@pytest.mark.parametrize("case", ARGUMENTS)
def test_mistakes_on_the_command_line(mlx: Mlx, tiny: str, tmp_path: Path, case: str) -> None:
    arguments, code, said = ARGUMENTS[case]
    (tmp_path / FILE).write_text(tiny, "utf-8")
    _assert_fails(mlx, tmp_path, ["train", *arguments], code, [said])


def _mnist_folder(folder: Path, damaged: str, content: bytes) -> None:
    """A folder with the embedded files, one of them with other content."""
    folder.mkdir()
    for name in MNIST_FILES:
        original = resources.files(mnist).joinpath(name).read_bytes()
        (folder / name).write_bytes(content if name == damaged else original)


def _embedded(name: str) -> bytes:
    return gzip.decompress(resources.files(mnist).joinpath(name).read_bytes())


@pytest.mark.parametrize(
    ("damaged", "content", "message"),
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
    mlx: Mlx, tiny: str, tmp_path: Path, damaged: str, content: bytes, message: str
) -> None:
    (tmp_path / FILE).write_text(tiny, "utf-8")
    _mnist_folder(tmp_path / "digits", damaged, content)
    said: Said = (f"digits/{damaged}", None, None, None, message)
    _assert_fails(mlx, tmp_path, ["train", FILE, "data.root=digits"], 3, [said])
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
        (["runs", "one", "two"], ["two"]),
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
    assert json.loads(out) == _document(2, [(None, None, None, None, said)])
    assert not any(tmp_path.iterdir())
