"""`mlx export` through the command line: what it writes and prints, and what it refuses."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

Mlx = Callable[..., tuple[int, str, str]]
AssertFails = Callable[[Path, list[str], int, list[tuple]], None]

CHECKED = (
    r"on batches of 1 and 7: the largest deviation is (0|\d+(\.\d+)?e-\d+) of the largest value \(scores\)\n"
)


@pytest.fixture
def folder(mlx: Mlx, tiny: str, tmp_path: Path) -> Path:
    (tmp_path / "tiny.yaml").write_text(tiny, "utf-8")
    code, _, _ = mlx("train", "tiny.yaml", "--quiet", folder=tmp_path)
    assert code == 0
    return tmp_path


@pytest.mark.parametrize(
    ("file_format", "ending", "checker"),
    [
        ("onnx", "onnx", "onnxruntime"),
        ("torch", "pt2", "torch"),
        ("safetensors", "safetensors", "safetensors"),
    ],
)
def test_two_files_are_written(mlx: Mlx, folder: Path, file_format: str, ending: str, checker: str) -> None:
    before = set(folder.iterdir())
    code, out, err = mlx("export", "latest", "--format", file_format, folder=folder)
    assert (code, err) == (0, "")
    (run,) = (folder / "runs").glob("2*")
    name = f"{run.name}.{ending}"
    assert {path.name for path in set(folder.iterdir()) - before} == {name, f"{name}.preparation.json"}
    first, second = out.splitlines(keepends=True)
    assert re.fullmatch(rf"{name} \(\d\d kB\), described in {name}\.preparation\.json\n", first)
    assert re.fullmatch(rf"checked with {checker} [\w.+]+ {CHECKED}", second)
    described = json.loads((folder / f"{name}.preparation.json").read_text("utf-8"))
    assert described["run"] == run.name
    assert described["outputs"]["scores"]["thresholds"] == [0.5] * 6


def test_the_document(mlx: Mlx, folder: Path) -> None:
    code, out, err = mlx(
        "export", "latest", "--format", "torch", "-o", "net.pt2", "--device", "cpu", "--json", folder=folder
    )
    assert (code, err) == (0, "")
    document = json.loads(out)
    (run,) = (folder / "runs").glob("2*")
    assert document["run"] == f"runs/{run.name}"
    assert (document["file"], document["preparation"]) == ("net.pt2", "net.pt2.preparation.json")
    assert document["bytes"] == (folder / "net.pt2").stat().st_size
    assert document["checked_rows"] == [1, 7]
    assert document["deviations"]["scores"] <= 1e-4


def test_what_predict_says_is_what_the_files_give(mlx: Mlx, folder: Path) -> None:
    """With what stands in the description alone: names, scale and labels."""
    images = np.random.default_rng(0).integers(0, 256, (9, 784), dtype=np.uint8)
    np.savez(folder / "new.npz", image=images)
    _, out, _ = mlx("predict", "latest", "new.npz", "-q", "--format", "jsonl", folder=folder)
    predicted = [json.loads(line) for line in out.splitlines()]
    for file_format, name in (("onnx", "net.onnx"), ("torch", "net.pt2")):
        mlx("export", "latest", "--format", file_format, "-o", name, folder=folder)
        described = json.loads((folder / f"{name}.preparation.json").read_text("utf-8"))
        scale = described["inputs"]["image"]["scale"]
        given = ((images - scale["offset"]) / scale["divisor"]).astype(np.float32)
        if file_format == "onnx":
            session = onnxruntime.InferenceSession(folder / name, providers=["CPUExecutionProvider"])
            (scores,) = session.run(["scores"], {"image": given})
        else:
            module = torch.export.load(folder / name).module()
            scores = module({"image": torch.from_numpy(given)})["scores"].detach().numpy()
        for index, label in enumerate(described["outputs"]["scores"]["labels"]):
            expected = [row[f"scores/{label}"] for row in predicted]
            np.testing.assert_allclose(scores[:, index], expected, rtol=1e-4)


def test_mistakes(folder: Path, assert_fails: AssertFails) -> None:
    (folder / "a_folder").mkdir()
    latest = ["export", "latest"]
    cases: list[tuple[list[str], str]] = [
        (
            [*latest, "--format", "onxx"],
            "--format: no format named 'onxx'; did you mean 'onnx'? Formats: onnx, torch, safetensors.",
        ),
        (
            [*latest, "--format", "onnx", "--device", "cpu"],
            "--device has no effect with --format onnx, which is tied to no device.",
        ),
        (
            [*latest, "--format", "torch", "-o", "a_folder"],
            "'a_folder' is a folder; name a file in it.",
        ),
        (
            [*latest, "--format", "torch", "-o", "gone/net.pt2"],
            "'gone/net.pt2' cannot be written: there is no folder 'gone'.",
        ),
    ]
    for arguments, sentence in cases:
        assert_fails(folder, arguments, 2, [(None, None, None, None, sentence)])


def test_a_format_must_be_named(mlx: Mlx, folder: Path) -> None:
    code, out, err = mlx("export", "latest", folder=folder)
    assert (code, out) == (2, "")
    assert err == "mlx: Missing option '--format'.\n"


def test_the_example_of_the_docs_runs(mlx: Mlx, tmp_path: Path) -> None:
    """In a process of its own that has neither PyTorch nor this program."""
    text = (Path(__file__).resolve().parents[2] / "docs" / "export.md").read_text("utf-8")
    (example,) = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    few = ["data.samples=300", "data.test_samples=100", "training.epochs=1", "--quiet"]
    assert mlx("train", "multilabel_attributes", *few, folder=tmp_path)[0] == 0
    assert mlx("export", "latest", "--format", "onnx", "-o", "net.onnx", folder=tmp_path)[0] == 0
    alone = f"import sys; sys.modules['torch'] = sys.modules['mlx_runner'] = None\n{example}"
    ended = subprocess.run(
        [sys.executable, "-c", alone], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert [line.partition(" ")[0] for line in ended.stdout.splitlines()] == [
        *("even", "prime", "at_least_five", "multiple_of_three", "has_loop", "straight_strokes")
    ]
