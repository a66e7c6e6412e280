"""The hand-written recurrences against finite differences, their plain form, and PyTorch."""

from __future__ import annotations

import pytest
import torch
from mlx_runner.models.plain_recurrence import trace_gru, trace_lstm, trace_simple_rnn
from mlx_runner.models.recurrence import library_lstm, run_gru, run_lstm, run_simple_rnn
from torch import Tensor, nn

T, B, U, K = 4, 3, 2, 2
CELLS = {
    "lstm": (4, run_lstm, trace_lstm),
    "gru": (3, run_gru, trace_gru),
    "simple_rnn": (1, run_simple_rnn, trace_simple_rnn),
}


def arguments(cell: str, members: int | None, *, bias: bool = True) -> list[Tensor | None]:
    generator = torch.Generator().manual_seed(0)
    lead = () if members is None else (members,)
    width = CELLS[cell][0] * U

    def drawn(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float64).requires_grad_()

    given: list[Tensor | None] = [drawn(T, *lead, B, width), drawn(*lead, U, width)]
    if cell == "gru":
        given.append(drawn(*lead, width) if bias else None)
    return given


def masks(members: int | None) -> list[Tensor | None]:
    mask = torch.tensor([[0, 1, 1], [1, 0, 1], [0, 0, 1], [1, 0, 1]], dtype=torch.bool).view(T, B, 1)
    if members is None:
        return [None, mask]
    return [None, mask.unsqueeze(1), torch.stack((mask, mask.flip(0)), dim=1)]


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("members", [None, K])
def test_gradients_against_finite_differences(cell: str, members: int | None) -> None:
    _, run, _ = CELLS[cell]
    for mask in masks(members):
        given = arguments(cell, members)
        assert torch.autograd.gradcheck(lambda *given, mask=mask: run(*given, mask), given)


def test_gru_without_bias() -> None:
    assert torch.autograd.gradcheck(run_gru, arguments("gru", None, bias=False))


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("members", [None, K])
def test_the_plain_form_gives_the_same(cell: str, members: int | None) -> None:
    _, run, trace = CELLS[cell]
    for mask in masks(members):
        given = arguments(cell, members)
        torch.testing.assert_close(trace(*given, mask), run(*given, mask), rtol=1e-12, atol=1e-12)


def test_lstm_equals_pytorch() -> None:
    torch.manual_seed(0)
    reference = nn.LSTM(5, 6).double()
    nn.init.zeros_(reference.bias_hh_l0)
    inputs = torch.randn(7, 3, 5, dtype=torch.float64)
    weights = [reference.weight_ih_l0, reference.weight_hh_l0, reference.bias_ih_l0]
    own = [each.detach().clone().requires_grad_() for each in weights]
    # PyTorch's gates have Keras's order, its weights lie the other way round.
    states = run_lstm(inputs @ own[0].T + own[2], own[1].T)
    expected, _ = reference(inputs)
    torch.testing.assert_close(states, expected, rtol=1e-12, atol=1e-12)
    upstream = torch.randn_like(states)
    gradients = torch.autograd.grad(states, own, upstream)
    for gradient, right in zip(gradients, torch.autograd.grad(expected, weights, upstream), strict=True):
        torch.testing.assert_close(gradient, right, rtol=1e-10, atol=1e-10)


def test_two_backward_passes_give_the_same() -> None:
    given = arguments("lstm", None)
    states = run_lstm(*given)
    first = torch.autograd.grad(states.square().sum(), given, retain_graph=True)
    second = torch.autograd.grad(states.square().sum(), given)
    for one, other in zip(first, second, strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("with_bias", [True, False])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_pytorchs_lstm_is_the_same_function(dtype: torch.dtype, with_bias: bool) -> None:
    generator = torch.Generator().manual_seed(0)

    def drawn(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator, dtype=dtype).mul_(0.5).requires_grad_()

    inputs, kernel, recurrent_kernel = drawn(7, 3, 5), drawn(5, 16), drawn(4, 16)
    weights = [inputs, kernel, recurrent_kernel, *([drawn(16)] if with_bias else [])]
    bias = weights[3] if with_bias else None
    factor = torch.randn(7, 3, 4, generator=generator, dtype=dtype)
    projected = inputs @ kernel if bias is None else inputs @ kernel + bias
    ours = run_lstm(projected, recurrent_kernel)
    theirs = library_lstm(inputs, kernel, recurrent_kernel, bias)
    near = {"rtol": 1e-9, "atol": 1e-11} if dtype == torch.float64 else {"rtol": 1e-4, "atol": 1e-5}
    torch.testing.assert_close(theirs, ours, **near)
    expected = torch.autograd.grad((ours * factor).sum(), weights)
    found = torch.autograd.grad((theirs * factor).sum(), weights)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, **near)
