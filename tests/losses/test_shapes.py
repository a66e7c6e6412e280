"""Which reading of a shape wins, where a stack, a batch and the labels have the same size."""

from __future__ import annotations

import pytest
import torch
from mlx_runner.losses.shapes import Frame, frame_of, place
from mlx_runner.specs.errors import DataError

SIZE = 4
STACK = Frame((SIZE, SIZE), -1, members=SIZE)


@pytest.mark.parametrize(
    ("given", "placed"),
    [
        ((), (1, 1, 1)),
        ((SIZE,), (1, SIZE, 1)),
        ((SIZE, 1), (1, SIZE, 1)),
        ((SIZE, SIZE), (1, SIZE, SIZE)),
        ((SIZE, SIZE, 1), (SIZE, SIZE, 1)),
        ((SIZE, 1, SIZE), (SIZE, 1, SIZE)),
    ],
)
def test_full_rank_is_by_member_less_is_shared(given: tuple[int, ...], placed: tuple[int, ...]) -> None:
    assert place(torch.zeros(given), STACK, "a mask").shape == placed


def test_what_cannot_be_shared_belongs_to_the_members() -> None:
    assert place(torch.zeros(3, 5), Frame((5, 2), -1, members=3), "a mask").shape == (3, 5, 1)


@pytest.mark.parametrize(
    ("axis", "given", "placed"),
    [
        (-1, (2, 3), (2, 3, 1)),
        (-2, (2, 4), (2, 1, 4)),
        (-2, (2,), (2, 1, 1)),
        (-1, (2, 3, 4, 1), (2, 3, 4)),
    ],
)
def test_example_elements_are_the_entries_without_the_axis(
    axis: int, given: tuple[int, ...], placed: tuple[int, ...]
) -> None:
    assert place(torch.zeros(given), Frame((2, 3, 4), axis), "a mask").shape == placed


def test_values_stay_with_their_rows() -> None:
    weight = torch.arange(3.0)
    assert place(weight, Frame((3, 2), -1), "sample weights").expand(3, 2)[:, 1].tolist() == [0.0, 1.0, 2.0]


def test_a_mask_that_fits_nowhere() -> None:
    with pytest.raises(DataError, match=r"a mask of shape \(3\) cannot .* a prediction of shape \(2, 3\)"):
        place(torch.zeros(3), Frame((2, 3), -1), "a mask")


def test_an_axis_counts_without_the_members() -> None:
    assert frame_of(torch.zeros(7, 2, 3, 4), axis=1, member_axis=True) == Frame((2, 3, 4), -2, 7)
