"""Exported networks: they give what the run gives, in every format, and say what they are."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from mlx_runner.models import build_network
from mlx_runner.records.run_folder import RunFolder
from mlx_runner.specs.errors import ConfigError, DataError, GateError, MachineError
from mlx_runner.specs.exports import ENDINGS, FORMATS, ExportFormat, choose_export
from mlx_runner.specs.load import load_experiment, shipped_configs
from mlx_runner.specs.resolved import resolved_yaml
from mlx_runner.training import export_formats
from mlx_runner.training.blueprint import draw_blueprint
from mlx_runner.training.checkpoint import save_checkpoint
from mlx_runner.training.export import TOLERANCE, export_run
from mlx_runner.training.predict import open_predictor
from mlx_runner.training.served import deviation, random_inputs
from mlx_runner.training.trained_run import open_trained_run
from safetensors import safe_open
from torch import Tensor

CPU = torch.device("cpu")

SEQUENCE = """\
name: sequence
data: {{source: headlines, samples: 200, length: 20}}
model:
  inputs: [headline, context]
  layers:
    embedding: {{type: embedding, of: headline, output_dim: 4, mask_zero: {masked}}}
    {layers}
    joined: {{type: concatenate, of: [read, context]}}
    out: {{type: dense, units: 1, activation: sigmoid}}
  outputs: [out]
losses: {{main: {{type: binary_crossentropy, output: out, target: shared}}}}
training: {{precision: {precision}}}
"""

IMAGE = """\
name: image
data: {{source: mnist, samples: 200}}
model:
  inputs: [image]
  layers:
    {layers}
    flatten: {{type: flatten}}
    out: {{type: dense, units: 10, activation: softmax}}
  outputs: [out]
losses: {{main: {{type: sparse_categorical_crossentropy, output: out, target: digit}}}}
"""

ACTIVATIONS = (
    *("relu", "leaky_relu", "elu", "selu", "gelu", "silu", "tanh", "sigmoid", "hard_sigmoid", "softmax"),
    *("softplus", "softsign", "exponential"),
)


def _sequence(*layers: str, masked: bool = True, precision: str = "float32") -> str:
    return SEQUENCE.format(layers="\n    ".join(layers), masked=str(masked).lower(), precision=precision)


def _image(*layers: str) -> str:
    return IMAGE.format(layers="\n    ".join(layers))


def _both_ways(cell: str) -> tuple[str, ...]:
    return (
        f"twice: {{type: {cell}, units: 3, bidirectional: true, return_sequences: true}}",
        "normal: {type: batch_normalization}",
        f"read: {{type: {cell}, units: 3, go_backwards: true}}",
    )


NETWORKS = {
    # Alone these are quick; both ways they are all that they can be.
    "lstm": _sequence("read: {type: lstm, units: 3}"),
    "gru": _sequence("read: {type: gru, units: 3}"),
    "simple_rnn": _sequence("read: {type: simple_rnn, units: 3}"),
    "lstm in bf16": _sequence("read: {type: lstm, units: 3}", masked=False, precision="bf16"),
    "lstm both ways": _sequence(*_both_ways("lstm"), precision="float64"),
    "gru both ways": _sequence(*_both_ways("gru")),
    "masked mean": _sequence("read: {type: global_average_pooling1d}"),
    "convolutions over time": _sequence(
        "first: {type: conv1d, filters: 3, kernel_size: 3, padding: same, strides: 2}",
        "mean: {type: average_pooling1d, pool_size: 3, padding: same}",
        "second: {type: conv1d, filters: 3, kernel_size: 2, padding: causal}",
        "most: {type: max_pooling1d, pool_size: 2, padding: same}",
        "read: {type: global_max_pooling1d}",
        masked=False,
    ),
    "replicated lstm": _sequence(
        "read: {type: replicate, n: 3, layers: {l: {type: lstm, units: 2}, o: {type: dense, units: 2}}}",
        masked=False,
    ),
    "images": _image(
        "first: {type: conv2d, filters: 4, kernel_size: 3, strides: 2, padding: same}",
        "normal: {type: batch_normalization}",
        "active: {type: activation, activation: relu}",
        "most: {type: max_pooling2d, pool_size: 3, padding: same}",
        "second: {type: conv2d, filters: 4, kernel_size: 3, padding: same, groups: 2, activation: gelu}",
        "layer_normal: {type: layer_normalization}",
        "mean: {type: average_pooling2d, pool_size: 2, padding: same}",
        "leaky: {type: leaky_relu}",
        "dropped: {type: dropout, rate: 0.5}",
        "stopped: {type: stop_gradient}",
        "scaled: {type: scale_gradient, scale: 0.5, of: dropped}",
        "added: {type: add, of: [stopped, scaled]}",
        "times: {type: multiply, of: [added, dropped]}",
        "shaped: {type: reshape, target_shape: [4, 9]}",
    ),
    "poolings of images": _image(
        "first: {type: conv2d, filters: 4, kernel_size: 3}",
        "most: {type: global_max_pooling2d, of: first}",
        "mean: {type: global_average_pooling2d, of: first}",
        "added: {type: add, of: [most, mean]}",
    ),
    "activations": _image(
        "flat: {type: flatten}",
        *(f"{each}_: {{type: dense, units: 2, activation: {each}, of: flat}}" for each in ACTIVATIONS),
        f"joined: {{type: concatenate, of: [{', '.join(f'{each}_' for each in ACTIVATIONS)}]}}",
    ),
}

Untrained = Callable[[str], RunFolder]


@pytest.fixture
def untrained(tmp_path: Path) -> Untrained:
    """A run whose best weights are its first, each moved by a random number, so that none is zero."""

    def make(name_or_text: str) -> RunFolder:
        if "\n" in name_or_text:
            (tmp_path / "config.yaml").write_text(name_or_text, "utf-8")
            name_or_text = str(tmp_path / "config.yaml")
        experiment = load_experiment(name_or_text)
        inputs = draw_blueprint(experiment).inputs
        network = build_network(experiment.model, inputs, seed=0, numerics=experiment.numerics)
        generator = torch.Generator().manual_seed(0)
        state = {
            f"model/{name}": each + 0.1 * torch.rand(each.shape, generator=generator)
            for name, each in network.state_dict().items()
        }
        text = resolved_yaml(experiment)
        folder = RunFolder.create(
            tmp_path / "runs", experiment.name, config_text=text, environment={}, plan={}
        )
        save_checkpoint(folder.checkpoint_path("best"), state, {"weights": {}})
        return folder

    return make


def _run_onnx(file: Path, inputs: Mapping[str, Tensor]) -> dict[str, np.ndarray]:
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    names = [each.name for each in session.get_outputs()]
    arrays = {name: values.numpy() for name, values in inputs.items()}
    return dict(zip(names, session.run(names, arrays), strict=True))


@pytest.mark.parametrize("name", [name for name in NETWORKS if name not in ("lstm", "gru")])
def test_every_layer_is_exported(untrained: Untrained, tmp_path: Path, name: str) -> None:
    """Against the network itself, with sequences that are padding throughout, in both formats."""
    folder = untrained(NETWORKS[name])
    run = open_trained_run(folder, device=CPU)
    # A file multiplies in the precision of its weights.
    run.network.autocast = None
    exported = export_run(folder, tmp_path / "out.onnx", file_format="onnx", device=CPU)
    export_run(folder, tmp_path / "out.pt2", file_format="torch", device=CPU)
    program = torch.export.load(tmp_path / "out.pt2").module()
    assert exported.checked_with.startswith("onnxruntime ")
    assert exported.deviations["out"] <= TOLERANCE
    for num_rows in (1, 5):
        inputs = random_inputs(run.inputs, num_rows, dtype=run.dtype, seed=3)
        with torch.no_grad():
            expected, from_program = run.network(inputs)["out"], program(inputs)["out"]
        assert num_rows == 1 or not torch.equal(expected[0], expected[-1])
        np.testing.assert_allclose(from_program, expected, rtol=1e-4, atol=1e-7)
        found = _run_onnx(tmp_path / "out.onnx", inputs)["out"]
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-7)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in shipped_configs() if name not in ("emotions", "tweets")])
def test_every_shipped_config_is_exported(untrained: Untrained, tmp_path: Path, name: str) -> None:
    folder = untrained(name)
    for file_format in FORMATS:
        exported = export_run(
            folder, tmp_path / f"out{ENDINGS[file_format]}", file_format=file_format, device=CPU
        )
        assert max(exported.deviations.values()) <= TOLERANCE


def test_the_size_of_a_recurrence_does_not_follow_its_steps(untrained: Untrained, tmp_path: Path) -> None:
    sizes: list[int] = []
    for steps in (20, 200):
        text = NETWORKS["lstm"].replace("length: 20", f"length: {steps}")
        out = tmp_path / f"{steps}.onnx"
        sizes.append(export_run(untrained(text), out, file_format="onnx", device=CPU).num_bytes)
    assert abs(sizes[1] - sizes[0]) < 1000


def test_names_of_pytorch_are_names_like_others(untrained: Untrained, tmp_path: Path) -> None:
    text = _image(
        "flat: {type: flatten}", "addmm: {type: dense, units: 3}", "1st-relu: {type: dense, units: 2}"
    )
    text = text.replace("outputs: [out]", "outputs: [sigmoid, addmm, 1st-relu]")
    text = text.replace("    out:", "    sigmoid:").replace("output: out", "output: sigmoid")
    export_run(untrained(text), tmp_path / "out.onnx", file_format="onnx", device=CPU)
    session = onnxruntime.InferenceSession(tmp_path / "out.onnx", providers=["CPUExecutionProvider"])
    assert [each.name for each in session.get_outputs()] == ["sigmoid", "addmm", "1st-relu"]
    (given,) = session.get_inputs()
    assert (given.name, given.shape, given.type) == ("image", ["batch", 1, 28, 28], "tensor(float)")


@pytest.mark.parametrize("file_format", ["onnx", "torch"])
def test_no_path_of_the_machine_is_in_a_file(
    untrained: Untrained, tmp_path: Path, file_format: ExportFormat
) -> None:
    out = tmp_path / "out"
    export_run(untrained(NETWORKS["gru"]), out, file_format=file_format, device=CPU)
    content = out.read_bytes()
    assert str(Path(export_formats.__file__).parent.parent).encode() not in content
    assert str(tmp_path).encode() not in content


def test_a_table_predicts_the_same_through_its_export(table_run: Path, tmp_path: Path) -> None:
    """Temperature included: what `mlx predict` says, and what the file gives with the run's preparation."""
    folder = RunFolder.open(table_run)
    predictor = open_predictor(folder, device=CPU)
    out = tmp_path / "houses.onnx"
    export_run(folder, out, file_format="onnx", device=CPU)
    described = json.loads((tmp_path / "houses.onnx.preparation.json").read_text("utf-8"))
    rows = table_run.parent.parent / "rows.csv"
    (found,) = predictor.predict_file(str(rows))
    (given,) = (each.inputs for each in _read(predictor, rows))
    values = _run_onnx(out, given)
    np.testing.assert_allclose(values["kind"], found.select("^kind/.*$").to_numpy(), rtol=1e-4)
    np.testing.assert_allclose(values["tags"][:, 0], found["tags/a"], rtol=1e-4)
    assert described["outputs"]["tags"]["labels"] == ["a", "b"]
    assert described["outputs"]["tags"]["thresholds"] == [0.7, 0.2]
    decided = values["tags"] > np.array(described["outputs"]["tags"]["thresholds"])
    assert decided[:, 0].astype(int).tolist() == found["tags/a/is"].to_list()
    unit = described["outputs"]["price"]["unit"]
    price = np.expm1(values["price"].astype(float) * unit["divisor"] + unit["offset"])
    np.testing.assert_allclose(price[:, 0], found["price"], rtol=1e-4)
    assert described["outputs"]["kind"]["temperature"] != 1.0
    assert described["inputs"]["numbers"]["labels"] == ["x1", "x2", "x2 is empty"]
    assert sorted(described["preparation"]["inputs"]) == ["colour", "numbers", "words"]


def _read(predictor, rows: Path):
    from mlx_runner.training.prediction_inputs import read_rows

    return read_rows(predictor.run, str(rows), rows=1000)


def test_the_description_of_images(untrained: Untrained, tmp_path: Path) -> None:
    exported = export_run(
        untrained(NETWORKS["poolings of images"]), tmp_path / "out.onnx", file_format="onnx", device=CPU
    )
    described = json.loads(exported.description.read_text("utf-8"))
    assert exported.description == tmp_path / "out.onnx.preparation.json"
    assert list(described) == ["format", "run", "export", "inputs", "outputs", "preparation", "versions"]
    assert described["export"]["format"] == "onnx"
    assert described["export"]["opset"] >= 18
    assert described["inputs"] == {
        "image": {
            "shape": [1, 28, 28],
            "dtype": "float32",
            "kind": "image",
            "size": None,
            "labels": [],
            "scale": {"offset": 0.0, "divisor": 255.0},
        }
    }
    assert described["outputs"]["out"]["labels"] == [str(digit) for digit in range(10)]
    assert described["preparation"] is None
    assert {"mlx-runner", "torch", "onnx"} <= described["versions"].keys()


def test_weights_carry_the_config(untrained: Untrained, tmp_path: Path) -> None:
    folder = untrained(NETWORKS["gru"])
    out = tmp_path / "out.safetensors"
    export_run(folder, out, file_format="safetensors", device=CPU)
    with safe_open(out, framework="pt") as file:
        assert file.metadata() == {"config": folder.config_text(), "run": folder.name}
        names = set(file.keys())
    assert "layers.read.recurrent_kernel" in names
    (tmp_path / "again.yaml").write_text(folder.config_text(), "utf-8")
    assert load_experiment(str(tmp_path / "again.yaml")).name == "sequence"


def test_the_name_of_the_run_is_the_files(
    untrained: Untrained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = untrained(NETWORKS["poolings of images"])
    exported = export_run(folder, None, file_format="safetensors", device=CPU)
    assert exported.file == Path(f"{folder.name}.safetensors")
    assert exported.document()["preparation"] == f"{folder.name}.safetensors.preparation.json"
    assert exported.file.stat().st_size == exported.num_bytes


def _only_runs(folder: Path) -> bool:
    return {each.name for each in folder.iterdir()} == {"runs", "config.yaml"}


def test_a_file_that_gives_something_else_is_not_written(
    untrained: Untrained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = untrained(NETWORKS["poolings of images"])
    real = export_formats.write_torch

    def wrong(*given):
        served = real(*given)
        return export_formats.Served(
            served.data, lambda inputs: {"out": served.run(inputs)["out"] * 1.001}, "another program"
        )

    monkeypatch.setattr("mlx_runner.training.export.write_torch", wrong)
    with pytest.raises(GateError) as caught:
        export_run(folder, tmp_path / "out.pt2", file_format="torch", device=CPU)
    assert str(caught.value) == (
        "the exported network does not give what the run's does: another program deviates in out by 1.0e-03 "
        "of the largest value, where 1e-04 is allowed; nothing was written."
    )
    assert _only_runs(tmp_path)


def test_a_network_that_pytorch_refuses(
    untrained: Untrained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise RuntimeError("no such operation\nand a long story")

    folder = untrained(NETWORKS["poolings of images"])
    monkeypatch.setattr("torch.onnx.export", refuse)
    with pytest.raises(ConfigError) as caught:
        export_run(folder, tmp_path / "out.onnx", file_format="onnx", device=CPU)
    (problem,) = caught.value.problems
    assert (problem.path, problem.message) == (("model",), "cannot be written as ONNX: no such operation")
    assert problem.file == str(folder.path / "config.yaml")
    assert _only_runs(tmp_path)


def test_without_its_packages_onnx_says_how_to_get_them(
    untrained: Untrained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = untrained(NETWORKS["poolings of images"])
    monkeypatch.setattr(export_formats, "find_spec", lambda _: None)
    with pytest.raises(ConfigError) as caught:
        export_run(folder, tmp_path / "out.onnx", file_format="onnx", device=CPU)
    assert str(caught.value) == (
        "ONNX needs onnx and onnxscript, which this installation has not: pip install 'mlx-runner[export]'"
    )
    assert _only_runs(tmp_path)


@pytest.mark.parametrize("name", ["gru", "images"])
def test_without_onnxruntime_the_evaluator_of_onnx_checks(
    untrained: Untrained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    real = export_formats.find_spec
    monkeypatch.setattr(
        export_formats, "find_spec", lambda name: None if name == "onnxruntime" else real(name)
    )
    exported = export_run(untrained(NETWORKS[name]), tmp_path / "out.onnx", file_format="onnx", device=CPU)
    assert exported.checked_with.startswith("the reference evaluator of onnx ")
    assert exported.deviations["out"] <= TOLERANCE


def test_places_where_no_file_can_be(untrained: Untrained, tmp_path: Path) -> None:
    folder = untrained(NETWORKS["poolings of images"])
    with pytest.raises(ConfigError, match="is a folder; name a file in it"):
        export_run(folder, tmp_path, file_format="torch", device=CPU)
    with pytest.raises(ConfigError, match="cannot be written: there is no folder"):
        export_run(folder, tmp_path / "gone" / "out.pt2", file_format="torch", device=CPU)


def test_a_description_that_cannot_be_written_takes_the_file_with_it(
    untrained: Untrained, tmp_path: Path
) -> None:
    folder = untrained(NETWORKS["poolings of images"])
    (tmp_path / "out.safetensors.preparation.json").mkdir()
    with pytest.raises(MachineError):
        export_run(folder, tmp_path / "out.safetensors", file_format="safetensors", device=CPU)
    assert not (tmp_path / "out.safetensors").exists()


def test_a_run_without_weights(untrained: Untrained, tmp_path: Path) -> None:
    folder = untrained(NETWORKS["poolings of images"])
    shutil.rmtree(folder.path / "checkpoints")
    with pytest.raises(DataError, match="has no weights"):
        export_run(folder, tmp_path / "out.pt2", file_format="torch", device=CPU)


def test_deviation_is_measured_by_the_largest_value() -> None:
    expected = torch.tensor([[10.0, 0.0], [-20.0, 1.0]])
    assert deviation(expected, expected) == 0.0
    assert deviation(expected, expected + torch.tensor([[0.0, 0.2], [0.0, 0.0]])) == pytest.approx(0.01)
    assert deviation(torch.zeros(2), torch.tensor([0.0, 0.5])) == 0.5
    nan = torch.tensor([float("nan"), 1.0])
    assert deviation(nan, nan) == 0.0
    assert deviation(nan, torch.ones(2)) == float("inf")
    assert deviation(torch.ones(2), torch.ones(3)) == float("inf")


def test_the_format_and_the_device_are_checked_first() -> None:
    assert choose_export("onnx", device=None) == "onnx"
    assert choose_export("torch", device="cuda") == "torch"
    with pytest.raises(ConfigError) as caught:
        choose_export("onx", device=None)
    assert str(caught.value) == (
        "--format: no format named 'onx'; did you mean 'onnx'? Formats: onnx, torch, safetensors."
    )
    with pytest.raises(ConfigError) as caught:
        choose_export("safetensors", device="cuda")
    assert str(caught.value) == (
        "--device has no effect with --format safetensors, which is tied to no device."
    )
