"""`mlx compare` from the command line: what it prints, writes, refuses, and how it ends."""

from __future__ import annotations

import csv
import io
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Mlx = Callable[..., tuple[int, str, str]]

TWO = """\
name: two
data: {source: mnist, shape: [784], samples: 600, test_samples: 200}
model:
  inputs: [image]
  layers:
    hidden: {type: dense, units: 6, activation: relu}
    attributes: {type: dense, units: 6, activation: sigmoid}
    digit: {type: dense, of: hidden, units: 10, activation: softmax}
  outputs: [attributes, digit]
losses:
  attributes: {type: binary_crossentropy, output: attributes, target: attributes}
  digit: {type: sparse_categorical_crossentropy, output: digit, target: digit, weight: 0.5}
metrics: {attributes: [f1_micro], digit: [categorical_accuracy]}
training: {epochs: 1, batch_size: 100}
compare:
  seeds: 2
  settings:
    paper: {}
    no_digit: {losses.digit.weight: 0.0}
"""
KEY = "test/attributes/f1_micro"


@pytest.fixture(scope="module")
def trained(mlx: Mlx, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, object], str]:
    """A folder with a config and a finished comparison, the document and the progress it was printed with."""
    folder = tmp_path_factory.mktemp("trained")
    (folder / "two.yaml").write_text(TWO, "utf-8")
    code, out, err = mlx("compare", "two.yaml", "--json", folder=folder)
    assert code == 0, err
    return folder, json.loads(out), err


@pytest.fixture
def two(tmp_path: Path) -> Path:
    """A folder with the config alone."""
    (tmp_path / "two.yaml").write_text(TWO, "utf-8")
    return tmp_path


def test_the_document(trained: tuple[Path, dict[str, object], str]) -> None:
    folder, document, progress = trained
    assert list(document)[:2] == ["comparison", "plan"]
    settings = document["settings"]
    assert isinstance(settings, list)
    assert [each["name"] for each in settings] == ["paper", "no_digit", "equal"]
    assert [each["changes"] for each in settings] == [
        {},
        {"losses.digit.weight": 0.0},
        {"losses.digit.weight": 1.0},
    ]
    for each in settings:
        assert [member["seed"] for member in each["members"]] == [0, 1]
        for member in each["members"]:
            run = folder / member["run"]
            assert json.loads((run / "summary.json").read_text())["status"] == member["status"] == "finished"
    score = settings[1]["metrics"][KEY]
    assert set(score) == {"mean", "std", "n", "difference"}
    assert score["difference"]["low"] < score["difference"]["mean"] < score["difference"]["high"]
    assert "stack 1 of 1: 6 members in 2 stacks in 2 processes" in progress


@pytest.mark.parametrize("output_format", ["table", "csv", "markdown", "json", "latex"])
def test_a_comparison_is_read_in_every_format(
    mlx: Mlx, trained: tuple[Path, dict[str, object], str], output_format: str
) -> None:
    folder, document, _ = trained
    code, out, err = mlx("compare", str(document["comparison"]), "--format", output_format, folder=folder)
    assert (code, err) == (0, "")
    assert "no_digit" in out.replace("\\", "")
    assert "\x1b" not in out
    if output_format == "json":
        again = json.loads(out)
        assert again == document
    if output_format == "csv":
        rows = {(row["setting"], row["metric"]) for row in csv.DictReader(io.StringIO(out))}
        assert ("equal", KEY) in rows
    if output_format == "table":
        assert "note: equal joined by itself" in out
        assert "Pareto front over test/attributes/f1_micro, test/digit/categorical_accuracy" in out


def test_runs_are_read(mlx: Mlx, trained: tuple[Path, dict[str, object], str]) -> None:
    folder, document, _ = trained
    members = [str(path) for path in sorted((folder / str(document["comparison"]) / "members").iterdir())]
    code, out, _ = mlx("compare", *members, "--json", "--baseline", "paper", "--sort", KEY, folder=folder)
    assert code == 0
    again = json.loads(out)
    assert (again["comparison"], again["plan"]) == (None, {})
    given = {each["name"]: each["metrics"] for each in document["settings"]}  # type: ignore[attr-defined]
    assert {each["name"]: each["metrics"] for each in again["settings"]} == given
    means = [each["metrics"][KEY]["mean"] for each in again["settings"]]
    assert means == sorted(means, reverse=True)


def test_reading_imports_no_torch(
    trained: tuple[Path, dict[str, object], str], clean_environment: dict[str, str]
) -> None:
    folder, document, _ = trained
    comparison = folder / str(document["comparison"])
    code = (
        "import sys\nfrom mlx_runner.cli.main import main\n"
        "try:\n    main()\nexcept SystemExit as end:\n"
        "    print(end.code, {'torch', 'matplotlib'} & set(sys.modules), file=sys.stderr)"
    )
    for arguments in ([str(comparison)], [str(path) for path in (comparison / "members").iterdir()]):
        finished = subprocess.run(
            [sys.executable, "-c", code, "compare", *arguments],
            capture_output=True, text=True, check=True, env=clean_environment,
        )  # fmt: skip
        assert finished.stderr == "0 set()\n"
        assert "no_digit" in finished.stdout


def test_a_killed_comparison_goes_on(
    mlx: Mlx, trained: tuple[Path, dict[str, object], str], tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(trained[0], tmp_path / "copy"))
    comparison = folder / str(trained[1]["comparison"])
    [half] = (comparison / "members").glob("*_equal_seed1")
    (half / "summary.json").unlink()
    (comparison / "comparison.json").unlink()
    code, out, _ = mlx("compare", str(trained[1]["comparison"]), folder=folder)
    assert code == 0
    assert "note: 1 of 6 members have not ended; mlx compare --resume" in out
    code, out, err = mlx("compare", "two.yaml", "--resume", "latest", "--json", folder=folder)
    assert code == 0
    assert "stack 1 of 1: 6 members in 2 stacks in 2 processes" in err, "in the stack in which it began"
    assert "equal_seed1 finished" in err
    assert "_seed0 finished" not in err, "of the other stack nothing is left"
    assert [member["status"] for each in json.loads(out)["settings"] for member in each["members"]] == [
        "finished"
    ] * 6
    assert (comparison / "comparison.json").is_file()
    code, out, err = mlx("compare", "two.yaml", "training.epochs=3", "--resume", "latest", folder=folder)
    assert (code, out) == (2, "")
    assert "was begun with other settings" in err


def test_a_dry_run_writes_nothing(mlx: Mlx, two: Path) -> None:
    arguments = ("compare", "two.yaml", "--vary", "training.batch_size=50,100", "--seeds", "3", "--dry-run")
    code, out, _ = mlx(*arguments, folder=two)
    assert code == 0
    assert "6 members in 2 stacks on" in out
    assert "differs from stack 1 in" in out and "training.batch_size (100, not 50)" in " ".join(out.split())
    code, out, _ = mlx(*arguments, "--json", folder=two)
    document = json.loads(out)
    assert (document["comparison"], len(document["plan"]["stacks"])) == (None, 2)
    assert document["settings"][0]["members"][0] == {"run": None, "seed": 0, "status": "planned"}
    assert [path.name for path in two.iterdir()] == ["two.yaml"]


def test_all_diverged(mlx: Mlx, two: Path) -> None:
    wild = ("optimizer.type=sgd", "optimizer.learning_rate=1e30", "--seeds", "1", "--json", "--quiet")
    code, out, err = mlx("compare", "two.yaml", *wild, folder=two)
    assert code == 4
    document = json.loads(out)
    assert {member["status"] for each in document["settings"] for member in each["members"]} == {"diverged"}
    assert document["metric"] is None
    assert err == "mlx: all members diverged\n"


def test_a_folder_of_configs(mlx: Mlx, two: Path) -> None:
    (two / "set").mkdir()
    plain = TWO.partition("compare:")[0]
    for name, weight in (("a", "0.1"), ("b", "0.2")):
        (two / "set" / f"{name}.yaml").write_text(plain.replace("weight: 0.5", f"weight: {weight}"), "utf-8")
    code, out, _ = mlx("compare", "set", "--dry-run", "--no-equal", "--json", folder=two)
    assert code == 0
    assert [(each["name"], each["changes"]) for each in json.loads(out)["settings"]] == [
        ("a", {"losses.digit.weight": 0.1}),
        ("b", {"losses.digit.weight": 0.2}),
    ]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ([], 2, "nothing to compare; give a config, runs, a comparison, or --resume COMPARISON."),
        (["tow.yaml"], 2, "no config, run or comparison named 'tow.yaml'; did you mean 'two.yaml'?"),
        (["multilabel_attributes"], 2, "nothing to compare: multilabel_attributes names no settings"),
        (
            ["two.yaml", "--vary", "losses.digt.weight=0,1"],
            *(2, "command line: losses.digt.weight: no loss named 'digt'; did you mean 'digit'?"),
        ),
        (
            ["two.yaml", "--vary", "losses.digit.wieght=0,1"],
            *(2, "command line: losses.digit: unknown key 'wieght'; did you mean 'weight'?"),
        ),
        (
            ["two.yaml", "--vary", "losses.digit.weight=0,much"],
            *(2, "command line: losses.digit.weight: must be a number, not the text 'much'"),
        ),
        (["two.yaml", "--baseline", "papr"], 2, "baseline: no setting named 'papr'; did you mean 'paper'?"),
        (["two.yaml", "--metric", "f2"], 2, "--metric: no metric named 'f2'"),
        (["two.yaml", "--sort", "loss"], 2, "--sort: 'loss' is the weighted total"),
        (["two.yaml", "--format", "csv"], 2, "--json and --format csv cannot both be given"),
        (["two.yaml", "--seeds", "0"], 2, "--seeds must be 1 to 1000, not 0"),
        (["two.yaml", "--device", "gpu"], 2, "no device named 'gpu'"),
        (["two.yaml", "data.root=none"], 3, "none"),
        (["--resume", "latest"], 2, "there is no latest comparison: 'runs' holds none yet."),
        (
            ["--resume", "latest", "--dry-run", "--seeds", "3"],
            *(2, "--dry-run and --seeds cannot be given with --resume: the plan is made."),
        ),
        (["two.yaml", "two"], 2, "no config, run or comparison named 'two'; did you mean 'two.yaml'?"),
    ],
)
def test_mistakes(mlx: Mlx, two: Path, arguments: list[str], code: int, message: str) -> None:
    ended, out, err = mlx("compare", *arguments, "--json", "--quiet", folder=two)
    assert (ended, err.startswith("mlx: ")) == (code, True)
    assert message in err
    assert json.loads(out)["error"]["code"] == code
    assert not list(two.glob("runs/*")), "nothing is left behind"


def test_an_unknown_format(mlx: Mlx, two: Path) -> None:
    code, out, err = mlx("compare", "two.yaml", "--format", "pdf", folder=two)
    assert (code, out) == (2, "")
    assert err == "mlx: --format: no format named 'pdf'. Formats: table, csv, markdown, json, latex.\n"


def test_a_mistake_in_the_section_is_told_at_its_line(mlx: Mlx, two: Path) -> None:
    path = two / "two.yaml"
    path.write_text(TWO.replace("no_digit: {losses.digit.weight: 0.0}", "no_digit: {losses.digit.weight: x}"))
    code, _, err = mlx("compare", "two.yaml", folder=two)
    assert (code, err) == (
        2,
        "mlx: two.yaml:19:37: losses.digit.weight: must be a number, not the text 'x'\n",
    )


def test_a_damaged_comparison(mlx: Mlx, trained: tuple[Path, dict[str, object], str], tmp_path: Path) -> None:
    folder = Path(shutil.copytree(trained[0], tmp_path / "copy"))
    comparison = str(trained[1]["comparison"])
    for path in (folder / comparison / "members").glob("*_paper_seed0/summary.json"):
        path.write_text("{")
    code, _, err = mlx("compare", comparison, folder=folder)
    assert code == 3
    assert "summary.json' is damaged" in err
    (folder / comparison / "comparison.csv").unlink()
    code, _, err = mlx("compare", comparison, folder=folder)
    assert code == 2
    assert "is not a complete comparison: it has no comparison.csv" in err


def test_training_options_have_no_effect_on_what_is_finished(
    mlx: Mlx, trained: tuple[Path, dict[str, object], str]
) -> None:
    folder, document, _ = trained
    code, _, err = mlx("compare", str(document["comparison"]), "--seeds", "3", "--dry-run", folder=folder)
    assert code == 2
    assert "--seeds and --dry-run cannot be given for what is finished" in err
