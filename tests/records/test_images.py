"""Example images come back as they were kept, and are drawn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from mlx_runner.records.images import read_images, write_images
from mlx_runner.records.plots import plot_run
from mlx_runner.records.run_folder import RunFolder
from mlx_runner.specs.errors import DataError


def test_images_are_kept_and_drawn(tmp_path: Path) -> None:
    run = RunFolder.create(tmp_path, "auto", config_text="name: auto\n", environment={}, plan={})
    assert read_images(run) == {}
    images = np.arange(3 * 8 * 8, dtype=np.uint8).reshape(3, 8, 8)
    write_images(run, "pixels", {"input": images, "reconstruction": 255 - images})
    back = read_images(run)
    assert list(back) == ["pixels"]
    np.testing.assert_array_equal(back["pixels"]["input"], images)
    np.testing.assert_array_equal(back["pixels"]["reconstruction"], 255 - images)
    assert {path.name for path in plot_run(run)} == {"images_pixels.png", "images_pixels.svg"}


def test_damaged_images_are_said(tmp_path: Path) -> None:
    run = RunFolder.create(tmp_path, "auto", config_text="name: auto\n", environment={}, plan={})
    (run.path / "images").mkdir()
    (run.path / "images" / "pixels.npz").write_bytes(b"not really")
    with pytest.raises(DataError, match="is damaged"):
        read_images(run)
