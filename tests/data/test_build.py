"""The choice of source: what is described is what is built, and torchvision is left alone."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from mlx_runner.data import Field, Splits, open_source
from mlx_runner.specs.sources import AnySource, Headlines, Mnist, MultilabelMnist, MultiMnist

SOURCES = [
    Mnist(samples=40, test_samples=10),
    Mnist(samples=40, test_samples=10, shape=(784,), scale="none"),
    MultilabelMnist(samples=40, test_samples=10),
    MultilabelMnist(samples=40, test_samples=10, shape=(56, 56), scale="standardize"),
    MultiMnist(samples=40, test_samples=10),
    Headlines(samples=50, length=30),
]


def assert_fits(values: torch.Tensor, field: Field) -> None:
    assert values.shape[1:] == field.shape
    if field.kind == "classes":
        assert values.dtype == torch.int64
        assert field.size == len(field.labels)
        assert int(values.max()) < field.size
    if field.kind == "tokens":
        assert values.dtype == torch.int64
        assert field.size is not None
        assert 0 <= int(values.min()) <= int(values.max()) < field.size
    if field.kind == "binary":
        assert values.dtype == torch.float32
        assert len(field.labels) == field.shape[-1]


@pytest.mark.parametrize("spec", SOURCES, ids=repr)
def test_what_is_described_is_what_is_built(spec: AnySource) -> None:
    splits = open_source(spec).build()
    assert isinstance(splits, Splits)
    assert splits.schema == open_source(spec).schema
    for table in (splits.train, splits.validation, splits.test):
        assert table is not None
        assert table.inputs.keys() == splits.schema.inputs.keys()
        assert table.targets.keys() == splits.schema.targets.keys()
        for name, field in (splits.schema.inputs | splits.schema.targets).items():
            assert_fits(table.reference(name), field)


def test_neither_describing_nor_building_imports_torchvision() -> None:
    program = (
        "import sys\n"
        "from mlx_runner.data import open_source\n"
        "from mlx_runner.specs.sources import Mnist\n"
        "open_source(Mnist())\n"
        "open_source(Mnist(samples=10, test_samples=10)).build()\n"
        "sys.exit('torchvision' in sys.modules)\n"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
