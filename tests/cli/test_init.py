"""`mlx init` through the command line: what it prints and writes, and that what it drafts can be trained."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mlx_runner.data.draft import draft_config
from mlx_runner.inspection.check import check_experiment
from mlx_runner.specs.errors import DataError
from mlx_runner.specs.load import load_experiment
from sklearn import datasets

Mlx = Callable[..., tuple[int, str, str]]
Fails = Callable[
    [Path, list[str], int, list[tuple[str | None, int | None, int | None, str | None, str]]], None
]

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"

TABLE = "x,part,y\n" + "".join(f"{row * 37 % 100},{'abc'[row % 3]},{row % 2}\n" for row in range(60))
DOUBT = "the target is taken to be 'y', by its name; name others by --target COLUMN"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a table."""
    (tmp_path / "t.csv").write_text(TABLE)
    return tmp_path


def test_without_a_file_to_write_the_config_is_printed(mlx: Mlx, folder: Path) -> None:
    code, out, err = mlx("init", "t.csv", folder=folder)
    assert (code, err) == (0, f"unsure: {DOUBT}\n")
    assert out.startswith("# mlx train t.yaml\n# A first config for 't.csv' (60 rows, 3 columns)")
    assert out.endswith("patience: 10}\n")
    assert sorted(path.name for path in folder.iterdir()) == ["t.csv"]


def test_what_is_written_is_checked_and_trained_as_it_is(mlx: Mlx, folder: Path) -> None:
    code, out, err = mlx("init", "t.csv", "-o", "c.yaml", folder=folder)
    assert (code, out) == (0, "")
    assert err == (
        f"unsure: {DOUBT}\nwritten: c.yaml; next: mlx check c.yaml --data, then mlx train c.yaml\n"
    )
    assert mlx("check", "c.yaml", "--data", "--strict", folder=folder)[0] == 0
    code, out, err = mlx("train", "c.yaml", "training.epochs=2", "--json", "--quiet", folder=folder)
    assert (code, err) == (0, "")
    assert json.loads(out)["status"] == "finished"


def test_one_document(mlx: Mlx, folder: Path) -> None:
    code, out, err = mlx("init", "t.csv", "--json", folder=folder)
    assert (code, err) == (0, "")
    document = json.loads(out)
    text = mlx("init", "t.csv", folder=folder)[1]
    assert document == {
        "config": None,
        "text": text,
        "columns": [
            {"column": "x", "kind": "numeric", "role": "input", "doubt": None},
            {"column": "part", "kind": "categorical", "role": "input", "doubt": None},
            {"column": "y", "kind": "binary", "role": "target", "doubt": None},
        ],
        "doubts": [DOUBT],
    }
    code, out, err = mlx("init", "t.csv", "-o", "c.yaml", "--json", folder=folder)
    assert (code, err) == (0, "")
    document = json.loads(out)
    assert document["config"] == "c.yaml"
    assert document["text"] == (folder / "c.yaml").read_text()


def test_nothing_is_overwritten_unless_it_is_asked_for(mlx: Mlx, assert_fails: Fails, folder: Path) -> None:
    (folder / "c.yaml").write_text("mine")
    message = "-o: 'c.yaml' exists; choose another name, or overwrite it by --force."
    assert_fails(folder, ["init", "t.csv", "-o", "c.yaml"], 2, [(None, None, None, None, message)])
    assert (folder / "c.yaml").read_text() == "mine"
    assert mlx("init", "t.csv", "-o", "c.yaml", "--force", folder=folder)[0] == 0
    assert (folder / "c.yaml").read_text().startswith("# mlx train c.yaml\n")
    assert sorted(path.name for path in folder.iterdir()) == ["c.yaml", "t.csv"]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["none.csv"], 3, (None, None, None, None, "no such file: 'none.csv'")),
        (["empty.csv"], 3, ("empty.csv", None, None, None, "is empty: there is no header and no row")),
        (["header.csv"], 3, ("header.csv", None, None, None, "has no rows")),
        (
            ["one.csv"],
            3,
            (None, None, None, None, "there is no column beside the target ('x'): nothing to learn from."),
        ),
        (
            ["t.csv", "--target", "yy"],
            2,
            (None, None, None, None, "no column named 'yy'; did you mean 'y'? Columns: x, part, y."),
        ),
        (["t.csv", "--force"], 2, (None, None, None, None, "--force has no effect without -o.")),
        (["t.csv", "-o", "sub"], 2, (None, None, None, None, "-o: 'sub' is a folder; name a file in it.")),
        (
            ["t.csv", "-o", "./t.csv", "--force"],
            2,
            (None, None, None, None, "-o: 't.csv' is the table itself; choose another name."),
        ),
        (
            ["t.csv", "-o", "nowhere/c.yaml"],
            6,
            (None, None, None, None, "cannot write 'nowhere/c.yaml': its folder does not exist (any more)."),
        ),
        (
            ["t.csv", "--separator", "ab"],
            2,
            (None, None, None, None, "a separator is one character, or the word tab, not 'ab'."),
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_failures(
    assert_fails: Fails,
    folder: Path,
    arguments: list[str],
    code: int,
    said: tuple[str | None, int | None, int | None, str | None, str],
) -> None:
    (folder / "empty.csv").write_text("")
    (folder / "header.csv").write_text("x,y\n")
    (folder / "one.csv").write_text("x\n1.5\n2\n7\n")
    (folder / "sub").mkdir()
    assert_fails(folder, ["init", *arguments], code, [said])


def write_table(path: Path, names: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([names, *rows])


SCORES = {
    "iris": ("target/categorical_accuracy", 0.75),
    "wine": ("target/categorical_accuracy", 0.85),
    "breast_cancer": ("target/binary_accuracy", 0.9),
    "diabetes": ("target/r2", 0.3),
}
"""What a draft reaches on test in a few epochs; trivially it is 0.33, 0.4, 0.63 and 0."""


@pytest.mark.parametrize("name", SCORES)
def test_a_draft_learns(mlx: Mlx, tmp_path: Path, name: str) -> None:
    table: Any = getattr(datasets, f"load_{name}")()
    labels = table.target_names if name == "iris" else None
    rows = [
        [*row.tolist(), target if labels is None else labels[target]]
        for row, target in zip(table.data, table.target, strict=True)
    ]
    write_table(tmp_path / f"{name}.csv", [*table.feature_names, "target"], rows)
    assert mlx("init", f"{name}.csv", "-o", "c.yaml", folder=tmp_path)[0] == 0
    assert mlx("check", "c.yaml", "--data", "--strict", folder=tmp_path)[0] == 0
    metrics = train(mlx, tmp_path, epochs=12)
    metric, least = SCORES[name]
    assert metrics[f"test/{metric}"] > least


def train(mlx: Mlx, folder: Path, *, epochs: int) -> dict[str, float]:
    code, out, _ = mlx("train", "c.yaml", f"training.epochs={epochs}", "--json", "--quiet", folder=folder)
    assert code == 0
    return json.loads(out)["metrics"]


@pytest.mark.skipif(not SHARED.is_dir(), reason="the data are not here")
def test_emotions(mlx: Mlx, tmp_path: Path) -> None:
    code, _, err = mlx("init", str(SHARED / "emotions" / "train.csv"), "-o", "c.yaml", folder=tmp_path)
    assert code == 0
    first, second, _ = err.splitlines()
    assert first.startswith("unsure: ") and "lies beside the table" in first
    assert second.startswith("unsure: the labels are taken to be 'amazed-suprised', 'happy-pleased', ")
    experiment = load_experiment(str(tmp_path / "c.yaml"))
    assert experiment.name == "emotions"
    assert experiment.model.inputs == ("numbers",)
    assert experiment.model.layers["labels"].model_dump()["units"] == 6
    assert mlx("check", "c.yaml", "--data", "--strict", folder=tmp_path)[0] == 0
    metrics = train(mlx, tmp_path, epochs=6)
    assert metrics["test/labels/hamming_loss"] < 0.26
    assert metrics["test/labels/f1_micro"] > 0.5


@pytest.mark.skipif(not SHARED.is_dir(), reason="the data are not here")
def test_tweets(mlx: Mlx, tmp_path: Path) -> None:
    file = str(SHARED / "tweets" / "tweets.csv")
    options = ["--target", "retweets", "--target", "favorites"]
    code, out, _ = mlx("init", file, *options, "-o", "c.yaml", "--json", folder=tmp_path)
    assert code == 0
    columns = {each["column"]: (each["kind"], each["role"]) for each in json.loads(out)["columns"]}
    assert columns == {
        "created_at": ("datetime", "input"),
        "text": ("text", "input"),
        "url": ("identifier", "id"),
        "replies": ("numeric", "input"),
        "retweets": ("numeric", "target"),
        "favorites": ("numeric", "target"),
        "user": ("constant", "left out"),
    }
    data = load_experiment(str(tmp_path / "c.yaml")).data.model_dump()
    assert (data["encoding"], data["id"]) == ("latin-1", "url")
    assert data["inputs"]["created_at"]["format"] == "%m/%d/%y %H:%M"
    assert data["inputs"]["text"]["html"]
    assert all(target["log1p"] for target in data["targets"].values())
    assert mlx("check", "c.yaml", "--data", "--strict", folder=tmp_path)[0] == 0
    metrics = train(mlx, tmp_path, epochs=2)
    assert metrics["test/retweets/r2"] > 0.5
    assert metrics["test/favorites/r2"] > 0.6


COLUMNS = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="^$*"), min_size=1, max_size=12),
    st.sampled_from(["- a", "a: b", "#c", "null", "yes", "1", "a*", "{", "[x]", "'q'", '"d"', "line\nbreak"]),
    st.sampled_from(["id", "y", "target", "user_id", "weight", "sample_weight", "split", "date", "hidden"]),
)

CELLS = st.sampled_from(
    [
        st.integers(-5, 5).map(str),
        st.floats(allow_nan=False, allow_infinity=False, allow_subnormal=False).map(repr),
        st.floats(0.0, 1e6, allow_subnormal=False).map("{:.3f}".format),
        st.text(st.characters(exclude_categories=["Cs"]), max_size=6),
        st.text(alphabet="ab c", max_size=30),
        st.dates().map(str),
        *map(
            st.sampled_from,
            [
                ["0", "1"],
                ["yes", "no", ""],
                ["a", "b", "c"],
                ["a;b", "b", "c;a", ""],
                ["train", "test", "valid"],
                ["?", "1", "2.5", "NA"],
                ["1e300", "0", "1e-300", "5"],
                ["x.png", "http://a.b"],
                ["", "7"],
            ],
        ),
    ]
)


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[str], list[list[str]]]:
    """Names and columns of any kind; two of them may be learned from."""
    num_rows = draw(st.sampled_from([1, 3, 9, 12, 30, 60]))
    names = draw(st.lists(COLUMNS, min_size=1, max_size=5, unique=True))
    columns = list[list[str]]()
    for _ in names:
        pool = draw(st.lists(draw(CELLS), min_size=2, max_size=12))
        start, step = draw(st.integers(0, 11)), draw(st.integers(1, 7))
        columns.append([pool[(start + row * step) % len(pool)] for row in range(num_rows)])
    columns += [[f"{row * 0.37 % 1:.4f}" for row in range(num_rows)]] * ("n" not in names)
    columns += [["abc"[row * 7 % 3] for row in range(num_rows)]] * ("k" not in names)
    names = [*names, *(name for name in ("n", "k") if name not in names)]
    order = draw(st.permutations(range(len(names))))
    return [names[place] for place in order], [columns[place] for place in order]


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
@given(tables(), st.sampled_from([",", ";", "\t"]), st.booleans())
def test_any_table_is_drafted_so_that_it_can_be_checked_or_refused(
    table: tuple[list[str], list[list[str]]], separator: str, given_target: bool
) -> None:
    names, columns = table
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=separator, lineterminator="\n", quoting=csv.QUOTE_ALL)
    writer.writerows([names, *zip(*columns, strict=True)])
    with tempfile.TemporaryDirectory() as name, contextlib.suppress(DataError):
        file, config = Path(name) / "t.csv", Path(name) / "c.yaml"
        file.write_bytes(text.getvalue().encode())
        draft = draft_config(str(file), targets=["k"] if given_target else [])
        config.write_bytes(draft.text.encode())
        assert_checks(config)


def assert_checks(config: Path) -> None:
    """A refusal of what was drafted is a fault. Whether rows repeat is no question of the draft's."""
    try:
        check_experiment(load_experiment(str(config)), read_data=True)
    except DataError as error:
        raise AssertionError(config.read_text("utf-8")) from error
