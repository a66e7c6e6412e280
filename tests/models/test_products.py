"""Products by either library are the same numbers, forward and backward, for one network and for a stack."""

from __future__ import annotations

import pytest
import torch
from mlx_runner.models import products
from mlx_runner.models.products import affine_product, product

LARGE, SMALL = (128, 200, 100), (16, 20, 10)


def operands(shape: tuple[int, int, int], lead: tuple[int, ...], dtype: torch.dtype) -> list[torch.Tensor]:
    rows, inputs, units = shape
    generator = torch.Generator().manual_seed(0)
    sizes = [(*lead, rows, inputs), (*lead, inputs, units), (*lead, units), (*lead, rows, units)]
    return [torch.randn(size, generator=generator, dtype=dtype) for size in sizes]


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, ...]]:
    """The shapes of what oneDNN multiplied."""
    seen: list[tuple[int, ...]] = []
    multiply = products._multiply

    def counted(left: torch.Tensor, right: torch.Tensor, bias: torch.Tensor | None = None) -> torch.Tensor:
        seen.append((*left.shape, right.shape[-1]))
        return multiply(left, right, bias)

    monkeypatch.setattr(products, "_multiply", counted)
    return seen


@pytest.mark.parametrize("lead", [(), (3,)], ids=["one", "stack"])
@pytest.mark.parametrize("with_bias", [True, False])
@pytest.mark.parametrize(("shape", "is_large"), [(LARGE, True), (SMALL, False)], ids=["large", "small"])
def test_value_and_gradients(
    shape: tuple[int, int, int],
    is_large: bool,
    with_bias: bool,
    lead: tuple[int, ...],
    calls: list[tuple[int, ...]],
) -> None:
    values, kernel, bias, weights = operands(shape, lead, torch.float32)
    # As the weights of a layer lie in memory: by columns.
    kernel = kernel.mT.contiguous().mT
    given = [values, kernel, bias] if with_bias else [values, kernel]
    single = [each.clone().requires_grad_() for each in given]
    result = affine_product(single[0], single[1], single[2] if with_bias else None)
    (result * weights).sum().backward()
    assert bool(calls) is is_large
    double = [each.double().requires_grad_() for each in given]
    expected = torch.einsum("...bi,...iu->...bu", double[0], double[1])
    if with_bias:
        expected = expected + double[2].unsqueeze(-2)
    (expected * weights).sum().backward()
    torch.testing.assert_close(result.double(), expected, rtol=1e-4, atol=1e-4)
    for found, wanted in zip(single, double, strict=True):
        assert found.grad is not None
        torch.testing.assert_close(found.grad.double(), wanted.grad, rtol=1e-4, atol=1e-4)


def test_inputs_without_a_gradient_get_none(calls: list[tuple[int, ...]]) -> None:
    """The first layer multiplies for its output and its kernel, and not a third time."""
    values, kernel, bias, _ = operands(LARGE, (), torch.float32)
    affine_product(values, kernel.requires_grad_(), bias.requires_grad_()).sum().backward()
    rows, inputs, units = LARGE
    assert calls == [(rows, inputs, units), (units, rows, inputs)]


def test_float64_stays_with_the_other_library(calls: list[tuple[int, ...]]) -> None:
    values, kernel, bias, _ = operands(LARGE, (), torch.float64)
    torch.testing.assert_close(affine_product(values, kernel, bias), values @ kernel + bias)
    assert not calls


@pytest.mark.parametrize("lead", [(), (2,)], ids=["one", "stack"])
def test_product_of_what_lies_transposed(lead: tuple[int, ...], calls: list[tuple[int, ...]]) -> None:
    values, _, _, weights = operands(LARGE, lead, torch.float32)
    found = product(values.mT, weights)
    assert len(calls) == (lead[0] if lead else 1)
    torch.testing.assert_close(found.double(), values.double().mT @ weights.double(), rtol=1e-4, atol=1e-4)


def test_both_libraries_round_alike_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    values, kernel, bias, _ = operands(LARGE, (), torch.float32)
    large = affine_product(values, kernel, bias)
    monkeypatch.setattr(products, "_has_onednn", False)
    torch.testing.assert_close(large, affine_product(values, kernel, bias), rtol=1e-5, atol=1e-4)
