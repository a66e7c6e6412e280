"""A config names what there is; it never imports anything."""

# ruff: noqa: E501  (a case, or a message, on each line)

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from mlx_runner.specs.load import shipped_configs

from .sandbox import Sandbox

HOSTILE = ("os.system", "builtins:eval", "mlx_runner.cli.main", "subprocess.Popen", "antigravity", "this")

CONFIG = """\
name: stranger
data: {source: mnist, shape: [784]}
model:
  inputs: [image]
  layers:
    hidden: {type: dense, units: 6, activation: relu, kernel_initializer: zeros, kernel_regularizer: {l2: 0.1}}
    copies: {type: replicate, n: 2, layers: {inner: {type: dense, units: 3}}}
    scores: {type: dense, units: 6, activation: sigmoid}
  outputs: [scores]
losses: {labels: {type: binary_crossentropy, output: scores, target: attributes, reduction: mean}}
weighting: {type: fixed}
metrics: {scores: [f1_micro]}
calibration: {scores: temperature}
optimizer: {type: adam, schedule: {type: cosine}}
training: {epochs: 1, precision: float32, early_stopping: {mode: min}}
numerics: keras
"""

CHOSEN = {
    *("type", "source", "activation", "kernel_initializer", "reduction", "numerics", "precision", "mode"),
    *("scores", 0, "format", "encoding", "scale", "kind", "tokenizer", "missing", "unknown"),
}
"""The keys at which a config says one of several names that the program knows."""


def _texts(value: object, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Where a config says a text at one of `CHOSEN`."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _texts(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _texts(item, (*path, index))
    elif (isinstance(value, str) and path[-1] in CHOSEN and path[0] != "model") or _is_layer_choice(path):
        yield path


def _is_layer_choice(path: tuple[str | int, ...]) -> bool:
    return path[:2] == ("model", "layers") and path[-1] in CHOSEN - {"scores", 0}


def _with(config: dict, path: tuple[str | int, ...], value: object) -> str:
    changed = json.loads(json.dumps(config))
    place = changed
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    return yaml.safe_dump(changed, sort_keys=False)


PLACES = list(_texts(yaml.safe_load(CONFIG)))


def test_the_places_are_those_where_a_config_chooses() -> None:
    found = {".".join(map(str, path)) for path in PLACES}
    assert {
        "data.source",
        "model.layers.hidden.type",
        "model.layers.hidden.activation",
        "model.layers.copies.layers.inner.type",
        "losses.labels.type",
        "weighting.type",
        "metrics.scores.0",
        "optimizer.type",
        "optimizer.schedule.type",
    } <= found


@pytest.mark.usefixtures("warm")
@pytest.mark.parametrize("path", PLACES, ids=lambda path: ".".join(map(str, path)))
def test_a_dotted_name_is_refused_with_the_names_there_are(
    sandbox: Sandbox, path: tuple[str | int, ...]
) -> None:
    config = yaml.safe_load(CONFIG)
    right = config
    for step in path:
        right = right[step]
    for name in HOSTILE[:3]:
        sandbox.write("c.yaml", _with(config, path, name))
        sandbox.read("check", "c.yaml")
        before = set(sys.modules)
        outcome = sandbox.read("check", "c.yaml")
        assert outcome.code == 2
        assert repr(name) in outcome.err
        assert str(right) in outcome.err, "the names there are"
        assert set(sys.modules) == before


def test_no_module_is_imported_by_any_name_in_a_config(sandbox: Sandbox) -> None:
    """A module of that name lies in the current folder, where Python would find it; so does a shadow of ours."""
    for module in ("stranger", "os", "mlx_runner", "yaml", "torch", "sitecustomize"):
        sandbox.write(f"{module}.py", "raise SystemExit('imported')")
    config = yaml.safe_load(CONFIG)
    for path in PLACES:
        sandbox.write("c.yaml", _with(config, path, "stranger.Layer"))
        assert sandbox.read("check", "c.yaml").code == 2
    assert "stranger" not in sys.modules


@pytest.mark.parametrize("name", ["headline", "autoencoder", "emotions"])
def test_python_tags_are_refused_wherever_they_stand(sandbox: Sandbox, name: str) -> None:
    text = Path(str(shipped_configs()[name])).read_text("utf-8")
    for tag in (
        "!!python/object/apply:os.system",
        "!!python/name:os.system",
        "!!python/module:antigravity",
        "!x",
    ):
        lines = text.splitlines()
        key = next(line for line in lines if line.startswith("name:"))
        sandbox.write("c.yaml", text.replace(key, f"name: {tag} ['echo']", 1))
        outcome = sandbox.read("check", "c.yaml")
        assert outcome.code == 2
        assert "tags are not allowed" in outcome.err
    assert "antigravity" not in sys.modules
