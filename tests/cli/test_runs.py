"""`mlx runs` through the command line: the table and the document of runs in every state."""

# ruff: noqa: E501  (messages are compared word for word, each on one line)

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from mlx_runner.records.comparison_folder import ComparisonFolder
from mlx_runner.records.conditions import parse_condition
from mlx_runner.records.run_folder import RunFolder

Mlx = Callable[..., tuple[int, str, str]]
AssertFails = Callable[..., None]

# Prints, after all else, the names of what was imported.
_LISTING = """
import json, sys
from mlx_runner.cli.main import main
sys.argv[0] = "mlx"
try:
    main()
finally:
    json.dump(sorted(sys.modules), sys.stderr)
"""

_BUSY = """
import shutil, sys, time
from pathlib import Path
from mlx_runner.records.run_folder import RunFolder
began = time.monotonic()
while time.monotonic() - began < 3.0:
    for number in range(20):
        run = RunFolder.create(Path(sys.argv[1]), "busy", config_text="name: a", environment={}, plan={})
        run.write_summary({"status": "finished", "metrics": {"test/loss": 0.5}})
        shutil.rmtree(run.path)
"""


def _create(root: Path, name: str, started: str, *, seed: int) -> RunFolder:
    environment = {"started_at": started, "seed": seed}
    return RunFolder.create(root, name, config_text=f"name: {name}\n", environment=environment, plan={})


@pytest.fixture
def shelf(tmp_path: Path) -> Path:
    """A folder whose `runs` holds, from old to new: one finished, one at work, one damaged."""
    root = tmp_path / "runs"
    finished = _create(root, "old", "2026-01-01T10:00:00.000+00:00", seed=3)
    for epoch in (1, 2):
        finished.append_metrics({"epoch": epoch, "train/loss": 0.5})
    metrics = {"validation/loss": 0.25, "test/loss": 0.5, "test/scores/auroc": None}
    finished.write_summary({"status": "finished", "metrics": metrics})
    _create(root, "new", "2026-01-01T10:00:01.000+00:00", seed=4)
    broken = root / "20250101-000000_broken"
    broken.mkdir()
    (broken / "config.yaml").write_text("name: broken\n", "utf-8")
    return tmp_path


def test_the_document(mlx: Mlx, shelf: Path) -> None:
    code, out, err = mlx("runs", "--json", folder=shelf)
    assert (code, err) == (0, "")
    document = json.loads(out)
    assert (list(document), document["comparisons"]) == (["runs", "comparisons"], [])
    new, old, broken = document["runs"]
    assert (new["status"], new["seed"], new["epochs"], new["metrics"]) == ("running", 4, 0, {})
    assert broken["status"] == "damaged"
    assert re.fullmatch(r"\d{8}-\d{6}_old", old.pop("name"))
    assert (shelf / old.pop("path") / "summary.json").is_file()
    assert old == {
        "status": "finished",
        "started": "2026-01-01T10:00:00.000+00:00",
        "epochs": 2,
        "seed": 3,
        "tags": [],
        "metrics": {"validation/loss": 0.25, "test/loss": 0.5, "test/scores/auroc": None},
    }


def test_the_table(mlx: Mlx, shelf: Path) -> None:
    code, out, err = mlx("runs", folder=shelf)
    assert (code, err) == (0, "")
    rows = [re.split(r" {2,}", line.strip()) for line in out.splitlines() if line.strip()]
    assert rows[0] == ["run", "status", "seed", "epochs", "validation loss", "test loss"]
    assert [row[0].partition("_")[2] for row in rows[2:]] == ["new", "old", "broken"]
    assert rows[2][1:] == ["running", "4", "0"]
    assert rows[3][1:] == ["finished", "3", "2", "0.2500", "0.5000"]
    assert "\x1b" not in out


def test_another_folder(mlx: Mlx, shelf: Path) -> None:
    elsewhere = shelf / "else" / "where"
    elsewhere.mkdir(parents=True)
    code, out, _ = mlx("runs", "--runs", str(shelf / "runs"), "--json", folder=elsewhere)
    assert (code, len(json.loads(out)["runs"])) == (0, 3)


def test_no_runs(mlx: Mlx, tmp_path: Path) -> None:
    assert mlx("runs", folder=tmp_path) == (
        0,
        "no runs here yet, there is no folder 'runs': mlx train CONFIG makes one\n",
        "",
    )
    code, out, err = mlx("runs", "--json", folder=tmp_path)
    assert (code, json.loads(out), err) == (0, {"runs": [], "comparisons": []}, "")
    assert not any(tmp_path.iterdir())


def test_comparisons_are_listed(mlx: Mlx, shelf: Path) -> None:
    comparison = ComparisonFolder.create(shelf / "runs", "two", plan={}, configs={})
    RunFolder.create(comparison.members_path, "a", config_text="name: a\n", environment={}, plan={})
    name = comparison.path.name
    out = mlx("runs", folder=shelf)[1]
    assert out.endswith(f"comparisons, each shown by mlx compare PATH:\n  {name} (running, 1 member)\n")
    assert name not in mlx("runs", "--filter", "status=finished", folder=shelf)[1]
    comparison.release()
    document = json.loads(mlx("runs", "--json", folder=shelf)[1])
    assert document["comparisons"] == [
        {"name": name, "path": f"runs/{name}", "status": "interrupted", "members": 1}
    ]
    message = f"mlx: 'runs/{name}' is a comparison, not a run; see it with: mlx compare runs/{name}\n"
    assert mlx("runs", "show", name, folder=shelf) == (2, "", message)


def test_scores_of_the_last_epoch(mlx: Mlx, shelf: Path) -> None:
    (new,) = (shelf / "runs").glob("*_new")
    RunFolder(new).append_metrics({"epoch": 1, "train/loss": 0.5, "validation/loss": 0.75})
    assert _rows(mlx("runs", folder=shelf)[1])[2][1:] == ["running", "4", "1", "0.7500"]
    assert json.loads(mlx("runs", "--json", folder=shelf)[1])["runs"][0]["metrics"] == {}


def test_a_file_is_no_folder(mlx: Mlx, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", "utf-8")
    message = "mlx: cannot read 'file': a file stands where its folder should be.\n"
    assert mlx("runs", "--runs", "file", folder=tmp_path) == (6, "", message)


def _rows(out: str) -> list[list[str]]:
    return [re.split(r" {2,}", line.strip()) for line in out.splitlines() if line.strip()]


def test_tags_have_a_column_where_there_are_any(mlx: Mlx, shelf: Path) -> None:
    assert mlx("runs", "tag", "old", "paper", "a", folder=shelf)[0] == 0
    rows = _rows(mlx("runs", folder=shelf)[1])
    assert rows[0] == ["run", "status", "tags", "seed", "epochs", "validation loss", "test loss"]
    assert rows[3][1:] == ["finished", "a, paper", "3", "2", "0.2500", "0.5000"]
    document = json.loads(mlx("runs", "--filter", "tag=paper", "--json", folder=shelf)[1])
    assert [run["tags"] for run in document["runs"]] == [["a", "paper"]]


def test_metrics_that_are_asked_for(mlx: Mlx, shelf: Path) -> None:
    keys = ("test/scores/auroc", "test/loss")
    options = [word for key in keys for word in ("--metric", key)]
    rows = _rows(mlx("runs", *options, folder=shelf)[1])
    assert rows[0] == ["run", "status", "seed", "epochs", *keys]
    assert rows[3][1:] == ["finished", "3", "2", "0.5000"]
    document = json.loads(mlx("runs", *options, "--json", folder=shelf)[1])
    assert [run["metrics"] for run in document["runs"]] == [
        {"test/scores/auroc": None, "test/loss": None},
        {"test/scores/auroc": None, "test/loss": 0.5},
        {"test/scores/auroc": None, "test/loss": None},
    ]


def test_filters_order_and_limit(mlx: Mlx, shelf: Path) -> None:
    def names(*options: str) -> list[str]:
        code, out, err = mlx("runs", *options, "--json", folder=shelf)
        assert (code, err) == (0, "")
        return [run["name"].partition("_")[2] for run in json.loads(out)["runs"]]

    assert names("--filter", "status=finished") == ["old"]
    assert names("--filter", "seed >= 3", "--filter", "test/loss<=0.5") == ["old"]
    assert names("--sort", "seed") == ["old", "new", "broken"]
    assert names("--sort", "seed", "--reverse", "--limit", "1") == ["new"]
    assert names("--reverse") == ["broken", "old", "new"]
    assert names("--filter", "config.name=new") == ["new"]
    assert mlx("runs", "--filter", "seed > 9", folder=shelf) == (
        0,
        "no run matches; mlx runs shows all\n",
        "",
    )


def test_options_that_cannot_be_followed(mlx: Mlx, shelf: Path, assert_fails: AssertFails) -> None:
    keys = "Keys: name, status, tag, started, epochs, seed, config.KEY, validation/loss, test/loss, test/scores/auroc."
    none = (None, None, None, None)
    for options, message in (
        (["--filter", "seed"], "'seed' is no condition: it has no operator. Write KEY OPERATOR VALUE, such as "
         "'test/loss <= 0.1'; operators: = != < <= > >= ~ (contains)."),
        (["--filter", "sed=1"], f"no run in 'runs' has the key 'sed'; did you mean 'seed' or 'started'? {keys}"),
        (["--sort", "test/los"], f"no run in 'runs' has the key 'test/los'; did you mean 'test/loss'? {keys}"),
        (["--metric", "seed"], "no run in 'runs' has the metric 'seed'. Metrics: validation/loss, test/loss, "
         "test/scores/auroc."),
    ):  # fmt: skip
        assert_fails(shelf, ["runs", *options], 2, [(*none, message)])


def test_options_of_the_list_before_another_command_are_refused(mlx: Mlx, shelf: Path) -> None:
    said = (
        "mlx: --runs and --limit before 'show' would be for the list of runs; write what is for 'show' after it: "
        "mlx runs show ...\n"
    )
    assert mlx("runs", "--runs", "x", "--limit", "3", "show", "old", folder=shelf) == (2, "", said)
    code, out, _ = mlx("runs", "--json", "tag", "old", "paper", folder=shelf)
    assert (code, json.loads(out)["error"]["code"]) == (2, 2)
    assert json.loads(mlx("runs", "--filter", "name=old", "--json", folder=shelf)[1])["runs"][0]["tags"] == []


@pytest.mark.parametrize(
    "arguments",
    [
        ["runs", "--filter", "name=old", "--metric", "test/loss"],
        ["runs", "--filter", "config.name=old"],
        ["runs", "show", "old"],
        ["runs", "diff", "old", "new"],
        ["runs", "tag", "old", "paper"],
        ["runs", "verify", "old", "new"],
        ["runs", "rm", "old"],
        ["runs", "rm", "--purge", "--yes"],
    ],
    ids=" ".join,
)
def test_nothing_heavy_is_loaded(
    shelf: Path, clean_environment: dict[str, str], arguments: list[str]
) -> None:
    """Of a command that it parses, Typer asks pydantic for the types; our own models stay unread."""
    ended = subprocess.run(
        [sys.executable, "-c", _LISTING, *arguments],
        cwd=shelf, env=clean_environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    modules = set(json.loads(ended.stderr))
    assert "mlx_runner.cli.runs" in modules
    heavy = {"torch", "torchvision", "matplotlib", "numpy", "polars", "mlx_runner.specs.experiment"}
    assert not heavy & modules


def test_lists_while_runs_come_and_go(shelf: Path, clean_environment: dict[str, str]) -> None:
    """The command, as processes of its own, beside one that makes runs and removes them file by file."""
    busy = subprocess.Popen([sys.executable, "-c", _BUSY, str(shelf / "runs")])
    command = [sys.executable, "-m", "mlx_runner.cli", "runs", "--json", "--filter", "name != nothing"]
    lists = 0
    while busy.poll() is None:
        ended = subprocess.run(
            command, cwd=shelf, env=clean_environment, capture_output=True, text=True, check=False
        )
        assert (ended.returncode, ended.stderr) == (0, "")
        names = [run["name"].partition("_")[2] for run in json.loads(ended.stdout)["runs"]]
        assert {"new", "old", "broken"} <= set(names)
        lists += 1
    assert busy.returncode == 0
    assert lists > 1


def test_the_page_tells_conditions_that_can_be_read() -> None:
    page = Path(__file__).parents[2].joinpath("docs", "runs.md").read_text("utf-8")
    rows = [line for line in page.splitlines() if line.startswith("| `")]
    told = [text for row in rows for text in re.findall(r"`([^`]*)`", row) if re.search("[=<>~]", text)]
    told += re.findall(r"--filter '([^']+)'", page)
    assert len(told) > 12
    for text in told:
        if text != "<=":
            parse_condition(text)
