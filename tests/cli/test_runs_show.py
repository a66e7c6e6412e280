"""`mlx runs show`, `diff` and `verify` through the command line, on runs that were trained."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from mlx_runner.records.checksums import write_checksums
from mlx_runner.records.comparison_folder import ComparisonFolder
from mlx_runner.records.run_folder import RunFolder

Mlx = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def trained(mlx: Mlx, tiny: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose `runs` holds two runs of two seeds, `first` and `second`."""
    folder = tmp_path_factory.mktemp("trained")
    (folder / "tiny.yaml").write_text(tiny, "utf-8")
    for name, seed in (("first", 0), ("second", 1)):
        assert mlx("train", "tiny.yaml", f"seed={seed}", "--name", name, "--quiet", folder=folder)[0] == 0
    for run in (folder / "runs").iterdir():
        write_checksums(run)
    return folder


def test_show(mlx: Mlx, trained: Path) -> None:
    code, out, err = mlx("runs", "show", "first", folder=trained)
    assert (code, err) == (0, "")
    assert "\x1b" not in out
    lines = out.splitlines()
    assert lines[0] == "config, without what is not set:"
    assert "  name: first" in lines
    assert "    hidden: {trainable: true, use_bias: true, type: dense, units: 6, activation: relu}" in out
    assert "null" not in out
    facts = dict(re.findall(r"^(\w+) {2,}(\S.*)$", out, re.MULTILINE))
    assert facts["run"].startswith("runs/")
    assert (facts["name"], facts["status"], facts["seed"]) == ("first", "finished", "0")
    assert facts["epochs"].startswith("2, best ")
    assert re.fullmatch(r"cpu, \d+ threads?, float32", facts["device"])
    assert re.fullmatch(r"\d+\.\d s", facts["duration"])
    assert "torch 2." in facts["versions"]
    assert facts["command"].startswith("mlx train tiny.yaml seed=0 --name first")
    assert re.search(r"^  labels/loss( +\d\.\d{4}){5}", out, re.MULTILINE), "the table of scores"
    assert re.search(r"^  checkpoints/best\.safetensors +\d+,\d{3} *$", out, re.MULTILINE)
    assert "to go on" not in out


def test_show_as_a_document(mlx: Mlx, trained: Path) -> None:
    code, out, err = mlx("runs", "show", "latest", "--json", folder=trained)
    assert (code, err) == (0, "")
    document = json.loads(out)
    run = RunFolder.open(trained / document["run"])
    assert document["name"] == "second"
    assert document["metrics"] == (run.read_summary() or {})["metrics"]
    assert document["environment"] == run.read_environment()
    assert document["config"]["model"]["layers"]["hidden"]["units"] == 6
    assert document["files"]["config.yaml"] == (run.path / "config.yaml").stat().st_size
    assert document["resume"] is None


def test_show_says_how_to_go_on(mlx: Mlx, tmp_path: Path) -> None:
    run = RunFolder.create(tmp_path / "runs", "stopped", config_text="name: a\n", environment={}, plan={})
    run.write_summary({"status": "interrupted", "metrics": {}, "epochs": 1, "best_epoch": 1})
    code, out, err = mlx("runs", "show", "stopped", folder=tmp_path)
    assert (code, err) == (0, "")
    assert out.splitlines()[-1] == f"to go on: mlx train --resume runs/{run.name}"
    assert "status      interrupted" in out


def test_diff(mlx: Mlx, trained: Path) -> None:
    code, out, err = mlx("runs", "diff", "first", "second", folder=trained)
    assert (code, err) == (0, "")
    rows = [re.split(r" {2,}", line.strip()) for line in out.splitlines() if line.strip()]
    assert [row[0] for row in rows[2:4]] == ["A", "B"]
    assert [row for row in rows if row[0] in ("name", "seed")] == [
        ["name", "first", "second"], ["seed", "0", "1"], ["seed", "0", "1"],
    ]  # fmt: skip
    a, b = (
        json.loads(mlx("runs", "show", name, "--json", folder=trained)[1]) for name in ("first", "second")
    )
    difference = b["metrics"]["test/loss"] - a["metrics"]["test/loss"]
    [row] = [row for row in rows if row[0] == "test/loss"]
    assert row == [
        "test/loss",
        *(f"{run['metrics']['test/loss']:.4f}" for run in (a, b)),
        f"{difference:+.4f}",
    ]
    document = json.loads(mlx("runs", "diff", "first", "second", "--json", folder=trained)[1])
    assert document["config"] == {"name": {"a": "first", "b": "second"}, "seed": {"a": 0, "b": 1}}
    assert document["environment"] == {"seed": {"a": 0, "b": 1}}
    assert document["metrics"]["test/loss"]["difference"] == difference
    assert (document["a"]["run"], document["b"]["run"]) == (a["run"], b["run"])


def test_a_run_beside_itself(mlx: Mlx, trained: Path) -> None:
    code, out, _ = mlx("runs", "diff", "first", "first", folder=trained)
    assert code == 0
    assert "config: no difference\n" in out
    assert "environment: no difference\n" in out


def test_runs_elsewhere(mlx: Mlx, trained: Path, tmp_path: Path) -> None:
    (run,) = (trained / "runs").glob("*_first")
    for arguments in (["first", "--runs", str(trained / "runs")], [str(run)]):
        code, out, _ = mlx("runs", "show", *arguments, "--json", folder=tmp_path)
        assert (code, json.loads(out)["run"]) == (0, str(run))


@pytest.mark.parametrize("command", [["show", "third"], ["diff", "first", "third"], ["verify", "third"]])
def test_no_such_run(mlx: Mlx, trained: Path, command: list[str]) -> None:
    code, out, err = mlx("runs", *command, folder=trained)
    assert (code, out) == (2, "")
    assert err.startswith("mlx: no run named 'third' in 'runs'")


def test_a_damaged_run(mlx: Mlx, tmp_path: Path) -> None:
    run = RunFolder.create(tmp_path / "runs", "bad", config_text="name: [\n", environment={}, plan={})
    code, out, err = mlx("runs", "show", "bad", folder=tmp_path)
    assert (code, out) == (3, "")
    assert err == f"mlx: runs/{run.name}/config.yaml:2:1: a value is expected before the end of the line\n"


def test_verify(mlx: Mlx, trained: Path) -> None:
    assert mlx("runs", "verify", folder=trained) == (0, "2 runs intact: 2 by checksums, 0 by contents\n", "")
    assert (
        mlx("runs", "verify", "first", "first", folder=trained)[1]
        == "1 run intact: 1 by checksums, 0 by contents\n"
    )
    (run,) = (trained / "runs").glob("*_first")
    damaged = {name: (run / name).read_bytes() for name in ("metrics.csv", "checkpoints/best.safetensors")}
    for name, data in damaged.items():
        (run / name).write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    problem = "its bytes are not those that it had (SHA-256)"
    lines = [f"runs/{run.name}/{name}: {problem}\n" for name in damaged]
    try:
        assert mlx("runs", "verify", folder=trained) == (3, "".join(lines), "mlx: 1 of 2 runs damaged\n")
        code, out, err = mlx("runs", "verify", "--json", folder=trained)
        assert mlx("runs", "verify", "second", folder=trained)[0] == 0
    finally:
        for name, data in damaged.items():
            (run / name).write_bytes(data)
    assert (code, err) == (3, "")
    second, first = json.loads(out)["runs"]
    assert (second["by"], second["problems"]) == ("checksums", [])
    assert first == {
        "run": f"runs/{run.name}",
        "by": "checksums",
        "problems": [{"file": name, "problem": problem} for name in damaged],
    }


def test_verify_a_run_that_lacks_files(mlx: Mlx, tmp_path: Path) -> None:
    run = RunFolder.create(tmp_path / "runs", "bad", config_text="name: a\n", environment={}, plan={})
    (run.path / "plan.json").unlink()
    (run.path / "metrics.csv").write_text("", "utf-8")
    assert mlx("runs", "verify", folder=tmp_path) == (
        3,
        f"runs/{run.name}/plan.json: it is missing\nruns/{run.name}/metrics.csv: it has no header\n",
        "mlx: 1 of 1 run damaged\n",
    )


def test_verify_nothing(mlx: Mlx, tmp_path: Path) -> None:
    assert mlx("runs", "verify", folder=tmp_path) == (2, "", "mlx: there is no folder 'runs'.\n")
    (tmp_path / "runs").mkdir()
    assert mlx("runs", "verify", folder=tmp_path) == (0, "0 runs intact: 0 by checksums, 0 by contents\n", "")


@pytest.mark.parametrize(
    "command",
    [["verify"], ["show", "a"], ["diff", "a", "b"], ["rm", "a"], ["rm", "--purge", "-y"], ["tag", "a", "b"]],
    ids=" ".join,
)
def test_a_folder_that_is_not_there(mlx: Mlx, tmp_path: Path, command: list[str]) -> None:
    (tmp_path / "runs").mkdir()
    code, out, err = mlx("runs", *command, "--runs", "rusn", folder=tmp_path)
    assert (code, out) == (2, "")
    assert err.endswith("there is no folder 'rusn'; did you mean 'runs'?\n")


def test_a_damaged_newest_run_is_the_latest(mlx: Mlx, tmp_path: Path) -> None:
    RunFolder.create(tmp_path / "runs", "good", config_text="name: a\n", environment={}, plan={})
    (tmp_path / "runs" / "29990101-000000_bad").mkdir()
    code, out, err = mlx("runs", "show", "latest", folder=tmp_path)
    assert (code, out) == (3, "")
    assert err.startswith("mlx: the latest run, 'runs/29990101-000000_bad', is damaged; name another one")
    assert mlx("runs", "verify", "latest", folder=tmp_path)[0] == 3
    assert mlx("runs", "rm", "latest", folder=tmp_path)[0] == 0
    assert [path.name[15:] for path in (tmp_path / "runs").glob("2*")] == ["_good"]


def test_verify_the_members_of_a_comparison(mlx: Mlx, tmp_path: Path) -> None:
    comparison = ComparisonFolder.create(tmp_path / "runs", "two", plan={}, configs={})
    members = comparison.members_path
    run = RunFolder.create(members, "a", config_text="name: a\n", environment={}, plan={})
    run.write_summary({"status": "finished", "metrics": {}})
    for named in ([], [comparison.path.name]):
        assert (
            mlx("runs", "verify", *named, folder=tmp_path)[1]
            == "1 run intact: 1 by checksums, 0 by contents\n"
        )
    (run.path / "config.yaml").write_text("name: b\n", "utf-8")
    code, out, _ = mlx("runs", "verify", folder=tmp_path)
    place = run.path.relative_to(tmp_path)
    assert (code, out) == (3, f"{place}/config.yaml: its bytes are not those that it had (SHA-256)\n")
