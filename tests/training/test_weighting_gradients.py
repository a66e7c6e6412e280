"""Aggregated gradients against the papers' closed forms, on Jacobians taken one loss at a time."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import torch
from mlx_runner.specs import weighting as spec
from mlx_runner.training.step import train_step
from mlx_runner.training.weighting_gradients import build_aggregator

pytest.importorskip("torchjd")

OWN = [1.0, 1.0, 2.0]
SHARED = {"bottom": 3, "top": 2}
KINDS = ["pcgrad", "mgda", "upgrad", "cagrad", "imtl_g"]


def conflicting(terms: int, size: int = 7, seed: int = 0) -> torch.Tensor:
    """Gradients (terms, size) of different lengths, every two of which conflict."""
    generator = torch.Generator().manual_seed(seed)
    basis = torch.linalg.qr(torch.randn(size, size, generator=generator, dtype=torch.float64)).Q
    rows = basis[:terms] - basis[:terms].mean(0) + 0.4 * basis[-1]
    assert ((rows @ rows.T)[~torch.eye(terms, dtype=torch.bool)] < 0).all()
    return rows * torch.arange(1, terms + 1, dtype=torch.float64)[:, None]


def numbers(vector: torch.Tensor) -> pytest.approx:
    return pytest.approx(vector.tolist(), rel=1e-6, abs=1e-9)


def test_pcgrad_projects_two_tasks_off_each_other() -> None:
    """Yu et al. 2020, algorithm 1: the sum of g_i - (g_i.g_j / |g_j|^2) g_j."""
    one, two = conflicting(2)
    expected = one - (one @ two) / (two @ two) * two + two - (one @ two) / (one @ one) * one
    assert build_aggregator(spec.PCGrad())(torch.stack([one, two])).tolist() == numbers(expected)
    agreeing = torch.stack([one, one + 0.1 * two])
    assert build_aggregator(spec.PCGrad())(agreeing).tolist() == numbers(agreeing.sum(0))


@pytest.mark.parametrize("agree", [False, True])
def test_mgda_of_two_tasks_is_the_closed_form(agree: bool) -> None:
    """Desideri 2012: alpha = clip((g2 - g1).g2 / |g1 - g2|^2, 0, 1); 0 where g1 is longer and agrees."""
    one, two = conflicting(2, seed=1)
    one = one + 2 * two if agree else one
    alpha = float(torch.clamp((two - one) @ two / (one - two).square().sum(), 0.0, 1.0))
    assert alpha == 0.0 if agree else 0.1 < alpha < 0.9
    found = build_aggregator(spec.MGDA())(torch.stack([one, two]))
    assert found.tolist() == numbers(alpha * one + (1 - alpha) * two)


@pytest.mark.parametrize("terms", [2, 3, 4])
def test_imtl_g_is_the_closed_form_of_its_paper(terms: int) -> None:
    """Liu et al. 2021b: alpha_2..T = g1 U^T (D U^T)^-1, D_i = g1 - g_i, U_i = u1 - u_i; equal projections."""
    rows = conflicting(terms)
    units = rows / rows.norm(dim=1, keepdim=True)
    differences, directions = rows[0] - rows[1:], units[0] - units[1:]
    rest = rows[0] @ directions.T @ torch.linalg.inv(differences @ directions.T)
    expected = torch.cat([1 - rest.sum(0, keepdim=True), rest]) @ rows
    found = build_aggregator(spec.IMTLG())(rows)
    assert found.tolist() == numbers(expected)
    projections = (units @ found).tolist()
    assert projections == pytest.approx([projections[0]] * terms)


@pytest.mark.parametrize("c", [0.2, 0.5, 0.9])
def test_cagrad_has_the_best_worst_case_in_its_ball(c: float) -> None:
    """Liu et al. 2021: max over |d - g0| <= c |g0| of min_i g_i.d, against 20000 points of it."""
    rows = conflicting(3)
    mean = rows.mean(0)
    found = build_aggregator(spec.CAGrad(c=c))(rows)
    radius = float(c * mean.norm())
    assert float((found - mean).norm()) <= radius * (1 + 1e-6)
    noise = torch.randn(20000, rows.shape[1], generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    points = mean + radius * noise / noise.norm(dim=1, keepdim=True)
    best = float((points @ rows.T).min(1).values.max())
    assert best <= float((rows @ found).min()) + 1e-4
    assert build_aggregator(spec.CAGrad(c=0.0))(rows).tolist() == numbers(mean)


def test_upgrad_conflicts_with_nobody() -> None:
    """Quinton and Rey 2024: the mean of the gradients, each projected onto the cone {d: g_i.d >= 0}."""
    one, two = conflicting(2)
    projected = (one - (one @ two) / (two @ two) * two, two - (one @ two) / (one @ one) * one)
    found = build_aggregator(spec.UPGrad())(torch.stack([one, two]))
    assert found.tolist() == pytest.approx((sum(projected) / 2).tolist(), rel=1e-2, abs=1e-3)
    rows = conflicting(4)
    rows[-1] *= 10
    found = build_aggregator(spec.UPGrad())(rows)
    cosines = rows @ found / rows.norm(dim=1) / found.norm()
    assert float(cosines.min()) > -1e-3
    assert float((rows @ rows.mean(0)).min()) < 0  # the plain mean would hurt somebody


def jacobian(network, losses, names) -> dict[str, torch.Tensor]:
    """By parameter, every loss's gradient (T, n): zeros where it does not reach."""
    parameters = dict(network.named_parameters())
    rows = {name: [] for name in names}
    for loss in losses:
        gradients = torch.autograd.grad(loss, list(parameters.values()), allow_unused=True)
        for name, parameter, gradient in zip(parameters, parameters.values(), gradients, strict=True):
            rows[name].append((torch.zeros_like(parameter) if gradient is None else gradient).flatten())
    return {name: torch.stack(each) for name, each in rows.items()}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("penalized", [False, True])
def test_shared_weights_get_one_gradient_and_others_their_own(
    weighed, workshop_of, batches_of, plain_losses, kind, penalized
) -> None:
    """`bottom` is shared by three losses and `top` by two, which form one Jacobian of weighted losses."""
    experiment = weighed({"type": kind})
    if penalized:
        document = experiment.model_dump(by_alias=True)
        for layer in ("bottom", "image_output"):
            document["model"]["layers"][layer]["kernel_regularizer"] = {"l2": 0.3}
        experiment = type(experiment).model_validate(document, strict=False)
    workshop = workshop_of(experiment)
    trainee, other = (workshop.build([experiment], stacked=False) for _ in range(2))
    batch = batches_of(experiment, workshop, 1)[0]
    losses = [own * loss for own, loss in zip(OWN, plain_losses(other.network, batch), strict=True)]
    by_name = jacobian(other.network, losses, list(trainee.parameters.segments))
    shared = [name for name in by_name if name.split(".")[1] in SHARED]
    aggregated = build_aggregator(experiment.weighting)(torch.cat([by_name[name] for name in shared], 1))
    train_step(trainee, batch)
    start = 0
    for name, rows in by_name.items():
        if name in shared:
            expected = aggregated[start : start + rows.shape[1]]
            start += rows.shape[1]
        else:
            expected = rows.sum(0)
        if penalized and name in ("layers.bottom.kernel", "layers.image_output.kernel"):
            expected = expected + 2 * 0.3 * other.network.get_parameter(name).detach().flatten()
        before, after = (each.network.get_parameter(name).detach() for each in (other, trainee))
        found = (before - after).flatten() / experiment.optimizer.learning_rate
        assert torch.allclose(found, expected, rtol=1e-6, atol=1e-9), name


def test_pcgrads_order_is_a_function_of_seed_and_step(weighed, workshop_of, batches_of) -> None:
    """Three losses are gone through in a random order, drawn apart from PyTorch's own generator."""
    experiment = weighed({"type": "pcgrad"})
    workshop = workshop_of(experiment)
    gradients = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        before = torch.get_rng_state()
        trainee = workshop.build([experiment], stacked=False)
        train_step(trainee, batches_of(experiment, workshop, 1)[0])
        assert torch.equal(torch.get_rng_state(), before)
        gradients.append(trainee.parameters.gradients.clone())
    assert torch.equal(*gradients)


def test_a_term_without_weight_stops_nobody(weighed, workshop_of, batches_of) -> None:
    """MGDA would take its gradient, 0, for the shortest combination of all."""
    losses = weighed({"type": "mgda"}).model_dump()["losses"]
    losses["digit"]["weight"] = 0.0
    experiment = weighed({"type": "mgda"}, losses=losses)
    workshop = workshop_of(experiment)
    trainee = workshop.build([experiment], stacked=False)
    train_step(trainee, batches_of(experiment, workshop, 1)[0])
    segments = trainee.parameters.segments
    assert float(segments["layers.bottom.kernel"].norm()) > 0
    assert float(segments["layers.digit_output.kernel"].norm()) == 0


def test_a_gradient_that_is_not_finite_meets_no_solver(weighed, workshop_of, batches_of) -> None:
    experiment = weighed({"type": "upgrad"})
    workshop = workshop_of(experiment)
    trainee = workshop.build([experiment], stacked=False)
    with torch.no_grad():
        trainee.network.get_parameter("layers.bottom.kernel")[0, 0] = np.nan
    train_step(trainee, batches_of(experiment, workshop, 1)[0])
    assert bool(trainee.frozen)


def test_torchjd_is_imported_where_it_is_used() -> None:
    import subprocess

    code = "import sys, mlx_runner.training.run; print('torchjd' in sys.modules, 'cvxpy' in sys.modules)"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "False False"
