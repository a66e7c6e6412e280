"""Which losses color which edges of a graph: those whose gradient comes back along them, and no others."""

from __future__ import annotations

from pathlib import Path

from mlx_runner.inspection.picture import GraphPicture, picture_graph
from mlx_runner.specs.experiment import Experiment
from mlx_runner.specs.load import load_experiment
from mlx_runner.training.blueprint import draw_blueprint

STOPPED = """\
name: stopped
data: {source: mnist, shape: [784]}
model:
  inputs: [image]
  layers:
    frozen: {type: dense, units: 6, trainable: false}
    trunk: {type: dense, units: 6}
    again: {shares: trunk, of: trunk}
    cut: {type: stop_gradient}
    left: {type: dense, units: 6, activation: sigmoid}
    right: {type: dense, of: again, units: 10, activation: softmax}
    idle: {type: dense, of: trunk, units: 3}
  outputs: [left, right, idle]
losses:
  left: {type: binary_crossentropy, output: left, target: attributes, weight: 0.5}
  right: {type: sparse_categorical_crossentropy, output: right, target: digit}
"""


def _pictured(experiment: Experiment) -> GraphPicture:
    blueprint = draw_blueprint(experiment)
    return picture_graph(experiment, blueprint.network, blueprint.objective)


def test_the_headline_model() -> None:
    picture = _pictured(load_experiment("headline"))
    flows = {(edge.source, edge.target): edge.terms for edge in picture.edges}
    assert flows == {
        ("headline", "embedding"): (),
        ("embedding", "lstm"): ("main", "aux"),
        ("lstm", "aux_output"): ("aux",),
        ("lstm", "joined"): ("main",),
        ("context", "joined"): (),
        ("joined", "dense_1"): ("main",),
        ("dense_1", "dense_2"): ("main",),
        ("dense_2", "dense_3"): ("main",),
        ("dense_3", "main_output"): ("main",),
        ("main_output", "loss main"): ("main",),
        ("aux_output", "loss aux"): ("aux",),
    }
    lines = {node.key: node.lines for node in picture.nodes}
    assert lines["lstm"] == ("lstm", "lstm (32)", "69,760 weights")
    assert lines["loss aux"] == ("aux", "0.2 x binary_crossentropy", "against shared")
    assert [node.key for node in picture.nodes if node.kind == "output"] == ["aux_output", "main_output"]


def test_stopped_frozen_and_shared(tmp_path: Path) -> None:
    (tmp_path / "stopped.yaml").write_text(STOPPED, "utf-8")
    picture = _pictured(load_experiment(str(tmp_path / "stopped.yaml")))
    flows = {(edge.source, edge.target): edge.terms for edge in picture.edges}
    # Below a frozen layer nothing is trained, so that nothing has to flow there.
    assert flows["frozen", "trunk"] == ()
    assert flows["trunk", "again"] == ("right",)
    assert flows["again", "cut"] == ()
    assert flows["cut", "left"] == ()
    assert flows["left", "loss left"] == ("left",)
    assert flows["trunk", "idle"] == ()
    lines = {node.key: node.lines for node in picture.nodes}
    assert lines["again"] == ("again", "dense (6)", "weights of trunk")
    assert lines["left"][0] == lines["loss left"][0] == "left"
    assert picture.draw() == picture.draw()
