"""Rules of weights, reach, reductions and metrics: where they fire, and where there is nothing to say."""

from __future__ import annotations

from typing import Any

import pytest
from mlx_runner.inspection.pitfalls import Finding, find_pitfalls
from mlx_runner.specs.errors import dotted
from mlx_runner.specs.experiment import Experiment
from mlx_runner.specs.load import load_experiment
from mlx_runner.training.blueprint import draw_blueprint

LAYERS: dict[str, Any] = {
    "hidden": {"type": "dense", "units": 8, "activation": "relu"},
    "labels": {"type": "dense", "of": "hidden", "units": 6, "activation": "sigmoid"},
    "digit": {"type": "dense", "of": "hidden", "units": 10, "activation": "softmax"},
}
LABELS = {"type": "binary_crossentropy", "output": "labels", "target": "attributes"}
DIGIT = {"type": "sparse_categorical_crossentropy", "output": "digit", "target": "digit"}
DIGITS = {"type": "categorical_crossentropy", "output": "digit", "target": "digits"}
NO_DIGIT = {name: LAYERS[name] for name in ("hidden", "labels")}


def config(losses: dict[str, Any], layers: dict[str, Any] = LAYERS, **changes: Any) -> Experiment:
    """A config on MNIST with the outputs `labels` and `digit`, as far as they are layers."""
    outputs = [name for name in ("labels", "digit") if name in layers]
    return Experiment.model_validate(
        {
            "name": "linted",
            "data": {"source": "mnist", "shape": [784], "samples": 100, "test_samples": 50},
            "model": {"inputs": "image", "layers": layers, "outputs": outputs},
            "losses": losses,
            **changes,
        }
    )


def findings(described: Experiment) -> list[Finding]:
    return list(find_pitfalls(draw_blueprint(described)))


def found(described: Experiment) -> dict[str, str]:
    """Codes by the path at which they stand."""
    return {dotted(each.path): each.code for each in findings(described)}


def said(described: Experiment) -> str:
    """The one message."""
    (finding,) = findings(described)
    return finding.message


def both(**labels: Any) -> dict[str, Any]:
    return {"labels": {**LABELS, **labels}, "digit": DIGIT}


def test_a_branch_without_weight_is_told_with_the_layers_that_stay_idle() -> None:
    """The setting `no_aux` of the headlines, run by itself."""
    told = findings(load_experiment("headline", ["losses.aux.weight=0"]))
    assert [(each.code, dotted(each.path)) for each in told] == [
        ("MLX108", "model.layers.aux_output"),
        ("MLX107", "losses.aux.weight"),
    ]
    assert told[0].message == (
        "no loss trains 'aux_output': only 'aux', of weight 0, would; "
        "raise the weight, or set trainable: false"
    )
    assert (told[1].file, told[1].line) == ("command line", None)


@pytest.mark.parametrize(
    ("factor", "path"),
    [
        ({"type": "constant", "value": 0.0}, "weighting.terms.labels"),
        ({"type": "linear", "start": 0.0, "end": 0.0}, "weighting.terms.labels"),
        ({"type": "steps", "boundaries": [3], "values": [0.0, 0.0]}, "weighting.terms.labels"),
        ({"type": "constant", "value": 0.1}, None),
        ({"type": "cosine", "start": 0.0, "end": 0.1}, None),
        ({"type": "steps", "boundaries": [3], "values": [0.0, 1.0]}, None),
    ],
)
def test_a_schedule_may_be_a_weight_of_zero(factor: dict[str, Any], path: str | None) -> None:
    weighting = {"type": "schedule", "terms": {"labels": factor}}
    told = found(config(both(), weighting=weighting, training={"epochs": 1}))
    expected = {} if path is None else {path: "MLX107", "model.layers.labels": "MLX108"}
    assert told == expected


def test_a_forgotten_loss_is_told_once() -> None:
    """Not of each layer that it leaves untrained."""
    layers = {**LAYERS, "deep": {"type": "dense", "of": "hidden", "units": 4}}
    layers["digit"] = {**LAYERS["digit"], "of": "deep"}
    assert found(config({"labels": LABELS}, layers)) == {"model.outputs.1": "MLX109"}


def test_a_layer_with_another_way_to_a_loss_is_reached() -> None:
    stopped = {"stopped": {"type": "stop_gradient", "of": "hidden"}}
    layers = {**LAYERS, **stopped, "digit": {**LAYERS["digit"], "of": "stopped"}}
    assert found(config(both(), layers)) == {}
    layers["labels"] = {**LAYERS["labels"], "of": "stopped"}
    assert found(config(both(), layers)) == {"model.layers.hidden": "MLX108"}


def test_shared_weights_are_reached_through_any_of_their_places() -> None:
    layers = {
        "first": {"type": "dense", "units": 784},
        "stopped": {"type": "stop_gradient"},
        "again": {"shares": "first", "of": "stopped"},
        "labels": {**LAYERS["labels"], "of": "again"},
    }
    assert found(config({"labels": LABELS}, layers)) == {}


def test_regularization_is_no_loss() -> None:
    stopped = {"stopped": {"type": "stop_gradient", "of": "hidden"}}
    hidden = {**LAYERS["hidden"], "kernel_regularizer": {"l2": 0.01}}
    layers = {"hidden": hidden, **stopped, "labels": {**LAYERS["labels"], "of": "stopped"}}
    assert said(config({"labels": LABELS}, layers)) == (
        "no loss trains 'hidden': a gradient is stopped on the way, and its regularization alone moves it; "
        "take out the stop_gradient, or set trainable: false"
    )
    frozen = {**layers, "hidden": {**LAYERS["hidden"], "trainable": False}}
    assert found(config({"labels": LABELS}, frozen)) == {}


OWN_RATE = "so sgd steps as with a learning rate of 2 for a mean"
CUTS = "so optimizer.{} cuts 20 times earlier"
SUM = "reduction: sum makes 'labels' {} times its mean, {}; use reduction: mean"
ALONE = {"labels": LABELS}
PENALIZED = {**NO_DIGIT, "hidden": {**LAYERS["hidden"], "kernel_regularizer": {"l1": 0.1}}}
WHOLE = {"type": "dice", "output": "labels", "target": "attributes", "reduction": "sum"}


def optimizer(kind: str, **options: float) -> dict[str, Any]:
    return {"optimizer": {"type": kind, **options}}


@pytest.mark.parametrize(
    ("losses", "layers", "changes", "told"),
    [
        (ALONE, NO_DIGIT, {}, None),
        (ALONE, NO_DIGIT, optimizer("adamw"), None),
        (ALONE, NO_DIGIT, optimizer("rmsprop"), None),
        (ALONE, NO_DIGIT, optimizer("sgd"), None),
        (ALONE, NO_DIGIT, optimizer("sgd", learning_rate=0.05), None),
        ({"labels": {**LABELS, "weight": 0.5}}, NO_DIGIT, optimizer("sgd", learning_rate=0.1), None),
        (ALONE, NO_DIGIT, optimizer("sgd", learning_rate=0.1), OWN_RATE),
        ({**ALONE, "digit": {**DIGIT, "reduction": "sum"}}, LAYERS, {}, None),
        ({**ALONE, "digit": DIGIT}, LAYERS, {}, "while 'digit' is a mean"),
        (
            {**ALONE, "digit": {**DIGIT, "reduction": "mean_with_sample_weight"}, "whole": WHOLE},
            LAYERS, {}, "while 'digit', 'whole' are means",
        ),
        (
            ALONE, PENALIZED, {},
            "while hidden/kernel/l1 stays as it is: regularization counts for 20 times less",
        ),
        (ALONE, NO_DIGIT, optimizer("adam", clipnorm=1.0), CUTS.format("clipnorm")),
        (ALONE, NO_DIGIT, optimizer("sgd", global_clipnorm=1.0), CUTS.format("global_clipnorm")),
        (ALONE, NO_DIGIT, optimizer("adam", clipvalue=1.0), CUTS.format("clipvalue")),
    ],
)  # fmt: skip
def test_a_sum_is_out_of_proportion_to_what_does_not_grow_with_the_batch(
    losses: dict[str, Any], layers: dict[str, Any], changes: dict[str, Any], told: str | None
) -> None:
    losses = {**losses, "labels": {**losses["labels"], "reduction": "sum"}}
    described = config(losses, layers, training={"batch_size": 20}, **changes)
    if told is None:
        assert found(described) == {}
    else:
        assert said(described) == SUM.format(20, told)
        assert found(described) == {"losses.labels.reduction": "MLX110"}


def test_a_sum_over_a_sequence_counts_its_steps() -> None:
    layers = {
        "embedding": {"type": "embedding", "of": "headline", "input_dim": 10000, "output_dim": 2},
        "labels": {"type": "dense", "units": 1},
    }
    loss = {"type": "mean_squared_error", "output": "labels", "target": "headline", "reduction": "sum"}
    described = config(
        {"labels": loss},
        layers,
        data={"source": "headlines", "samples": 100, "length": 20},
        model={"inputs": "headline", "layers": layers, "outputs": "labels"},
        training={"batch_size": 8},
        **optimizer("sgd", learning_rate=0.01),
    )
    assert "makes 'labels' 160 times its mean" in said(described)


@pytest.mark.parametrize(
    ("losses", "metrics", "expected"),
    [
        ({"labels": LABELS}, ["categorical_accuracy", "f1_micro", "top_k_accuracy"], [0, 2]),
        ({"labels": LABELS}, ["f1_micro"], []),
        ({"labels": LABELS}, None, []),
        ({"digit": DIGITS}, ["binary_accuracy"], [0]),
        ({"digit": DIGITS}, ["hamming_loss", "binary_accuracy"], [0]),
        ({"digit": DIGITS}, ["binary_accuracy", "auroc_macro"], []),
        ({"digit": DIGITS}, None, []),
        ({"digit": DIGIT}, None, []),
    ],
)
def test_an_accuracy_counts_what_is_asked(
    losses: dict[str, Any], metrics: list[str] | None, expected: list[int]
) -> None:
    (output,) = losses
    layers = {name: LAYERS[name] for name in ("hidden", output)}
    described = config(losses, layers, metrics={} if metrics is None else {output: metrics})
    assert found(described) == {f"metrics.{output}.{index}": "MLX106" for index in expected}


def test_what_an_accuracy_is_for_free() -> None:
    layers = {name: LAYERS[name] for name in ("hidden", "digit")}
    told = said(config({"digit": DIGITS}, layers, metrics={"digit": ["hamming_loss"]}))
    assert told == (
        "hamming_loss of one-hot rows is 0.1 for an output that never says yes, as one of 10 entries is 1; "
        "add categorical_accuracy"
    )


@pytest.mark.parametrize(
    ("loss", "metrics", "fires"),
    [
        ({**LABELS, "label_smoothing": 0.1}, ["f1_micro", "auroc_macro"], True),
        ({**LABELS, "label_smoothing": 0.1}, None, True),
        ({**LABELS, "label_smoothing": 0.1}, ["f1_micro", "mse"], False),
        ({**LABELS, "label_smoothing": 0.0}, ["f1_micro"], False),
        ({**DIGITS, "label_smoothing": 0.1}, ["categorical_accuracy"], True),
        ({**DIGITS, "label_smoothing": 0.1}, ["categorical_accuracy", "rmse"], False),
        ({**DIGIT, "label_smoothing": 0.1}, ["categorical_accuracy"], False),
    ],
)
def test_smoothing_is_told_where_a_metric_could_show_it(
    loss: dict[str, Any], metrics: list[str] | None, fires: bool
) -> None:
    output = loss["output"]
    layers = {name: LAYERS[name] for name in ("hidden", output)}
    described = config({output: loss}, layers, metrics={} if metrics is None else {output: metrics})
    assert found(described) == ({f"losses.{output}.label_smoothing": "MLX111"} if fires else {})


@pytest.mark.parametrize(
    ("metrics", "path"),
    [
        (["auroc_macro"], None),
        (["auroc_macro", "average_precision_micro"], None),
        (["auroc_macro", "hamming_loss", "mse"], "metrics.labels.1"),
        (["mse"], "metrics.labels.0"),
        (None, "losses.labels.from_logits"),
    ],
)
def test_logits_are_no_probabilities_to_a_metric(metrics: list[str] | None, path: str | None) -> None:
    layers = {**NO_DIGIT, "labels": {**LAYERS["labels"], "activation": "linear"}}
    described = config(
        {"labels": {**LABELS, "from_logits": True}},
        layers,
        metrics={} if metrics is None else {"labels": metrics},
    )
    assert found(described) == ({} if path is None else {path: "MLX114"})


SCHEDULE = {"type": "schedule", "terms": {"digit": {"type": "linear", "start": 1.0, "end": 0.5}}}
CONSTANT = {"type": "schedule", "terms": {"digit": {"type": "constant", "value": 0.5}}}
STOPPING = {"early_stopping": {"patience": 1}}


@pytest.mark.parametrize(
    ("weighting", "training", "path"),
    [
        ({"type": "fixed"}, STOPPING, None),
        (CONSTANT, STOPPING, None),
        ({"type": "uncertainty"}, STOPPING, None),
        ({"type": "random"}, STOPPING, None),
        (SCHEDULE, STOPPING, "training.early_stopping.monitor"),
        ({"type": "dynamic_weight_average"}, STOPPING, "training.early_stopping.monitor"),
        ({"type": "gradnorm"}, {}, "weighting.type"),
        (SCHEDULE, {"epochs": 1}, None),
        (SCHEDULE, {"restore_best": False}, None),
        (SCHEDULE, {"early_stopping": {"monitor": "validation/digit/loss"}}, None),
        (SCHEDULE, {"early_stopping": {"monitor": "validation/labels/f1_micro"}}, None),
        (SCHEDULE, {"early_stopping": {"monitor": "train/loss"}}, "training.early_stopping.monitor"),
    ],
)
def test_epochs_are_compared_under_the_same_weights(
    weighting: dict[str, Any], training: dict[str, Any], path: str | None
) -> None:
    described = config(both(), weighting=weighting, training={"epochs": 5, **training})
    assert found(described) == ({} if path is None else {path: "MLX115"})


def test_a_plateau_is_a_monitor_too() -> None:
    optimizer = {"type": "adam", "schedule": {"type": "reduce_on_plateau", "monitor": "validation/loss"}}
    training = {"epochs": 5, "early_stopping": {"monitor": "validation/digit/loss"}}
    described = config(both(), weighting=SCHEDULE, optimizer=optimizer, training=training)
    assert found(described) == {"optimizer.schedule.monitor": "MLX115"}
    assert said(described) == (
        "validation/loss decides which epoch is best, but schedule gives it other weights in every epoch; "
        "watch validation/labels/loss or a metric"
    )
