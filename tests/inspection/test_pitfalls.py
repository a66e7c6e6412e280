"""Rules known from the config: what each says, and where it keeps silent."""

from __future__ import annotations

from typing import Any

import pytest
from mlx_runner.inspection.pitfalls import find_pitfalls
from mlx_runner.specs.errors import dotted
from mlx_runner.specs.experiment import Experiment
from mlx_runner.specs.load import load_experiment, shipped_configs
from mlx_runner.training.blueprint import draw_blueprint

SHOWN_MISTAKES = {
    "autoencoder_softmax": {"losses.pixels.type": "MLX101"},
    "multilabel_heads/softmax": {"losses.digits.target": "MLX102"},
}
WITH_DATA = [name for name in shipped_configs() if load_experiment(name).data.source != "table"]
"""Those that need no file of a user's."""

HIDDEN = {"type": "dense", "units": 8, "activation": "relu"}
DATA = {"source": "mnist", "shape": [784], "samples": 100, "test_samples": 50}

OVER_ONE = "ends in a softmax over one unit"
BY_ITSELF = "has one unit, which categorical_crossentropy divides by itself"


def config(losses: dict[str, Any], layers: dict[str, Any], **changes: Any) -> Experiment:
    """A config on MNIST with the one output `out`."""
    model = {"inputs": "image", "layers": layers, "outputs": "out"}
    return Experiment.model_validate(
        {"name": "linted", "data": DATA, "model": model, "losses": losses, **changes}
    )


def scored(
    kind: str, target: str, units: int, activation: str, *, scale: str = "unit", **loss: Any
) -> Experiment:
    """One output `out` of a dense layer, under one loss."""
    layers = {"hidden": HIDDEN, "out": {"type": "dense", "units": units, "activation": activation}}
    losses = {"loss": {"type": kind, "output": "out", "target": target, **loss}}
    return config(losses, layers, data={**DATA, "scale": scale})


def found(described: Experiment) -> dict[str, str]:
    """Codes by the path at which they stand."""
    findings = find_pitfalls(draw_blueprint(described))
    assert len({each.path for each in findings}) == len(findings)
    return {dotted(each.path): each.code for each in findings}


def said(described: Experiment) -> str:
    """The one message."""
    (finding,) = find_pitfalls(draw_blueprint(described))
    return finding.message


@pytest.mark.parametrize("name", WITH_DATA)
def test_shipped_configs_show_two_mistakes_and_make_none(name: str) -> None:
    assert found(load_experiment(name)) == SHOWN_MISTAKES.get(name, {})


@pytest.mark.parametrize(
    ("kind", "target", "units", "activation", "expected"),
    [
        ("binary_crossentropy", "attributes", 6, "softmax", {"losses.loss.type": "MLX101"}),
        ("binary_focal_crossentropy", "digits", 10, "softmax", {"losses.loss.type": "MLX101"}),
        ("binary_crossentropy", "image", 784, "softmax", {"losses.loss.type": "MLX101"}),
        ("binary_crossentropy", "attributes", 6, "hard_sigmoid", {}),
        ("categorical_crossentropy", "digits", 10, "softmax", {}),
        ("categorical_focal_crossentropy", "digits", 10, "softmax", {}),
        ("categorical_crossentropy", "attributes", 6, "softmax", {"losses.loss.target": "MLX102"}),
        ("kl_divergence", "attributes", 6, "softmax", {"losses.loss.target": "MLX102"}),
        ("kl_divergence", "attributes", 6, "sigmoid", {"losses.loss.target": "MLX102"}),
        ("mean_squared_error", "attributes", 6, "softmax", {"losses.loss.target": "MLX102"}),
        ("mean_squared_error", "digits", 10, "softmax", {}),
        ("dice", "attributes", 6, "softmax", {"losses.loss.target": "MLX102"}),
        ("dice", "attributes", 6, "sigmoid", {}),
        ("categorical_crossentropy", "digits", 10, "sigmoid", {"losses.loss.type": "MLX103"}),
        ("categorical_crossentropy", "attributes", 6, "sigmoid", {"losses.loss.type": "MLX103"}),
        ("categorical_focal_crossentropy", "digits", 10, "hard_sigmoid", {"losses.loss.type": "MLX103"}),
        ("sparse_categorical_crossentropy", "digit", 10, "sigmoid", {"losses.loss.type": "MLX103"}),
        ("hinge", "attributes", 6, "linear", {}),
    ],
)
def test_one_mistake_of_output_and_loss_is_told_once(
    kind: str, target: str, units: int, activation: str, expected: dict[str, str]
) -> None:
    assert found(scored(kind, target, units, activation)) == expected


def test_what_is_right_depends_on_the_target() -> None:
    told = (
        "'out' ends in a softmax, whose 10 units share a sum of 1, but binary_crossentropy asks each of them"
    )
    fix = "use categorical_crossentropy, or activation: sigmoid"
    assert said(scored("binary_crossentropy", "digits", 10, "softmax")) == (
        f"{told} for a probability of its own; {fix}"
    )
    told = (
        "'out' ends in sigmoids, which categorical_crossentropy divides by their sum: only their ratios are"
    )
    for target, units, fix in (
        ("digits", 10, "activation: softmax"),
        ("attributes", 6, "binary_crossentropy"),
    ):
        assert said(scored("categorical_crossentropy", target, units, "sigmoid")) == (
            f"{told} learned, not the probabilities that they give; use {fix}"
        )
    assert said(scored("categorical_hinge", "attributes", 6, "linear")) == (
        "several labels of 'attributes' may be true at once, but categorical_hinge asks for one class of 6; "
        "use activation: sigmoid with binary_crossentropy"
    )


def test_an_activation_is_seen_through_layers_that_only_rearrange() -> None:
    layers = {
        "hidden": HIDDEN,
        "scores": {"type": "dense", "units": 6, "activation": "softmax"},
        "out": {"type": "reshape", "target_shape": [6]},
    }
    described = config(
        {"loss": {"type": "binary_crossentropy", "output": "out", "target": "attributes"}}, layers
    )
    assert found(described) == {"losses.loss.type": "MLX101"}


SQUASHED = "from_logits: true takes the {} of 'out' for logits: {}; use {}"


@pytest.mark.parametrize(
    ("kind", "target", "units", "activation", "told"),
    [
        ("binary_crossentropy", "attributes", 6, "linear", None),
        ("binary_crossentropy", "attributes", 6, "leaky_relu", None),
        (
            "binary_crossentropy", "attributes", 6, "sigmoid",
            ("sigmoid", "no probability can leave 0.5 to 0.731", "from_logits: auto"),
        ),
        (
            "binary_focal_crossentropy", "attributes", 6, "relu",
            ("relu", "no probability can leave 0.5 to 1", "activation: linear"),
        ),
        (
            "binary_crossentropy", "attributes", 6, "tanh",
            ("tanh", "no probability can leave 0.269 to 0.731", "activation: linear"),
        ),
        (
            "categorical_crossentropy", "digits", 10, "softmax",
            ("softmax", "no probability of 10 classes can pass 0.232", "from_logits: auto"),
        ),
        (
            "sparse_categorical_crossentropy", "digit", 10, "tanh",
            ("tanh", "no probability of 10 classes can pass 0.451", "activation: linear"),
        ),
        ("sparse_categorical_crossentropy", "digit", 10, "relu", None),
    ],
)  # fmt: skip
def test_logits_are_not_bounded(
    kind: str, target: str, units: int, activation: str, told: tuple[str, str, str] | None
) -> None:
    described = scored(kind, target, units, activation, from_logits=True)
    messages = [each for each in find_pitfalls(draw_blueprint(described)) if each.code == "MLX104"]
    assert [each.message for each in messages] == ([] if told is None else [SQUASHED.format(*told)])
    assert all(each.path == ("losses", "loss", "from_logits") for each in messages)


@pytest.mark.parametrize("choice", ["auto", False])
@pytest.mark.parametrize(
    ("kind", "target", "units", "activation", "told"),
    [
        ("binary_crossentropy", "attributes", 6, "sigmoid", None),
        ("binary_crossentropy", "attributes", 6, "hard_sigmoid", None),
        ("sparse_categorical_crossentropy", "digit", 10, "softmax", None),
        ("sparse_categorical_crossentropy", "digit", 10, "exponential", None),
        ("binary_crossentropy", "attributes", 6, "linear", "any number"),
        ("binary_crossentropy", "attributes", 6, "tanh", "values from -1 to 1"),
        ("binary_focal_crossentropy", "attributes", 6, "softplus", "values from 0 up"),
        ("categorical_crossentropy", "digits", 10, "relu", "values from 0 up"),
        ("sparse_categorical_crossentropy", "digit", 10, "linear", "any number"),
        ("mean_squared_error", "attributes", 6, "linear", None),
    ],
)
def test_probabilities_lie_between_0_and_1(
    choice: object, kind: str, target: str, units: int, activation: str, told: str | None
) -> None:
    loss = {} if kind == "mean_squared_error" else {"from_logits": choice}
    described = scored(kind, target, units, activation, **loss)
    if told is None:
        assert found(described) == {}
        return
    does = (
        "clips them to [1e-7, 1 - 1e-7], beyond which nothing is learned; use activation: sigmoid"
        if kind.startswith("binary")
        else "divides them by their sum, which may be 0 or less; use activation: softmax"
    )
    expected = f"'out' gives {told}, no probabilities: {kind} {does}, or from_logits: true"
    assert said(described) == expected
    assert found(described) == {"losses.loss.from_logits": "MLX104"}


PIXELS = "lies between 0 and 255 under data.scale: none"
CENTRED = "lies around 0 under data.scale: standardize"


@pytest.mark.parametrize(
    ("kind", "scale", "told"),
    [
        ("binary_crossentropy", "unit", None),
        ("binary_crossentropy", "none", PIXELS),
        ("kl_divergence", "standardize", CENTRED),
        ("tversky", "none", PIXELS),
    ],
)
def test_an_image_under_a_loss_of_probabilities_is_scaled(kind: str, scale: str, told: str | None) -> None:
    described = scored(kind, "image", 784, "sigmoid", scale=scale)
    if told is None:
        assert found(described) == {}
    else:
        assert (
            said(described) == f"{kind} needs targets from 0 to 1, but 'image' {told}; use data.scale: unit"
        )
        assert found(described) == {"losses.loss.target": "MLX105"}


def test_class_numbers_are_no_probabilities() -> None:
    assert said(scored("binary_crossentropy", "digit", 1, "sigmoid")) == (
        "binary_crossentropy needs targets from 0 to 1, but 'digit' holds class numbers from 0 to 9; "
        "use another target"
    )


@pytest.mark.parametrize(
    ("scale", "activation", "told"),
    [
        ("unit", "sigmoid", None),
        ("unit", "relu", None),
        ("unit", "tanh", None),
        ("unit", "linear", None),
        ("none", "relu", None),
        ("none", "linear", None),
        ("standardize", "linear", None),
        ("unit", "softmax", ("shares a sum of 1 among 784 units", "lies between 0 and 1", "sigmoid")),
        ("none", "sigmoid", ("gives values from 0 to 1 (sigmoid)", PIXELS, "linear")),
        ("standardize", "relu", ("gives values from 0 up (relu)", CENTRED, "linear")),
        ("standardize", "tanh", ("gives values from -1 to 1 (tanh)", CENTRED, "linear")),
    ],
)
def test_an_output_can_reach_its_target(
    scale: str, activation: str, told: tuple[str, str, str] | None
) -> None:
    described = scored("mean_absolute_error", "image", 784, activation, scale=scale)
    if told is None:
        assert found(described) == {}
    else:
        limit, lies, fix = told
        assert said(described) == f"'out' {limit}, but 'image' {lies}; use activation: {fix}"
        assert found(described) == {"losses.loss.output": "MLX112"}


@pytest.mark.parametrize(
    ("activation", "kind", "path", "does"),
    [
        ("softmax", "binary_crossentropy", "model.layers.out.activation", OVER_ONE),
        ("softmax", "categorical_crossentropy", "model.layers.out.activation", OVER_ONE),
        ("softmax", "mean_squared_error", "model.layers.out.activation", OVER_ONE),
        ("sigmoid", "categorical_crossentropy", "losses.loss.type", BY_ITSELF),
    ],
)
def test_one_unit_has_no_rival(activation: str, kind: str, path: str, does: str) -> None:
    layers = {
        "hidden": {"type": "dense", "of": "context", "units": 4},
        "out": {"type": "dense", "units": 1, "activation": activation},
    }
    described = config(
        {"loss": {"type": kind, "output": "out", "target": "shared"}},
        layers,
        data={"source": "headlines", "samples": 100, "length": 20},
        model={"inputs": "context", "layers": layers, "outputs": "out"},
    )
    assert found(described) == {path: "MLX113"}
    assert said(described) == (
        f"'out' {does}: always 1, so that nothing is learned; "
        "use activation: sigmoid with binary_crossentropy"
    )


def test_several_losses_of_one_output_say_it_once() -> None:
    described = config(
        {
            "a": {"type": "mean_squared_error", "output": "out", "target": "digit"},
            "b": {"type": "huber", "output": "out", "target": "digit"},
        },
        {"hidden": HIDDEN, "out": {"type": "dense", "units": 1, "activation": "softmax"}},
    )
    assert found(described)["model.layers.out.activation"] == "MLX113"
