"""Rules that look at the data, on tables made for them: labels, imbalance, batches and scales."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from mlx_runner.data import Table
from mlx_runner.inspection.label_counts import count_labels
from mlx_runner.inspection.pitfalls import COSTLY, DATA_RULES, Finding, find_pitfalls
from mlx_runner.specs.errors import dotted
from mlx_runner.specs.experiment import Experiment
from mlx_runner.specs.load import load_experiment, shipped_configs
from mlx_runner.training.assemble import Workshop, open_workshop
from mlx_runner.training.blueprint import draw_blueprint
from mlx_runner.training.seeding import epoch_order
from torch import Tensor

SHOWN_MISTAKES = {"autoencoder_softmax": ["MLX101"], "multilabel_heads/softmax": ["MLX102"]}
WITH_DATA = [name for name in shipped_configs() if load_experiment(name).data.source != "table"]
"""Those that need no file of a user's."""

LAYERS: dict[str, Any] = {
    "labels": {"type": "dense", "of": "image", "units": 6, "activation": "sigmoid"},
    "digit": {"type": "dense", "of": "image", "units": 10, "activation": "softmax"},
}
LABELS = {"type": "binary_crossentropy", "output": "labels", "target": "attributes"}
DIGIT = {"type": "sparse_categorical_crossentropy", "output": "digit", "target": "digit"}
DIGITS = {"type": "categorical_crossentropy", "output": "digit", "target": "digits"}
ROWS = 200
NAMES = ("even", "prime", "at_least_five", "multiple_of_three", "has_loop", "straight_strokes")


def open_config(losses: dict[str, Any], **changes: Any) -> Workshop:
    """A workshop of 200 training rows of MNIST."""
    outputs = list(dict.fromkeys(loss["output"] for loss in losses.values()))
    document = {
        "name": "linted",
        "data": {
            "source": "mnist",
            "shape": [784],
            "samples": 250,
            "test_samples": 50,
            "validation_split": 0.2,
        },
        "model": {"inputs": "image", "layers": {name: LAYERS[name] for name in outputs}, "outputs": outputs},
        "losses": losses,
        **changes,
    }
    blueprint = draw_blueprint(Experiment.model_validate(document))
    workshop = open_workshop(blueprint, torch.device("cpu"))
    assert len(workshop.splits.train) == ROWS
    return workshop


def with_target(workshop: Workshop, name: str, values: Tensor, mask: Tensor | None = None) -> Workshop:
    """The workshop with another target in its training rows."""
    train = workshop.splits.train
    masks = {} if mask is None else {name: mask}
    changed = replace(train, targets={**train.targets, name: values}, masks=masks)
    return replace(workshop, splits=replace(workshop.splits, train=changed))


def findings(workshop: Workshop, code: str) -> list[Finding]:
    return [each for each in find_pitfalls(workshop.blueprint, workshop) if each.code == code]


def said(workshop: Workshop, code: str) -> list[str]:
    return [each.message for each in findings(workshop, code)]


def labels(**positives: int) -> Tensor:
    """(200, 6) labels, each positive in half of the rows but for those named."""
    columns = [torch.arange(ROWS) < positives.get(name, ROWS // 2) for name in NAMES]
    return torch.stack(columns, dim=1).float()


def classes(*counts: int) -> Tensor:
    """Class numbers, each as often as is said; those beyond the list share the rest evenly."""
    rest = ROWS - sum(counts)
    others = 10 - len(counts)
    even = [rest // others + (index < rest % others) for index in range(others)]
    return torch.repeat_interleave(torch.arange(10), torch.tensor([*counts, *even]))


def one_hot(numbers: Tensor) -> Tensor:
    return torch.nn.functional.one_hot(numbers, 10).float()


@pytest.mark.parametrize("name", WITH_DATA)
def test_shipped_configs_are_in_order_with_their_data(name: str) -> None:
    fields = type(load_experiment(name).data).model_fields
    few = [f"data.{key}={rows}" for key, rows in (("samples", 2000), ("test_samples", 500)) if key in fields]
    blueprint = draw_blueprint(load_experiment(name, few))
    told = find_pitfalls(blueprint, open_workshop(blueprint, torch.device("cpu")))
    assert [each.code for each in told] == SHOWN_MISTAKES.get(name, [])


def test_a_label_needs_both_kinds_of_rows() -> None:
    workshop = open_config({"labels": LABELS, "again": {**LABELS, "type": "mean_squared_error"}})
    assert said(with_target(workshop, "attributes", labels(even=1, prime=ROWS - 1)), "MLX201") == []
    told = said(with_target(workshop, "attributes", labels(even=0, prime=ROWS)), "MLX201")
    assert told == [
        "label 'even' of 'attributes' is never positive in the 200 training rows, so that a constant is all "
        "there is to learn; leave it out, or bring rows of both kinds",
        "label 'prime' of 'attributes' is always positive in the 200 training rows, so that a constant is "
        "all there is to learn; leave it out, or bring rows of both kinds",
    ]
    (finding,) = findings(with_target(workshop, "attributes", torch.zeros(ROWS, 6)), "MLX201")
    assert finding.path == ("losses", "labels", "target")
    assert finding.message.startswith(
        "6 labels (even, prime, at_least_five, ...) of 'attributes' are never positive in the 200 training "
    )


@pytest.mark.parametrize("loss", [DIGIT, DIGITS], ids=["numbers", "one_hot"])
def test_a_class_needs_rows(loss: dict[str, Any]) -> None:
    workshop = open_config({"digit": loss})

    def given(numbers: Tensor) -> list[str]:
        values = numbers if loss is DIGIT else one_hot(numbers)
        return said(with_target(workshop, loss["target"], values), "MLX201")

    assert given(classes()) == []
    (told,) = given(classes(0, 0))
    assert told == (
        f"2 classes (0, 1) of '{loss['target']}' never occur in the 200 training rows, so that never to name "
        "them is learned; leave them out, or bring rows of them"
    )
    # All rows of one class: the other nine are told, not the one.
    (told,) = given(torch.full((ROWS,), 4))
    assert told.startswith("9 classes (0, 1, 2, ...)")


def test_what_is_not_observed_is_no_case() -> None:
    workshop = open_config({"labels": LABELS})
    values, mask = labels(), torch.ones(ROWS, 6, dtype=torch.bool)
    mask[:, 0] = values[:, 0] == 0
    values[:, 1], mask[:, 1] = 0.0, False
    told = said(with_target(workshop, "attributes", values, mask), "MLX201")
    assert [line.partition(" of ")[0] for line in told] == ["2 labels (even, prime)"]
    rows = torch.ones(ROWS, dtype=torch.bool)
    rows[: ROWS // 2] = False
    assert len(said(with_target(workshop, "attributes", labels(), rows), "MLX201")) == 1


def test_missing_labels_of_a_source_are_not_observed(monkeypatch: pytest.MonkeyPatch) -> None:
    """NaN in a target, which opening the data turns into a mask."""
    from mlx_runner.data import mnist_source

    plain = mnist_source.digit_attributes

    def with_holes(numbers: Any) -> Tensor:
        values = plain(numbers)
        values[values[:, 2] == 1, 2] = torch.nan
        return values

    monkeypatch.setattr(mnist_source, "digit_attributes", with_holes)
    (told,) = said(open_config({"labels": LABELS}), "MLX201")
    assert told.startswith("label 'at_least_five' of 'attributes' is never positive")


def test_pixels_are_no_labels() -> None:
    """Those at the edges of an image are always black."""
    losses = {"pixels": {"type": "binary_crossentropy", "output": "pixels", "target": "image"}}
    layers = {"pixels": {"type": "dense", "of": "image", "units": 784, "activation": "sigmoid"}}
    model = {"inputs": "image", "layers": layers, "outputs": "pixels"}
    document = {
        "name": "linted",
        "data": {"source": "mnist", "shape": [784], "samples": 100, "test_samples": 50},
        "model": model,
        "losses": losses,
    }
    blueprint = draw_blueprint(Experiment.model_validate(document))
    workshop = open_workshop(blueprint, torch.device("cpu"))
    assert count_labels(workshop, workshop.objective.terms[0]) is None
    assert find_pitfalls(blueprint, workshop) == ()


@pytest.mark.parametrize(
    ("loss", "count", "rare"),
    [
        (LABELS, 9, True),
        (LABELS, 10, False),
        (LABELS, ROWS - 9, True),
        (LABELS, ROWS - 10, False),
        ({**LABELS, "class_weight": "balanced"}, 9, False),
        ({**LABELS, "pos_weight": 20.0}, 9, False),
        ({**LABELS, "type": "binary_focal_crossentropy"}, 9, False),
        ({**LABELS, "type": "mean_squared_error"}, 9, False),
        ({**LABELS, "weight": 0.0}, 9, False),
    ],
)
def test_a_label_is_rare_below_a_tenth_of_one_half(loss: dict[str, Any], count: int, rare: bool) -> None:
    workshop = with_target(open_config({"labels": loss}), "attributes", labels(even=count))
    told = findings(workshop, "MLX202")
    assert [dotted(each.path) for each in told] == (["losses.labels.target"] if rare else [])


def test_the_rarest_is_told() -> None:
    workshop = open_config({"labels": LABELS})
    told = said(with_target(workshop, "attributes", labels(even=9, has_loop=3)), "MLX202")
    assert told == [
        "the rarer class of label 'has_loop' of 'attributes' makes up 1.5 % of the training rows (and 1 "
        "more): never to predict it costs next to nothing; use class_weight: balanced, or a focal loss"
    ]


@pytest.mark.parametrize("loss", [DIGIT, DIGITS], ids=["numbers", "one_hot"])
@pytest.mark.parametrize(("count", "rare"), [(0, False), (1, True), (2, False)])
def test_a_class_is_rare_below_a_tenth_of_its_share(loss: dict[str, Any], count: int, rare: bool) -> None:
    """1 % of 200 rows is 2; what never occurs is another rule's."""
    numbers = classes(count)
    values = numbers if loss is DIGIT else one_hot(numbers)
    workshop = with_target(open_config({"digit": loss}), loss["target"], values)
    told = said(workshop, "MLX202")
    assert len(told) == rare
    if rare:
        assert told[0].startswith(f"class '0' of '{loss['target']}' makes up 0.5 % of the training rows: ")


def test_an_ignored_class_is_no_case() -> None:
    workshop = open_config({"digit": {**DIGIT, "ignore_class": 3}})
    numbers = torch.where(classes() == 0, 3, classes())
    told = said(with_target(workshop, "digit", numbers), "MLX201")
    assert told[0].startswith("2 classes (0, 3) of 'digit'")


@pytest.mark.parametrize(("batch_size", "fires"), [(ROWS - 1, False), (ROWS, False), (ROWS + 1, True)])
def test_a_batch_has_as_many_rows_as_there_are(batch_size: int, fires: bool) -> None:
    workshop = open_config({"labels": LABELS}, training={"batch_size": batch_size})
    told = findings(workshop, "MLX204")
    assert [dotted(each.path) for each in told] == (["training.batch_size"] if fires else [])


def first_losses(workshop: Workshop) -> list[float]:
    """Weighted, by hand: the untrained network's outputs on the first batch under torch's own losses."""
    experiment, train = workshop.blueprint.experiment, workshop.splits.train
    network = workshop.build([experiment], stacked=False).network
    rows = epoch_order(experiment.seed, 1, len(train))[: experiment.training.batch_size]
    batch: Table = train.gather(rows, torch.float32)
    outputs = network(batch.inputs)
    weights = [loss.weight for loss in experiment.losses.values()]
    bce = torch.nn.functional.binary_cross_entropy(outputs["labels"], batch.targets["attributes"])
    nll = torch.nn.functional.nll_loss(outputs["digit"].log(), batch.targets["digit"])
    return [weights[0] * bce.item(), weights[1] * nll.item()]


def test_scales_are_those_of_the_first_batch() -> None:
    losses = {"labels": LABELS, "digit": {**DIGIT, "weight": 1000.0}}
    workshop = open_config(losses, seed=5, training={"batch_size": 16})
    small, large = first_losses(workshop)
    (told,) = findings(workshop, "MLX205")
    assert told.path == ("losses", "digit", "weight")
    assert told.message == (
        f"'digit' begins at {large:.3g} and 'labels' at {small:.3g} (weighted): the first counts "
        f"{large / small:.3g} times as much; give it a weight near {1000 * small / large:.1g}, or another "
        "scale"
    )


@pytest.mark.parametrize(
    ("factor", "weighting", "fires"),
    [
        (100.5, "fixed", True),
        (99.5, "fixed", False),
        (1e6, "uncertainty", False),
        (1e6, "dynamic_weight_average", True),
        (0.0, "fixed", False),
    ],
)
def test_scales_are_apart_from_a_factor_of_100(factor: float, weighting: str, fires: bool) -> None:
    even = open_config({"labels": LABELS, "digit": DIGIT})
    small, large = first_losses(even)
    losses = {"labels": LABELS, "digit": {**DIGIT, "weight": factor * small / large}}
    workshop = open_config(losses, weighting={"type": weighting})
    assert len(findings(workshop, "MLX205")) == fires


def test_one_loss_has_nothing_beside_it(monkeypatch: pytest.MonkeyPatch) -> None:
    workshop = open_config({"labels": LABELS})
    monkeypatch.setattr(Workshop, "build", None)
    assert findings(workshop, "MLX205") == []


def test_what_is_ignored_or_costly_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    workshop = open_config({"labels": LABELS, "digit": DIGIT}, ignore=["MLX203"])
    asked: list[str] = []

    def ask(code: str) -> Callable[[Workshop], Any]:
        def find(_: Workshop) -> Any:
            asked.append(code)
            yield from ()

        return find

    for code in DATA_RULES:
        monkeypatch.setitem(DATA_RULES, code, ask(code))  # type: ignore[arg-type]
    find_pitfalls(workshop.blueprint, workshop)
    assert asked == [code for code in DATA_RULES if code != "MLX203"]
    asked.clear()
    find_pitfalls(workshop.blueprint, workshop, costly=False)
    assert asked == [code for code in DATA_RULES if code != "MLX203" and code not in COSTLY]
    asked.clear()
    find_pitfalls(workshop.blueprint)
    assert asked == []


def test_asking_leaves_the_data_and_the_process_as_they_were() -> None:
    workshop = open_config({"labels": LABELS, "digit": DIGIT})
    before = {name: each.clone() for name, each in workshop.splits.train.inputs.items()}
    state = torch.get_rng_state()
    find_pitfalls(workshop.blueprint, workshop)
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(workshop.splits.train.inputs[name], each) for name, each in before.items())
