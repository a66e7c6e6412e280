"""The formats of exported networks: from a network to the bytes of a file, and back to something that runs.

The bytes are what is run when a file is checked, so that a fault in writing or reading shows too.
"""

from __future__ import annotations

import io
import json
import warnings
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module, metadata
from importlib.util import find_spec
from typing import Any, cast

import torch
from safetensors.torch import load, save
from torch import Tensor
from torch.export import Dim, ExportedProgram
from torch.fx import GraphModule

from ..models import build_network
from ..specs.errors import ConfigError, Problem
from ..specs.machine_failures import describe_failure
from .served import ServedNetwork
from .trained_run import TrainedRun

Run = Callable[[Mapping[str, Tensor]], Mapping[str, Tensor]]

# What one protocol buffer, and so one ONNX file, can hold.
_ONNX_BYTES = 2**31 - 1


@dataclass(frozen=True, eq=False)
class Served:
    """A file's content, how to run it, by what, and what else is to be known of it."""

    data: bytes
    run: Run
    runner: str
    facts: dict[str, object] = field(default_factory=dict[str, object])


def write_torch(network: ServedNetwork, example: Mapping[str, Tensor]) -> Served:
    """A program of `torch.export` with a free batch size, on the device that the network is on."""
    buffer = io.BytesIO()
    with _quiet():
        torch.export.save(_program(network, example), buffer)
        loaded = torch.export.load(io.BytesIO(buffer.getvalue())).module()
    return Served(buffer.getvalue(), lambda inputs: loaded(dict(inputs)), f"torch {torch.__version__}")


def write_onnx(network: ServedNetwork, example: Mapping[str, Tensor]) -> Served:
    """An ONNX model with a free batch size. Raises ConfigError where its packages are not installed."""
    missing = [name for name in ("onnx", "onnxscript") if find_spec(name) is None]
    if missing:
        raise ConfigError(
            f"ONNX needs {' and '.join(missing)}, which this installation has not: "
            "pip install 'mlx-runner[export]'"
        )
    num_bytes = sum(each.numel() * each.element_size() for each in network.state_dict().values())
    if num_bytes > _ONNX_BYTES:
        raise ConfigError(f"the weights take {num_bytes / 1e9:.1f} GB; one ONNX file holds 2 GB: use torch.")
    outputs = network.network.graph.outputs
    with _quiet(), _said_of_the_model("ONNX"):
        model = torch.onnx.export(
            _program(network, example),
            dynamo=True,
            verbose=False,
            input_names=list(example),
            output_names=list(outputs),
            # Of a program these are only the names of its free sizes.
            dynamic_shapes=({name: {0: "batch"} for name in example},),
        )
    assert model is not None, "the exporter of torch.export gives a program"
    proto: Any = model.model_proto
    data: bytes = proto.SerializeToString()
    opset: int = next(each.version for each in proto.opset_import if each.domain == "")
    run, runner = _onnx_runner(data, outputs)
    return Served(data, run, runner, {"opset": opset})


def write_safetensors(run: TrainedRun, network: ServedNetwork) -> Served:
    """The weights and moving averages by name, with the resolved config among the metadata."""
    facts = {"config": run.folder.config_text(), "run": run.folder.name}
    if network.temperatures:
        facts["temperatures"] = json.dumps(network.temperatures)
    state = {name: each.cpu().contiguous() for name, each in network.network.state_dict().items()}
    data = save(state, metadata=facts)
    again = build_network(
        run.experiment.model,
        run.blueprint.inputs,
        seed=0,
        numerics=run.experiment.numerics,
        dtype=run.dtype,
        device=run.device,
    ).eval()
    again.load_state_dict(load(data))
    served = ServedNetwork(again, network.temperatures)
    return Served(data, served, f"safetensors {metadata.version('safetensors')}")


def _program(network: ServedNetwork, example: Mapping[str, Tensor]) -> ExportedProgram:
    batch = Dim("batch")
    shapes = ({name: {0: batch} for name in example},)
    with _said_of_the_model("a program of torch.export"):
        program = torch.export.export(network, (dict(example),), dynamic_shapes=shapes)
    for module in program.graph_module.modules():
        if isinstance(module, GraphModule):
            for node in module.graph.nodes:
                # The folders of whoever exports are nobody else's business.
                node.meta.pop("stack_trace", None)
    return program


def _onnx_runner(data: bytes, outputs: tuple[str, ...]) -> tuple[Run, str]:
    """What runs a model: onnxruntime where it is installed, else ONNX's own evaluator in NumPy."""
    if find_spec("onnxruntime") is not None:
        runtime: Any = import_module("onnxruntime")
        options = runtime.SessionOptions()
        options.log_severity_level = 3
        session: Any = runtime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
        runner = f"onnxruntime {metadata.version('onnxruntime')}"
    else:
        model: Any = import_module("onnx").load_model_from_string(data)
        session = import_module("onnx.reference").ReferenceEvaluator(model)
        runner = f"the reference evaluator of onnx {metadata.version('onnx')} (onnxruntime is not installed)"

    def run(inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        arrays = {name: values.cpu().numpy() for name, values in inputs.items()}
        results = cast("list[Any]", session.run(list(outputs), arrays))
        return {name: torch.from_numpy(each) for name, each in zip(outputs, results, strict=True)}

    return run, runner


@contextmanager
def _quiet() -> Generator[None]:
    """Without the exporters' warnings of their own future; what they write is checked by its numbers."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@contextmanager
def _said_of_the_model(form: str) -> Generator[None]:
    """Gives what PyTorch says against a network as a problem of the config's model."""
    try:
        yield
    except (RuntimeError, TypeError, ValueError) as error:
        if describe_failure(error) is not None:
            raise
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ConfigError(Problem(f"cannot be written as {form}: {reason}", ("model",))) from error
