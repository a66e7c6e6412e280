"""Learned weights against loops written by hand, with autograd where the code has closed formulas."""

from __future__ import annotations

import math

import pytest
import torch
from mlx_runner.specs.optimizers import Adam
from mlx_runner.training.member_checkpoint import START, Saved, capture_moving, restore_moving
from mlx_runner.training.step import train_step
from mlx_runner.training.weighting import take_members
from torch import nn

OWN = torch.tensor([1.0, 1.0, 2.0], dtype=torch.float64)
HALVES = torch.tensor([1.0, 1.0, 0.5], dtype=torch.float64)  # pixels is a squared error
ADAM = {"type": "adam", "learning_rate": 0.01}
ADAMW = {"type": "adamw", "learning_rate": 0.01, "weight_decay": 0.5, "global_clipnorm": 1e-3}


def steps(experiment, workshop, batches_of):
    for epoch in (1, 2):
        yield from batches_of(experiment, workshop, epoch)


@pytest.mark.parametrize("optimizer", [{"type": "sgd", "learning_rate": 0.05}, ADAM])
def test_uncertainty_follows_its_paper(weighed, workshop_of, batches_of, plain_losses, optimizer) -> None:
    """One PyTorch optimizer over network and log-variances, on Kendall's total, by autograd."""
    experiment = weighed({"type": "uncertainty"}, optimizer=optimizer)
    workshop = workshop_of(experiment)
    trainee, other = (workshop.build([experiment], stacked=False) for _ in range(2))
    network = other.network
    log_variances = nn.Parameter(torch.zeros(3, dtype=torch.float64))
    learned = [*network.parameters(), log_variances]
    kind = torch.optim.SGD if optimizer["type"] == "sgd" else torch.optim.Adam
    by_hand = kind(learned, lr=optimizer["learning_rate"])
    for batch in steps(experiment, workshop, batches_of):
        losses = torch.stack(plain_losses(network, batch))
        sigma_squared = log_variances.exp()
        total = (OWN * (HALVES * losses / sigma_squared + sigma_squared.sqrt().log())).sum()
        by_hand.zero_grad()
        total.backward()
        by_hand.step()
        ledger = train_step(trainee, batch)
        assert ledger.total.item() == pytest.approx(total.item(), rel=1e-9)
    assert trainee.knobs.weights.tolist() == pytest.approx(
        (OWN * HALVES / log_variances.exp()).tolist(), rel=1e-7
    )
    assert trainee.knobs.offsets.tolist() == pytest.approx((OWN * log_variances / 2).tolist(), rel=1e-6)
    for mine, theirs in zip(trainee.network.parameters(), network.parameters(), strict=True):
        assert torch.allclose(mine, theirs, rtol=1e-7, atol=1e-10)


def test_uncertainty_settles_at_the_losses(weighed, workshop_of, batches_of) -> None:
    """At the fixed point sigma^2 is twice the loss, or the squared error itself, whatever its own weight."""
    experiment = weighed({"type": "uncertainty"}, optimizer={"type": "sgd", "learning_rate": 0.2})
    workshop = workshop_of(experiment)
    trainee = workshop.build([experiment], stacked=False)
    batch = batches_of(experiment, workshop, 1)[0]
    ledger = train_step(trainee, batch)
    for _ in range(400):
        trainee.weighting.close_step(trainee, ledger)
    losses = ledger.raw[:3].detach()
    log_variances = 2 * trainee.knobs.offsets / OWN
    expected = torch.tensor([2.0, 2.0, 1.0], dtype=torch.float64) * losses
    assert log_variances.exp().tolist() == pytest.approx(expected.tolist(), rel=1e-6)


@pytest.mark.parametrize("alpha", [0.0, 1.5])
@pytest.mark.parametrize("optimizer", [{"type": "sgd", "learning_rate": 0.05}, ADAM])
def test_gradnorm_follows_its_paper(weighed, workshop_of, batches_of, plain_losses, optimizer, alpha) -> None:
    """L_grad written out and differentiated twice by autograd; W is the bottom layer, which all share."""
    experiment = weighed({"type": "gradnorm", "alpha": alpha}, optimizer=optimizer)
    workshop = workshop_of(experiment)
    trainee, other = (workshop.build([experiment], stacked=False) for _ in range(2))
    network = other.network
    weights = nn.Parameter(torch.ones(3, dtype=torch.float64))
    kind = torch.optim.SGD if optimizer["type"] == "sgd" else torch.optim.Adam
    for_network = kind(network.parameters(), lr=optimizer["learning_rate"])
    for_weights = kind([weights], lr=optimizer["learning_rate"])
    layer = list(network.layer("bottom").parameters())
    first = None
    for batch in steps(experiment, workshop, batches_of):
        losses = [own * loss for own, loss in zip(OWN, plain_losses(network, batch), strict=True)]
        values = torch.stack([loss.detach() for loss in losses])
        first = values if first is None else first
        norms = []
        for weight, loss in zip(weights, losses, strict=True):
            gradients = torch.autograd.grad(weight * loss, layer, create_graph=True)
            norms.append(torch.cat([each.flatten() for each in gradients]).norm())
        norms = torch.stack(norms)
        relative = values / first / (values / first).mean()
        target = (norms.mean() * relative**alpha).detach()
        (slope,) = torch.autograd.grad((norms - target).abs().sum(), weights, retain_graph=True)
        total = (weights.detach() * torch.stack(losses)).sum()
        for_network.zero_grad()
        total.backward(inputs=list(network.parameters()))
        ledger = train_step(trainee, batch)
        assert ledger.total.item() == pytest.approx(total.item(), rel=1e-9)
        weights.grad = slope
        for_network.step()
        for_weights.step()
        with torch.no_grad():
            weights.mul_(3 / weights.sum())
        assert trainee.knobs.weights.tolist() == pytest.approx((OWN * weights).tolist(), rel=1e-7)
    assert max(weights.tolist()) > 1.01


def test_gradnorm_at_a_layer_that_is_named(weighed, workshop_of, batches_of) -> None:
    """Balanced at `top`, two losses get the norms right there and nothing follows from another layer."""
    two = {
        "labels": {"type": "binary_crossentropy", "output": "labels_output", "target": "attributes"},
        "digit": {"type": "sparse_categorical_crossentropy", "output": "digit_output", "target": "digit"},
    }
    model = {
        "inputs": "image",
        "layers": {
            "bottom": {"type": "dense", "units": 5, "activation": "tanh"},
            "top": {"type": "dense", "units": 4, "activation": "tanh"},
            "labels_output": {"type": "dense", "of": "top", "units": 6, "activation": "sigmoid"},
            "digit_output": {"type": "dense", "of": "top", "units": 10, "activation": "softmax"},
        },
        "outputs": ["labels_output", "digit_output"],
    }
    found = {}
    for layer in (None, "top", "bottom"):
        experiment = weighed({"type": "gradnorm", "layer": layer}, losses=two, model=model)
        workshop = workshop_of(experiment)
        trainee = workshop.build([experiment], stacked=False)
        train_step(trainee, batches_of(experiment, workshop, 1)[0])
        found[layer] = trainee.knobs.weights.tolist()
    assert found[None] == found["top"] != found["bottom"]


@pytest.mark.parametrize("kind", ["uncertainty", "gradnorm"])
def test_learned_weights_are_no_weights_of_the_network(weighed, workshop_of, batches_of, kind) -> None:
    """Neither clipping nor decay of the network's optimizer touches them, nor do they join its gradients."""
    plain, harsh = (
        weighed({"type": kind}, optimizer=each) for each in ({**ADAMW, "weight_decay": 0.0}, ADAMW)
    )
    weights = []
    for experiment in (plain, harsh):
        workshop = workshop_of(experiment)
        trainee = workshop.build([experiment], stacked=False)
        fixed = workshop_of(weighed({"type": "fixed"})).build([experiment.model_copy()], stacked=False)
        assert set(trainee.network.state_dict()) == set(fixed.network.state_dict())
        assert trainee.parameters.values.shape == fixed.parameters.values.shape
        train_step(trainee, batches_of(experiment, workshop, 1)[0])
        assert not trainee.knobs.weights.requires_grad
        weights.append(trainee.knobs.weights.tolist())
    assert weights[0] == weights[1]
    start = (OWN * HALVES if kind == "uncertainty" else OWN).tolist()
    moved = [abs(math.log(now / then)) for now, then in zip(weights[0], start, strict=True)]
    assert (
        0.005 < max(moved) < 0.03
    )  # a step of Adam at 0.01, which a clipped gradient would not make smaller


@pytest.mark.parametrize("kind", ["uncertainty", "gradnorm"])
def test_a_term_without_weight_takes_no_part(weighed, workshop_of, batches_of, kind) -> None:
    losses = weighed({"type": kind}).model_dump()["losses"]
    losses["digit"]["weight"] = 0.0
    experiment = weighed({"type": kind}, losses=losses)
    workshop = workshop_of(experiment)
    trainee = workshop.build([experiment], stacked=False)
    for batch in steps(experiment, workshop, batches_of):
        train_step(trainee, batch)
    weights = trainee.knobs.weights
    assert float(weights[1]) == 0.0
    assert torch.isfinite(weights).all()
    if kind == "gradnorm":
        assert float((weights[[0, 2]] / OWN[[0, 2]]).sum()) == pytest.approx(2.0)


@pytest.mark.parametrize("kind", ["uncertainty", "gradnorm", "dynamic_weight_average"])
def test_a_state_goes_on_where_it_was(weighed, workshop_of, batches_of, kind) -> None:
    """Interrupted between epochs and loaded into a fresh trainee, the weights go the same way."""
    experiment = weighed({"type": kind}, optimizer=Adam(learning_rate=0.01).model_dump())
    workshop = workshop_of(experiment)
    whole, fresh = (workshop.build([experiment], stacked=False) for _ in range(2))
    for batch in batches_of(experiment, workshop, 1):
        ledger = train_step(whole, batch)
    whole.weighting.close_epoch(whole, ledger)
    tensors, facts = capture_moving(whole, None, None)
    facts["member"] = {"kept_epoch": 0, "best_weights": {}}
    restore_moving(fresh, [Saved(START, {name: each.clone() for name, each in tensors.items()}, facts)])
    for trainee in (whole, fresh):
        trainee.weighting.open_epoch(trainee, 2)
    assert torch.equal(whole.knobs.weights, fresh.knobs.weights)
    for batch in batches_of(experiment, workshop, 2):
        assert torch.equal(train_step(whole, batch).total, train_step(fresh, batch).total)
    assert torch.equal(whole.knobs.weights, fresh.knobs.weights)


def test_members_are_taken_by_their_rows(weighed, workshop_of, batches_of) -> None:
    experiment = weighed({"type": "uncertainty"})
    seeds = [experiment.model_copy(update={"seed": seed}) for seed in (1, 2, 3)]
    workshop = workshop_of(experiment)
    stack = workshop.build(seeds, stacked=True)
    train_step(stack, batches_of(experiment, workshop, 1)[0])
    narrower = workshop.build([seeds[0], seeds[2]], stacked=True)
    take_members(narrower.weighting, stack.weighting, [0, 2])
    narrower.weighting.open_epoch(narrower, 2)
    assert torch.equal(narrower.knobs.weights, stack.knobs.weights[:, [0, 2]])
    assert torch.equal(narrower.knobs.offsets, stack.knobs.offsets[:, [0, 2]])
    assert not torch.equal(narrower.knobs.weights[:, 0], narrower.knobs.weights[:, 1])
