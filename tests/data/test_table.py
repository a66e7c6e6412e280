"""Tables: lengths, batches by index and by range, scales, references."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mlx_runner.data.table import Scale, Table

NUM_ROWS = 7


@pytest.fixture
def table() -> Table:
    generator = torch.Generator().manual_seed(0)
    return Table(
        inputs={
            "image": torch.randint(0, 256, (NUM_ROWS, 1, 3, 2), generator=generator, dtype=torch.uint8),
            "numbers": torch.randn(NUM_ROWS, 4, generator=generator),
            "tokens": torch.randint(0, 50, (NUM_ROWS, 5), generator=generator),
        },
        targets={
            "digit": torch.arange(NUM_ROWS),
            "labels": torch.randn(NUM_ROWS, 2, generator=generator),
        },
        weights={"importance": torch.rand(NUM_ROWS, generator=generator)},
        masks={"labels": torch.rand(NUM_ROWS, 2, generator=generator) > 0.5},
        scales={
            "image": Scale(offset=0.0, divisor=255.0),
            "numbers": Scale(offset=torch.arange(4.0), divisor=torch.tensor([1.0, 2.0, 3.0, 4.0])),
        },
    )


def naive(table: Table, index: np.ndarray, dtype: type) -> dict[str, np.ndarray]:
    """The batch by plain NumPy indexing and arithmetic."""
    arrays = {name: tensor.numpy()[index] for name, tensor in (table.inputs | table.targets).items()}
    arrays["importance"] = table.weights["importance"].numpy()[index].astype(dtype)
    arrays["mask"] = table.masks["labels"].numpy()[index]
    arrays["image"] = arrays["image"].astype(dtype) / dtype(255)
    steps = np.array([1, 2, 3, 4], dtype=dtype)
    arrays["numbers"] = (arrays["numbers"].astype(dtype) - (steps - 1)) / steps
    arrays["labels"] = arrays["labels"].astype(dtype)
    return arrays


def flat(batch: Table) -> dict[str, torch.Tensor]:
    return batch.inputs | batch.targets | batch.weights | {"mask": batch.masks["labels"]}


def assert_equal(batch: Table, expected: dict[str, np.ndarray]) -> None:
    found = flat(batch)
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        assert found[name].numpy().dtype == array.dtype, name
        np.testing.assert_array_equal(found[name].numpy(), array, err_msg=name)


@pytest.mark.parametrize(("dtype", "numpy_type"), [(torch.float32, np.float32), (torch.float64, np.float64)])
@pytest.mark.parametrize("index", [[3], [6, 0, 0, 2], [[1, 2, 3], [6, 5, 4]], [[4], [4]]])
def test_gather_equals_naive_indexing(
    table: Table, index: list, dtype: torch.dtype, numpy_type: type
) -> None:
    batch = table.gather(torch.tensor(index), dtype)
    assert_equal(batch, naive(table, np.array(index), numpy_type))


def test_integer_columns_keep_their_type(table: Table) -> None:
    batch = table.gather(torch.tensor([[0, 1], [2, 3]]), torch.float64)
    assert batch.targets["digit"].dtype == torch.int64
    assert batch.targets["digit"].tolist() == [[0, 1], [2, 3]]
    assert batch.inputs["tokens"].dtype == torch.int64
    assert batch.masks["labels"].dtype == torch.bool


@settings(deadline=None, max_examples=30)
@given(st.data())
def test_batch_equals_gather_of_the_range(data: st.DataObject) -> None:
    values = torch.arange(NUM_ROWS * 2, dtype=torch.uint8).reshape(NUM_ROWS, 2)
    table = Table({"x": values}, {"y": values.float()}, scales={"x": Scale(3.0, 7.0)})
    start = data.draw(st.integers(0, NUM_ROWS - 1))
    stop = data.draw(st.integers(start + 1, NUM_ROWS))
    by_range = table.batch(start, stop, torch.float32)
    by_index = table.gather(torch.arange(start, stop), torch.float32)
    assert torch.equal(by_range.inputs["x"], by_index.inputs["x"])
    assert torch.equal(by_range.targets["y"], by_index.targets["y"])
    assert len(by_range) == stop - start


def test_unit_scale_is_one_float32_division_for_every_pixel() -> None:
    pixels = np.arange(256, dtype=np.uint8)
    table = Table({"image": torch.from_numpy(pixels)}, {}, scales={"image": Scale(0.0, 255.0)})
    expected = pixels.astype(np.float32) / np.float32(255)
    by_reciprocal = pixels.astype(np.float32) * (np.float32(1) / np.float32(255))
    assert not np.array_equal(expected, by_reciprocal), "the comparison can tell the two apart"
    for moved in (table, table.to("cpu")):
        found = moved.gather(torch.arange(256), torch.float32).inputs["image"]
        np.testing.assert_array_equal(found.numpy(), expected)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_unit_scale_is_a_division_on_the_device_too() -> None:
    pixels = np.arange(256, dtype=np.uint8)
    table = Table({"image": torch.from_numpy(pixels)}, {}, scales={"image": Scale(0.0, 255.0)}).to("cuda")
    found = table.batch(0, 256, torch.float32).inputs["image"].cpu()
    np.testing.assert_array_equal(found.numpy(), pixels.astype(np.float32) / np.float32(255))


def test_a_batch_leaves_the_table_as_it_was(table: Table) -> None:
    before = {name: tensor.clone() for name, tensor in flat(table).items()}
    for _ in range(2):
        table.batch(0, 5, torch.float32)
        table.gather(torch.tensor([1, 2]), torch.float32)
    assert all(torch.equal(tensor, before[name]) for name, tensor in flat(table).items())


def test_slice_is_a_view_that_keeps_type_and_scale(table: Table) -> None:
    part = table.slice(2, 5)
    assert len(part) == 3
    assert part.inputs["image"].dtype == torch.uint8
    assert part.inputs["image"].data_ptr() == table.inputs["image"][2:].data_ptr()
    assert torch.equal(
        part.batch(0, 3, torch.float32).inputs["image"], table.batch(2, 5, torch.float32).inputs["image"]
    )


def test_reference_looks_among_targets_and_then_inputs(table: Table) -> None:
    batch = table.batch(0, 2, torch.float32)
    assert batch.reference("labels") is batch.targets["labels"]
    assert batch.reference("image") is batch.inputs["image"]
    with pytest.raises(KeyError, match="absent"):
        batch.reference("absent")


def test_a_target_goes_before_an_input_of_the_same_name() -> None:
    table = Table({"x": torch.zeros(2)}, {"x": torch.ones(2)})
    assert table.reference("x").tolist() == [1.0, 1.0]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"inputs": {}, "targets": {}}, "at least one"),
        ({"inputs": {"x": torch.zeros(2)}, "targets": {"y": torch.zeros(3)}}, "same length"),
        ({"inputs": {"x": torch.zeros(2)}, "targets": {}, "weights": {"w": torch.zeros(1)}}, "same length"),
        (
            {"inputs": {"x": torch.zeros(2)}, "targets": {}, "masks": {"x": torch.zeros(2)}},
            "named after targets",
        ),
        (
            {"inputs": {"x": torch.zeros(2)}, "targets": {}, "scales": {"y": Scale(0.0, 1.0)}},
            "named after inputs",
        ),
    ],
)
def test_columns_that_do_not_fit_together_are_refused(columns: dict, message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        Table(**columns)
