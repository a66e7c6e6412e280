"""Which parameters a loss reaches, against what autograd finds on a real network."""

from __future__ import annotations

import torch
from mlx_runner.training.reach import reached_layers, term_reach

LAYERS = {
    "bottom": {"type": "dense", "units": 5, "activation": "tanh"},
    "frozen": {"type": "dense", "units": 5, "trainable": False},
    "top": {"type": "dense", "units": 5},
    "again": {"shares": "top", "of": "top"},
    "stopped": {"type": "stop_gradient", "of": "bottom"},
    "side": {"type": "dense", "of": "stopped", "units": 4},
    "labels_output": {"type": "dense", "of": "again", "units": 6, "activation": "sigmoid"},
    "digit_output": {"type": "dense", "of": ["side"], "units": 10, "activation": "softmax"},
    "image_output": {"type": "dense", "of": "bottom", "units": 784},
}


def test_reach_is_what_autograd_finds(weighed, workshop_of, batches_of, plain_losses) -> None:
    outputs = ["labels_output", "digit_output", "image_output"]
    experiment = weighed({"type": "fixed"}, model={"inputs": "image", "layers": LAYERS, "outputs": outputs})
    workshop = workshop_of(experiment)
    network = workshop.build([experiment], stacked=False).network
    trained = {name: each for name, each in network.named_parameters() if each.requires_grad}
    batch = batches_of(experiment, workshop, 1)[0]
    found = {}
    for name, loss in zip(experiment.losses, plain_losses(network, batch), strict=True):
        gradients = torch.autograd.grad(loss, list(trained.values()), allow_unused=True)
        found[name] = {key for key, each in zip(trained, gradients, strict=True) if each is not None}
    reach = term_reach(network, workshop.objective)
    assert {name: set(each) for name, each in reach.items()} == found
    assert reach == term_reach(workshop.blueprint.network, workshop.objective)
    assert reached_layers(network, reach["labels"]) == ["bottom", "top", "labels_output"]
    assert reached_layers(network, reach["digit"]) == ["side", "digit_output"]
    assert reached_layers(network, reach["labels"] & reach["pixels"]) == ["bottom"]
