"""What is wrong with a graph is said in exact words, all at once."""

from __future__ import annotations

import pytest
from mlx_runner.models import InputSpec, build_network, plan_graph
from mlx_runner.specs.errors import ConfigError
from mlx_runner.specs.layers import ModelSpec

DENSE = {"type": "dense", "units": 3}
INPUTS = {"image": InputSpec((1, 8, 8)), "numbers": InputSpec((4,))}


def model(layers: dict, inputs: str | list = "numbers", outputs: str | list = "out") -> ModelSpec:
    return ModelSpec.model_validate({"inputs": inputs, "layers": layers, "outputs": outputs})


def messages(layers: dict, inputs: str | list = "numbers", outputs: str | list = "out") -> list[str]:
    with pytest.raises(ConfigError) as caught:
        build_network(model(layers, inputs, outputs), INPUTS, seed=0)
    return [str(problem) for problem in caught.value.problems]


def test_order_follows_reading_not_writing() -> None:
    graph = plan_graph(model({"out": {**DENSE, "of": "first"}, "first": {**DENSE, "of": "numbers"}}))
    assert [node.name for node in graph.nodes] == ["first", "out"]
    assert graph.ancestors("out") == {"out", "first", "numbers"}


@pytest.mark.parametrize(
    ("layers", "inputs", "outputs", "expected"),
    [
        (
            {"hidden": DENSE, "out": {**DENSE, "of": "hiden"}},
            "numbers",
            "out",
            [
                "model.layers.out.of: no layer or input named 'hiden'; did you mean 'hidden'? "
                "Names: numbers, hidden, out."
            ],
        ),
        (
            {"out": DENSE},
            "numbers",
            "uot",
            ["model.outputs.0: no layer named 'uot'; did you mean 'out'? Layers: out."],
        ),
        (
            {"a": {**DENSE, "of": "b"}, "b": {**DENSE, "of": "a"}, "out": {"type": "add", "of": ["a", "b"]}},
            "numbers",
            "out",
            ["model.layers.a.of: the layers form a cycle: a reads b reads a"],
        ),
        (
            {"out": DENSE, "lost": DENSE},
            ["numbers"],
            "out",
            [
                "model.layers.lost: layer 'lost' feeds no output; "
                "read it, list it in model.outputs, or remove it"
            ],
        ),
        (
            {"out": {**DENSE, "of": "numbers"}},
            ["numbers", "image"],
            "out",
            ["model.inputs.1: input 'image' feeds no output; read it in some layer's `of`, or remove it"],
        ),
        (
            {"out": DENSE},
            ["numbers", "image"],
            "out",
            ["model.layers.out: the first layer must say `of` which input it reads: numbers, image"],
        ),
        (
            {"out": DENSE},
            "nubmers",
            "out",
            ["model.inputs.0: no input named 'nubmers'; did you mean 'numbers'? Inputs: image, numbers."],
        ),
        (
            {"out": {"shares": "other", "of": "numbers"}},
            "numbers",
            "out",
            ["model.layers.out.shares: no layer named 'other'. Layers: out."],
        ),
        (
            {"numbers": DENSE, "out": {**DENSE, "of": "numbers"}},
            "numbers",
            "out",
            ["model.layers.numbers: 'numbers' is the name of an input already"],
        ),
        (
            {"out": {"type": "conv2d", "filters": 2, "kernel_size": 3}},
            "numbers",
            "out",
            ["model.layers.out.of: needs images (channels, height, width), but reads (4)"],
        ),
        (
            {"out": {"type": "conv2d", "filters": 2, "kernel_size": 9}},
            "image",
            "out",
            ["model.layers.out.kernel_size: a window of 9x9 does not fit into 8x8; use padding: same"],
        ),
        (
            {"out": {"type": "reshape", "target_shape": [3]}},
            "numbers",
            "out",
            ["model.layers.out.target_shape: (4) has 4 numbers, (3) has 3"],
        ),
        (
            {"a": DENSE, "out": {"type": "add", "of": ["a", "numbers"]}},
            "numbers",
            "out",
            ["model.layers.out.of: all shapes must be the same, not (3) and (4)"],
        ),
        (
            {"a": DENSE, "b": {"shares": "a", "of": "a"}, "out": {"type": "add", "of": ["a", "b"]}},
            "numbers",
            "out",
            ["model.layers.b.of: reads (3), but the layer it shares weights with reads (4)"],
        ),
    ],
)
def test_exact_messages(layers: dict, inputs: str | list, outputs: str | list, expected: list[str]) -> None:
    assert messages(layers, inputs, outputs) == expected
