"""A name never becomes a path that leads out of the folder it belongs to, whatever it is the name of."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
import yaml

from .sandbox import MOST_MEGABYTES, Sandbox

ESCAPES = (
    *("../../x", "..", ".", "/etc/passwd", "a/b", "a\\..\\b", "~", "$HOME", "x\0y", "x\ny", "", " ", "-rf"),
    *("a:b", "x" * 81, "x" * 300, "é" * 100, "*", "\u2025/x", "\uff0f", "x\u202e", "`id`", "{name}"),
)


CONFIG = """\
name: stranger
data: {source: mnist, shape: [784], samples: 200, test_samples: 100, validation_split: 0.2}
model:
  inputs: [image]
  layers:
    hidden: {type: dense, units: 3, activation: relu}
    scores: {type: dense, units: 6, activation: sigmoid}
  outputs: [scores]
losses: {labels: {type: binary_crossentropy, output: scores, target: attributes}}
metrics: {scores: [f1_micro]}
training: {epochs: 1, batch_size: 100}
"""

PLACES = {
    "the experiment": lambda document, name: document.update(name=name),
    "a layer": lambda document, name: document["model"]["layers"].update(
        {name: {"type": "dense", "units": 2}}
    ),
    "an output": lambda document, name: document["model"].update(outputs=[name]),
    "an input": lambda document, name: document["model"].update(inputs=[name]),
    "a loss": lambda document, name: document["losses"].update({name: document["losses"]["labels"]}),
    "what a loss scores": lambda document, name: document["losses"]["labels"].update(output=name),
    "a target": lambda document, name: document["losses"]["labels"].update(target=name),
    "what has metrics": lambda document, name: document["metrics"].update({name: ["f1_micro"]}),
    "a metric": lambda document, name: document["metrics"].update(scores=[name]),
    "a setting": lambda document, name: document.update(
        compare={"settings": {name: {"losses.labels.weight": 0.5}}}
    ),
    "a layer of copies": lambda document, name: document["model"]["layers"].update(
        copies={"type": "replicate", "n": 2, "layers": {name: {"type": "dense", "units": 1}}}
    ),
    "what is monitored": lambda document, name: document["training"].update(early_stopping={"monitor": name}),
    "what has a threshold": lambda document, name: document.update(thresholds={name: 0.5}),
    "a label with a threshold": lambda document, name: document.update(thresholds={"scores": {name: 0.5}}),
    "a run that weights come from": lambda document, name: document["model"].update(weights_from=name),
}
"""Where a config says a name, and how it gets there."""


@pytest.mark.parametrize("place", PLACES)
def test_no_name_in_a_config_leads_anywhere(sandbox: Sandbox, place: str) -> None:
    """Such names are refused, and nothing is written; where a path is meant, it is only read."""
    for name in ESCAPES:
        document = yaml.safe_load(CONFIG)
        PLACES[place](document, name)
        sandbox.write("c.yaml", yaml.safe_dump(document, sort_keys=False))
        checked = sandbox.read("check", "c.yaml")
        is_path = place == "a run that weights come from"
        assert checked.code == 2 or is_path, (name, checked.out)
        if name in ESCAPES[:4]:
            assert sandbox.read("train", "c.yaml", "--quiet").code in (2, 3, 6), name
            assert sandbox.read("compare", "c.yaml", "--dry-run").code in (2, 3, 6) or is_path, name


def test_no_name_on_the_command_line_leads_anywhere(sandbox: Sandbox) -> None:
    sandbox.write("c.yaml", CONFIG)
    for name in ESCAPES:
        if "\0" in name:  # no argument of a process can hold it
            continue
        assert sandbox.read("train", "c.yaml", f"--name={name}").code == 2, name
        assert sandbox.read("train", "c.yaml", f"name={json.dumps(name)}").code == 2, name
        assert sandbox.read("evaluate", "--", name).code in (2, 3, 6), name
        assert sandbox.read("runs", "show", "--", name).code in (2, 3, 6), name
        assert sandbox.read("compare", "c.yaml", f"--baseline={name}", "--dry-run").code == 2, name
        assert sandbox.read("compare", f"--resume={name}").code in (2, 3, 6), name


@pytest.mark.parametrize("name", ["x" * 80, "_", "0", "latest"])
def test_names_that_are_allowed_stay_in_the_folder_of_runs(sandbox: Sandbox, name: str) -> None:
    """The longest name there may be, too, with the time before it and a number behind it."""
    sandbox.write("c.yaml", CONFIG)
    for _ in range(2):
        outcome = sandbox.run("train", "c.yaml", f"--name={name}", "--json", "--quiet")
        assert outcome.code == 0, outcome.err
        run = json.loads(outcome.out)["run"]
        assert Path(run).parent == Path("runs")
        assert Path(run).name.endswith((f"_{name}", f"_{name}-2"))
    left = {path.name for path in sandbox.work.iterdir()}
    assert left == {"c.yaml", "runs"}
    assert [
        path.name for path in sandbox.root.rglob("*") if path.parent in (sandbox.root, sandbox.root / "a")
    ] == [*("a", "b")]


@pytest.mark.parametrize(
    "stem", ["..", "...", " ", "-x", "a\nb", "é", "x" * 240, "$(id)", "\u202ex", "[red]x"]
)
def test_settings_named_by_files_stay_in_the_comparison(sandbox: Sandbox, stem: str) -> None:
    """A file's name is what its setting is called; it may be any that a disk can hold."""
    sandbox.write(f"settings/{stem}.yaml", CONFIG)
    sandbox.write("settings/other.yaml", CONFIG.replace("units: 3", "units: 4"))
    before = sandbox.files()
    outcome = sandbox.run("compare", "settings", "--seeds", "1", "--quiet")
    assert outcome.code in (0, 2, 6), outcome.err
    runs = "a/b/c/runs"
    for path in sandbox.files().keys() - before.keys():
        assert path == runs or path.startswith(f"{runs}/"), path


def test_columns_and_labels_name_no_files(sandbox: Sandbox) -> None:
    """They may be anything, and are never part of a file's name."""
    columns = ["../../x", "/etc/passwd", "..", "a\nb", "x" * 300]
    header = ",".join(json.dumps(name) if "\n" not in name else '"a\nb"' for name in columns)
    rows = [",".join(str((row + index) % 2) for index in range(len(columns))) for row in range(60)]
    sandbox.write(
        "t.csv", "\n".join(["x," + header, *(f"{i % 7},{row}" for i, row in enumerate(rows))]) + "\n"
    )
    document = {
        "name": "stranger",
        "data": {
            "source": "table",
            "path": "t.csv",
            "test_split": 0.2,
            "inputs": {"x": {"type": "numeric", "columns": ["x"]}},
            "targets": {"tags": {"type": "multilabel", "columns": columns}},
        },
        "model": {
            "inputs": ["x"],
            "layers": {"tags": {"type": "dense", "units": len(columns), "activation": "sigmoid"}},
            "outputs": ["tags"],
        },
        "losses": {"tags": {"type": "binary_crossentropy", "output": "tags", "target": "tags"}},
        "training": {"epochs": 1},
    }
    sandbox.write("c.yaml", yaml.safe_dump(document, sort_keys=False))
    before = sandbox.files()
    outcome = sandbox.run("train", "c.yaml", "--quiet")
    assert outcome.code == 0, outcome.err
    new = sandbox.files().keys() - before.keys()
    assert all(path == "a/b/c/runs" or path.startswith("a/b/c/runs/") for path in new)
    assert all("etc" not in path and "xxxx" not in path for path in new)


def test_links_in_a_run_folder_are_not_written_through(sandbox: Sandbox, tiny_run: Path) -> None:
    """A stranger's run may hold links to your files: nothing that reads it writes to them."""
    run = Path(shutil.copytree(tiny_run, sandbox.work / "runs" / tiny_run.name))
    mine = sandbox.write("mine.txt", "mine\n")
    for name in ("log.txt", "tags.json", "labels.csv"):
        (run / name).unlink(missing_ok=True)
        (run / name).symlink_to(mine)
    for arguments in (("runs",), ("runs", "show", "latest"), ("evaluate", "latest")):
        assert sandbox.read(*arguments).code in (0, 3)
    sandbox.run("runs", "tag", "latest", "good")
    assert mine.read_text("utf-8") == "mine\n"


@pytest.mark.parametrize("kind", ["pipe", "endless", "folder", "loop"])
@pytest.mark.parametrize(
    "name", ["summary.json", "config.yaml", "metrics.csv", "environment.json", "process.json"]
)
def test_what_is_no_file_in_a_run_folder_neither_waits_nor_fills_memory(
    sandbox: Sandbox, tiny_run: Path, name: str, kind: str
) -> None:
    run = Path(shutil.copytree(tiny_run, sandbox.work / "runs" / tiny_run.name))
    (run / name).unlink(missing_ok=True)
    if kind == "pipe":
        os.mkfifo(run / name)
    elif kind == "endless":
        (run / name).symlink_to("/dev/zero")
    elif kind == "loop":
        (run / name).symlink_to(run / name)
    else:
        (run / name).mkdir()
    path = run.as_posix()
    for arguments in (("runs",), ("runs", "show", path), ("evaluate", path), ("compare", path)):
        spent = sandbox.run(*arguments)
        assert spent.code in (0, 2, 3, 6), spent.err
        assert spent.megabytes < MOST_MEGABYTES
