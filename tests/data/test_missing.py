"""Missing labels: NaN targets are masked entry by entry, and nothing else is touched."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mlx_runner.data import Table, mask_missing

NAN, INF = float("nan"), float("inf")


def table(target: list, dtype: torch.dtype = torch.float32, **masks: list) -> Table:
    tensors = {name: torch.tensor(mask) for name, mask in masks.items()}
    return Table({"x": torch.zeros(len(target), 2)}, {"y": torch.tensor(target, dtype=dtype)}, masks=tensors)


def test_a_missing_entry_is_masked_and_filled() -> None:
    result = mask_missing(table([[1.0, NAN], [NAN, 0.5], [0.0, 1.0]]))
    assert result.masks["y"].tolist() == [[True, False], [False, True], [True, True]]
    assert result.targets["y"].tolist() == [[1.0, 0.0], [0.0, 0.5], [0.0, 1.0]]


def test_the_given_table_stays_as_it_was() -> None:
    given = table([[NAN]])
    mask_missing(given)
    assert given.targets["y"].isnan().all()
    assert given.masks == {}


def test_without_missing_entries_nothing_is_made() -> None:
    given = table([[1.0], [INF]])
    assert mask_missing(given) is given


def test_infinity_is_not_missing() -> None:
    """It is a mistake in the data, to be told and not to be filled."""
    result = mask_missing(table([[INF, NAN], [-INF, 1.0]]))
    assert result.targets["y"].tolist() == [[INF, 0.0], [-INF, 1.0]]
    assert result.masks["y"].tolist() == [[True, False], [True, True]]


def test_a_mask_of_entries_is_kept() -> None:
    result = mask_missing(table([[1.0, NAN], [1.0, 1.0]], y=[[False, True], [True, False]]))
    assert result.masks["y"].tolist() == [[False, False], [True, False]]


def test_a_mask_of_rows_is_kept() -> None:
    """Also where rows and labels are equally many, so that a mask could be laid over either."""
    result = mask_missing(table([[1.0, NAN], [1.0, 1.0]], y=[True, False]))
    assert result.masks["y"].tolist() == [[True, False], [False, False]]
    sequence = mask_missing(table([[[1.0], [NAN]], [[1.0], [1.0]]], y=[[True, True], [False, True]]))
    assert sequence.masks["y"].tolist() == [[[True], [False]], [[False], [True]]]


def test_other_columns_are_the_same_tensors() -> None:
    given = Table(
        {"x": torch.tensor([[NAN], [1.0]])},
        {"y": torch.tensor([NAN, 1.0]), "z": torch.tensor([1.0, 2.0]), "n": torch.tensor([3, 4])},
        weights={"w": torch.tensor([NAN, 1.0])},
        masks={"z": torch.tensor([True, False])},
    )
    result = mask_missing(given)
    assert result.inputs["x"] is given.inputs["x"]
    assert result.targets["z"] is given.targets["z"]
    assert result.targets["n"] is given.targets["n"]
    assert result.weights["w"] is given.weights["w"]
    assert result.masks["z"] is given.masks["z"]
    assert set(result.masks) == {"y", "z"}


@settings(deadline=None)
@given(
    rows=st.lists(st.lists(st.sampled_from([0.0, 0.5, 1.0, NAN]), min_size=3, max_size=3), min_size=1),
    double=st.booleans(),
)
def test_observed_entries_keep_value_and_type(rows: list[list[float]], double: bool) -> None:
    dtype = torch.float64 if double else torch.float32
    given = table(rows, dtype)
    result = mask_missing(given)
    observed = result.masks.get("y", torch.ones(len(rows), 3, dtype=torch.bool))
    assert torch.equal(observed, ~given.targets["y"].isnan())
    assert torch.equal(result.targets["y"][observed], given.targets["y"][observed])
    assert result.targets["y"].dtype == dtype
    assert bool((result.targets["y"][~observed] == 0.0).all())
