"""A table whose column names image files, from training to an evaluation."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

Mlx = Callable[..., tuple[int, str, str]]

CONFIG = """\
name: pictures
data:
  source: table
  path: pictures.csv
  test_split: 0.25
  inputs: {picture: {type: image, column: file, root: files, size: [8, 8], channels: 1}}
  targets: {bright: {type: binary, column: bright}}
model:
  inputs: [picture]
  layers:
    flat: {type: flatten}
    bright: {type: dense, units: 1, activation: sigmoid}
  outputs: [bright]
losses: {bright: {type: binary_crossentropy, output: bright, target: bright}}
metrics: {bright: [auroc]}
optimizer: {type: adam, learning_rate: 0.05}
training: {epochs: 30, batch_size: 8}
"""


@pytest.fixture
def pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    drawn = np.random.default_rng(0)
    (tmp_path / "files").mkdir()
    lines = ["file,bright"]
    for index in range(48):
        bright = index % 2
        pixels = drawn.integers(0, 120, (16, 16)) + 100 * bright
        Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / "files" / f"{index}.png")
        lines.append(f"{index}.png,{bright}")
    (tmp_path / "pictures.csv").write_text("\n".join(lines) + "\n", "utf-8")
    (tmp_path / "pictures.yaml").write_text(CONFIG, "utf-8")
    return tmp_path


def test_pictures_are_learned_from(mlx: Mlx, pictures: Path) -> None:
    code, out, err = mlx("train", "pictures.yaml", "--json", "--quiet", folder=pictures)
    assert code == 0, err
    metrics = json.loads(out)["metrics"]
    assert metrics["test/bright/auroc"] == 1.0
    code, out, err = mlx("evaluate", "latest", "--json", folder=pictures)
    assert (code, err) == (0, "")
    assert json.loads(out)["metrics"]["test/loss"] == metrics["test/loss"]


def test_a_picture_that_is_missing_is_told_with_its_row(mlx: Mlx, pictures: Path) -> None:
    (pictures / "files" / "7.png").unlink()
    before = sorted(pictures.rglob("*"))
    message = "mlx: pictures.csv, row 8: image 'files/7.png' does not exist\n"
    assert mlx("train", "pictures.yaml", folder=pictures) == (3, "", message)
    assert [path for path in sorted(pictures.rglob("*")) if path not in before] == []
