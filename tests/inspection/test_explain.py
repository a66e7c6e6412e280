"""Every number of an explanation against autograd done by hand, on the networks that the project is about."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from mlx_runner.data import Table
from mlx_runner.inspection.explain import Explanation, explain
from mlx_runner.models import Network
from mlx_runner.specs.experiment import Experiment
from mlx_runner.specs.load import load_experiment
from mlx_runner.training.assemble import Workshop, open_workshop
from mlx_runner.training.blueprint import draw_blueprint
from mlx_runner.training.seeding import epoch_order
from torch import Tensor
from torch.nn import functional as F

Small = Callable[..., Experiment]
Losses = Callable[[dict[str, Tensor], Table], dict[str, Tensor]]

NUM_BATCHES = 3


def _headline(outputs: dict[str, Tensor], batch: Table) -> dict[str, Tensor]:
    target = batch.targets["shared"].double()
    return {
        "main": F.binary_cross_entropy(outputs["main_output"], target),
        "aux": F.binary_cross_entropy(outputs["aux_output"], target),
    }


def _autoencoder(outputs: dict[str, Tensor], batch: Table) -> dict[str, Tensor]:
    return {"pixels": F.binary_cross_entropy(outputs["pixels"], batch.inputs["image"])}


def _attributes(outputs: dict[str, Tensor], batch: Table) -> dict[str, Tensor]:
    return {"attributes": F.binary_cross_entropy(outputs["attributes"], batch.targets["attributes"].double())}


NETWORKS: dict[str, Losses] = {
    "headline": _headline,
    "autoencoder": _autoencoder,
    "multilabel_attributes": _attributes,
}


@dataclass(frozen=True, eq=False)
class Case:
    """A network at its initial weights, its batches, its losses by hand, and what was explained of it."""

    experiment: Experiment
    workshop: Workshop
    network: Network
    batches: list[Table]
    losses: Losses
    explanation: Explanation

    def layers(self) -> Iterator[tuple[str, list[Tensor]]]:
        for node in self.network.graph.nodes:
            parameters = list(self.network.layer(node.owner).parameters())
            if parameters:
                yield node.name, parameters

    def gradients(self, batch: Table, parameters: list[Tensor]) -> dict[str, Tensor]:
        """By term, one flat gradient, by a forward and a backward pass of its own each."""
        found: dict[str, Tensor] = {}
        for name in self.losses(self.network(batch.inputs), batch):
            loss = self.losses(self.network(batch.inputs), batch)[name]
            grads = torch.autograd.grad(loss, parameters, allow_unused=True)
            flat = [
                torch.zeros_like(one) if grad is None else grad
                for one, grad in zip(parameters, grads, strict=True)
            ]
            found[name] = torch.cat([each.reshape(-1) for each in flat])
        return found

    def weights(self) -> dict[str, float]:
        return {name: loss.weight for name, loss in self.experiment.losses.items()}


@pytest.fixture(scope="module", params=list(NETWORKS))
def case(request: pytest.FixtureRequest, small: Small) -> Case:
    experiment = small(request.param)
    workshop = open_workshop(draw_blueprint(experiment), torch.device("cpu"))
    network = workshop.build([experiment], stacked=False).network
    train = workshop.splits.train
    order = epoch_order(experiment.seed, 1, len(train))
    parts = torch.split(order, experiment.training.batch_size)[:NUM_BATCHES]
    batches = [train.gather(part, torch.float64) for part in parts]
    explanation = explain(experiment, batches=NUM_BATCHES, device="cpu")
    return Case(experiment, workshop, network, batches, NETWORKS[request.param], explanation)


def test_the_update_is_one_adam_step_on_the_weighted_sum(case: Case) -> None:
    update, batch, weights = case.explanation.update, case.batches[0], case.weights()
    values = {name: each.item() for name, each in case.losses(case.network(batch.inputs), batch).items()}
    assert {term.name: term.raw for term in update.terms} == pytest.approx(values, rel=1e-9)
    assert {term.name: term.weight for term in update.terms} == pytest.approx(weights)
    total = sum(weights[name] * value for name, value in values.items())
    assert update.total == pytest.approx(total, rel=1e-9)
    assert sum(term.weighted for term in update.terms) == pytest.approx(total, rel=1e-9)
    assert sum(term.share for term in update.terms) == pytest.approx(1.0)
    parameters = list(case.network.parameters())
    gradients = case.gradients(batch, parameters)
    gradient = sum(weights[name] * each for name, each in gradients.items())
    assert isinstance(gradient, Tensor)
    assert update.gradient_norm == pytest.approx(float(gradient.norm()), rel=1e-9)
    assert update.largest_gradient == pytest.approx(float(gradient.abs().max()), rel=1e-9)
    assert update.deviation < 1e-14
    # Keras's Adam at its first step, of m = (1 - b1) g and v = (1 - b2) g^2.
    first, second = (1 - 0.9) * gradient, (1 - 0.999) * gradient.square()
    step = 0.001 * math.sqrt(1 - 0.999) / (1 - 0.9) * first / (second.sqrt() + 1e-7)
    assert update.update_norm == pytest.approx(float(step.norm()), rel=1e-6)
    assert update.optimizer_steps == 1
    assert update.batch_size == len(batch)
    assert update.weights == sum(each.numel() for each in parameters)
    assert update.changed_weights == int((gradient != 0).sum())
    moved = dict(zip(parameters, torch.split(step, [each.numel() for each in parameters]), strict=True))
    with torch.no_grad():
        for each, change in moved.items():
            each.sub_(change.view(each.shape))
        after = case.losses(case.network(batch.inputs), batch)
        for each, change in moved.items():
            each.add_(change.view(each.shape))
    expected = sum(weights[name] * float(each) for name, each in after.items())
    assert update.total_after == pytest.approx(expected, rel=1e-7)


def test_norms_shares_and_agreement(case: Case) -> None:
    weights = case.weights()
    reach = {each.layer: each for each in case.explanation.reach}
    agreement = {(each.layer, each.terms): each for each in case.explanation.agreement}
    pairs = 0
    assert list(reach) == [layer for layer, _ in case.layers()]
    for layer, parameters in case.layers():
        by_batch = [case.gradients(batch, parameters) for batch in case.batches]
        totals = [sum(weights[name] * grad for name, grad in each.items()) for each in by_batch]
        square = sum(float(total.square().sum()) for total in totals)
        for name in weights:
            grads = [each[name] for each in by_batch]
            if not any(bool(grad.any()) for grad in grads):
                assert name not in reach[layer].norms
                continue
            norm = sum(float(grad.norm()) for grad in grads) / NUM_BATCHES
            assert reach[layer].norms[name] == pytest.approx(norm, rel=1e-9)
            dots = sum(
                float((weights[name] * grad) @ total) for grad, total in zip(grads, totals, strict=True)
            )
            assert reach[layer].shares[name] == pytest.approx(dots / square, rel=1e-9)
        for one, other in itertools.combinations(reach[layer].norms, 2):
            cosines = torch.stack(
                [F.cosine_similarity(each[one], each[other], dim=0, eps=0.0) for each in by_batch]
            )
            found = agreement[layer, (one, other)]
            assert found.mean == pytest.approx(float(cosines.mean()), rel=1e-9)
            assert found.std == pytest.approx(float(cosines.std()), rel=1e-9)
            assert found.batches == NUM_BATCHES
            pairs += 1
    assert pairs == len(agreement)
    assert case.explanation.unreached == ()


def test_floors(case: Case) -> None:
    table = case.workshop.splits.test
    assert table is not None
    batch = table.batch(0, len(table), torch.float64)
    with torch.no_grad():
        losses = case.losses(case.network(batch.inputs), batch)
    for floor in case.explanation.floors:
        assert floor.split == "test"
        assert floor.loss == pytest.approx(float(losses[floor.term]), rel=1e-9)
        target = batch.reference(case.experiment.losses[floor.term].target).double()
        entropy = F.binary_cross_entropy(target, target)
        assert floor.floor == pytest.approx(float(entropy), abs=1e-9)
        assert floor.distance == pytest.approx(floor.loss - float(entropy), rel=1e-9)


def test_aux_reaches_what_is_below_it_and_main_all_but_aux_output(small: Small) -> None:
    reach = explain(small("headline"), batches=1).reach
    by_term = {name: {each.layer for each in reach if name in each.norms} for name in ("main", "aux")}
    assert by_term["aux"] == {"embedding", "lstm", "aux_output"}
    assert by_term["main"] == {"embedding", "lstm", "dense_1", "dense_2", "dense_3", "main_output"}


def test_each_column_of_the_last_kernel_belongs_to_its_label(small: Small) -> None:
    experiment = small("multilabel_attributes")
    (labels,) = explain(experiment, batches=NUM_BATCHES).labels
    workshop = open_workshop(draw_blueprint(experiment), torch.device("cpu"))
    network = workshop.build([experiment], stacked=False).network
    train = workshop.splits.train
    order = torch.split(epoch_order(0, 1, len(train)), 128)[:NUM_BATCHES]
    hidden, last = network.layer("hidden"), network.layer("attributes")
    layers = {"hidden": list(hidden.parameters()), "attributes": list(last.parameters())}
    norms = {layer: [0.0] * 6 for layer in layers}
    cosines = {layer: torch.zeros(NUM_BATCHES, 6, dtype=torch.float64) for layer in layers}
    moved = {layer: [torch.zeros(0)] * 6 for layer in layers}
    for number, rows in enumerate(order):
        batch = train.gather(rows, torch.float64)
        for layer, parameters in layers.items():
            parts: list[Tensor] = []
            for label in range(6):
                outputs = network(batch.inputs)["attributes"][:, label]
                # One sixth: the term is the mean over the labels.
                loss = F.binary_cross_entropy(outputs, batch.targets["attributes"][:, label].double()) / 6
                grads = torch.autograd.grad(loss, parameters)
                parts.append(torch.cat([each.reshape(-1) for each in grads]))
                if layer == "attributes":
                    others = [column for column in range(6) if column != label]
                    assert not grads[0][:, others].any()
                    assert not grads[1][others].any()
                    assert grads[0][:, label].any()
            for label, part in enumerate(parts):
                rest = sum(each for other, each in enumerate(parts) if other != label)
                assert isinstance(rest, Tensor)
                norms[layer][label] += float(part.norm()) / NUM_BATCHES
                cosines[layer][number, label] = F.cosine_similarity(part, rest, dim=0, eps=0.0)
                before = moved[layer][label]
                moved[layer][label] = (part != 0) | (before if len(before) else False)
    found = {each.layer: each for each in labels.layers}
    for layer in layers:
        counts = torch.stack(moved[layer]).sum(0)
        assert found[layer].one == int((counts == 1).sum())
        assert found[layer].several == int((counts > 1).sum())
        assert found[layer].none == int((counts == 0).sum())
        assert list(found[layer].norms.values()) == pytest.approx(norms[layer], rel=1e-9)
        own = [int(((counts == 1) & mask).sum()) for mask in moved[layer]]
        assert list(found[layer].own.values()) == own
        if layer == "hidden":
            means = [float(value) for value in cosines[layer].mean(0)]
            assert list(found[layer].agreement.values()) == pytest.approx(means, rel=1e-9)
    assert found["attributes"].own == dict.fromkeys(labels.labels, 7)
    assert not found["attributes"].is_shared


SOFTMAX = """\
name: softmax
data: {source: mnist, shape: [784], samples: 300, test_samples: 100}
model:
  inputs: [image]
  layers:
    hidden: {type: dense, units: 8, activation: tanh}
    drop: {type: dropout, rate: 0.3}
    normal: {type: batch_normalization}
    digits: {type: dense, units: 10, activation: softmax, kernel_regularizer: {l2: 0.02}}
  outputs: [digits]
losses:
  digits: {type: categorical_crossentropy, output: digits, target: digits, label_smoothing: 0.1, CLASSES}
training: {batch_size: 50, precision: float64}
"""


@pytest.mark.parametrize("weighted", ["weight: 2.0", "class_weight: {'3': 5.0}"])
def test_the_labels_of_a_softmax_compete_for_every_column(tmp_path: Path, weighted: str) -> None:
    (tmp_path / "softmax.yaml").write_text(SOFTMAX.replace("CLASSES", weighted), "utf-8")
    experiment = load_experiment(str(tmp_path / "softmax.yaml"))
    found = explain(experiment, batches=2)
    (labels,) = found.labels
    last = {each.layer: each for each in labels.layers}["digits"]
    assert (last.one, last.several, last.none) == (0, 90, 0)
    # The labels' parts add up to the term: by hand, from the same noise and the same batch statistics.
    workshop = open_workshop(draw_blueprint(experiment), torch.device("cpu"))
    trainee = workshop.build([experiment], stacked=False)
    kernel = trainee.network.layer("digits").get_parameter("kernel")
    order = torch.split(epoch_order(0, 1, len(workshop.splits.train)), 50)[:2]
    norms = torch.zeros(10, dtype=torch.float64)
    regularization, whole = 0.0, 0.0
    for number, rows in enumerate(order):
        trainee.network.noise.step.fill_(number)
        batch = workshop.splits.train.gather(rows, torch.float64)
        logits = trainee.network.score(batch.inputs)["digits"].logits
        assert logits is not None
        target = batch.targets["digits"].double()
        weights = torch.where(target[:, 3] == 1, 5.0, 1.0) if "class" in weighted else torch.ones(50)
        smooth = target * 0.9 + 0.01
        parts = -(weights.double().unsqueeze(1) * smooth * logits.log_softmax(-1)).mean(0)
        parameters = list(trainee.network.layer("digits").parameters())
        grads = [torch.autograd.grad(part, parameters, retain_graph=True) for part in parts]
        flat = torch.stack([torch.cat([each.reshape(-1) for each in grad]) for grad in grads])
        norms += flat.norm(dim=1) / 2
        whole += float(flat.sum(0).norm()) / 2
        regularization += (2 * 0.02 * kernel).norm().item() / 2
    assert list(last.norms.values()) == pytest.approx(norms.tolist(), rel=1e-9)
    reach = {each.layer: each for each in found.reach}["digits"]
    assert reach.norms["digits"] == pytest.approx(whole, rel=1e-9)
    assert reach.norms["regularization"] == pytest.approx(regularization, rel=1e-9)
    assert sum(value or 0.0 for value in reach.shares.values()) == pytest.approx(1.0)
    assert found.update.deviation < 1e-13
    assert "regularization" not in {each.layer: each for each in found.reach}["hidden"].norms


def test_a_layer_that_no_loss_reaches_is_named(tmp_path: Path) -> None:
    text = SOFTMAX.replace("drop: {type: dropout, rate: 0.3}", "drop: {type: stop_gradient}")
    (tmp_path / "stopped.yaml").write_text(text.replace(", CLASSES", ""), "utf-8")
    found = explain(load_experiment(str(tmp_path / "stopped.yaml")), batches=1)
    assert found.unreached == ("hidden",)
    assert found.document()["reach"]["hidden"] == {"digits": None, "regularization": None}  # type: ignore[index]


@pytest.mark.parametrize("entries", [1, 3 * 4752])
def test_a_small_budget_asks_in_turns_and_finds_the_same(
    small: Small, monkeypatch: pytest.MonkeyPatch, entries: int
) -> None:
    experiment = small("multilabel_attributes")
    at_once = explain(experiment, batches=2).document()
    monkeypatch.setattr("mlx_runner.training.shared_stack._MOST_ENTRIES", entries)
    in_turns = explain(experiment, batches=2).document()
    for key in ("reach", "shares", "labels"):
        assert _numbers(in_turns[key]) == pytest.approx(_numbers(at_once[key]), rel=1e-9, abs=1e-12)


def _numbers(document: object) -> list[float]:
    if isinstance(document, dict):
        return [number for value in document.values() for number in _numbers(value)]
    return [float(document)] if isinstance(document, int | float) else []


def _many(num_terms: int, num_labels: int) -> str:
    """A network with a term per head, each of which has labels."""
    heads = "".join(
        f"    head_{index}: {{type: dense, of: hidden, units: {num_labels}, activation: sigmoid}}\n"
        for index in range(num_terms)
    )
    losses = "".join(
        f"  term_{index}: {{type: binary_crossentropy, output: head_{index}, target: image}}\n"
        for index in range(num_terms)
    )
    outputs = ", ".join(f"head_{index}" for index in range(num_terms))
    return (
        "name: many\ndata: {source: mnist, shape: [784], samples: 200, test_samples: 100}\n"
        f"model:\n  inputs: [image]\n  layers:\n    hidden: {{type: dense, units: 4}}\n{heads}"
        f"  outputs: [{outputs}]\nlosses:\n{losses}training: {{batch_size: 20}}\n"
    )


def test_twenty_terms_take_one_backward_pass_a_batch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "many.yaml").write_text(_many(20, 784), "utf-8")
    found, passes = _counted(load_experiment(str(tmp_path / "many.yaml")), monkeypatch)
    assert len(found.rows) == 20
    # One a batch for all terms, one for the total's own gradient, one for the step.
    assert passes == 4 + 2


def test_the_labels_take_one_backward_pass_a_batch(small: Small, monkeypatch: pytest.MonkeyPatch) -> None:
    found, passes = _counted(small("multilabel_attributes", "training.batch_size=50"), monkeypatch)
    assert len(found.labels[0].labels) == 6
    assert passes == 4 + 4 + 2


def _counted(experiment: Experiment, monkeypatch: pytest.MonkeyPatch) -> tuple[Explanation, int]:
    calls: list[object] = []
    grad = torch.autograd.grad

    def counted(*arguments: object, **options: object) -> object:
        calls.append(None)
        return grad(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(torch.autograd, "grad", counted)
    return explain(experiment, batches=4), len(calls)


def test_a_recurrence_is_explained_on_one_thread_and_leaves_them_as_they_were(
    small: Small, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts: list[int] = []
    monkeypatch.setattr(torch, "set_num_threads", counts.append)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    explain(small("headline"), batches=1, device="cpu")
    assert counts == [1, 2]
    counts.clear()
    explain(small("autoencoder"), batches=1, device="cpu")
    assert counts == [2]
