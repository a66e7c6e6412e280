"""`mlx train` with thresholds, calibration and numbers in two units: what it prints and records, and its errors."""

# ruff: noqa: E501  (messages are compared word for word, each on one line)

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Mlx = Callable[..., tuple[int, str, str]]
AssertFails = Callable[[Path, list[str], int, list[Any]], None]

DECIDED = """\
thresholds: {scores: f1}
calibration: {scores: temperature}
"""
HOUSES = """\
name: houses
data:
  source: table
  path: houses.csv
  test_split: 0.25
  inputs: {x: {type: numeric, columns: [a, b]}}
  targets:
    price: {type: regression, columns: [price], log1p: true}
    both: {type: regression, columns: [price, area]}
    plain: {type: regression, columns: [b], scale: none}
model:
  inputs: [x]
  layers:
    price: {type: dense, units: 1}
    both: {type: dense, of: x, units: 2}
    plain: {type: dense, of: x, units: 1}
  outputs: [price, both, plain]
losses:
  price: {type: mean_squared_error, output: price, target: price}
  both: {type: mean_squared_error, output: both, target: both}
  plain: {type: mean_squared_error, output: plain, target: plain}
training: {epochs: 1, early_stopping: {monitor: validation/price/mae_original}}
"""


def write(folder: Path, text: str) -> str:
    (folder / "config.yaml").write_text(text, "utf-8")
    return "config.yaml"


def run_in(folder: Path) -> Path:
    (run,) = (folder / "runs").iterdir()
    return run


def test_thresholds_and_temperature_are_printed_and_recorded(mlx: Mlx, tiny: str, tmp_path: Path) -> None:
    code, out, err = mlx("train", write(tmp_path, tiny + DECIDED), "--quiet", folder=tmp_path)
    assert (code, err) == (0, "")
    run = run_in(tmp_path)
    decisions = json.loads((run / "decisions.json").read_text("utf-8"))
    thresholds, temperatures = decisions["thresholds"]["scores"], decisions["temperatures"]
    assert re.search(r"^ *label +support +prevalence +threshold +precision", out, re.MULTILINE)
    assert re.search(rf"^ *even +91 +0\.4550 +{thresholds['even']:.4f} ", out, re.MULTILINE)
    assert f"\ntemperature of scores: {temperatures['scores']:.4f}\n" in out
    assert "\nnote: validation/scores/thresholds: those of the highest F1 on these rows, " in out
    labels = (run / "labels.csv").read_text("utf-8").splitlines()
    assert labels[0].startswith("split,output,label,observed,support,prevalence,threshold,precision,")
    assert labels[1].split(",")[6] == f"{thresholds['even']:.9g}"


def test_thresholds_of_a_half_take_no_room(mlx: Mlx, tiny: str, tmp_path: Path) -> None:
    config = write(tmp_path, f"{tiny}thresholds: {{scores: 0.5}}\n")
    code, out, _ = mlx("train", config, "--quiet", folder=tmp_path)
    assert code == 0
    assert re.search(r"^ *label +support +prevalence +precision", out, re.MULTILINE)
    assert "temperature" not in out
    assert json.loads((run_in(tmp_path) / "decisions.json").read_text("utf-8"))["temperatures"] == {}


def test_epochs_stay_at_a_half(mlx: Mlx, tiny: str, tmp_path: Path) -> None:
    tables: list[bytes] = []
    for name, text in (("plain", tiny), ("decided", tiny + DECIDED)):
        (tmp_path / name).mkdir()
        assert mlx("train", write(tmp_path / name, text), "--quiet", folder=tmp_path / name)[0] == 0
        tables.append((run_in(tmp_path / name) / "metrics.csv").read_bytes())
    assert tables[0] == tables[1]


def test_mistakes_are_told_with_their_place(assert_fails: AssertFails, tiny: str, tmp_path: Path) -> None:
    labels = "even, prime, at_least_five, multiple_of_three, has_loop, straight_strokes"
    file = write(
        tmp_path,
        f"{tiny}thresholds:\n  scores: {{evn: 0.3, prime: 0.2}}\ncalibration: {{hidden: temperature}}\n",
    )
    unknown = "no output named 'hidden'. Outputs: scores."
    assert_fails(tmp_path, ["train", file], 2, [(file, 16, 23, "calibration.hidden", unknown)])
    file = write(tmp_path, f"{tiny}thresholds:\n  scores: {{evn: 0.3, prime: 0.2}}\n")
    unknown = f"no label named 'evn'; did you mean 'even'? Labels: {labels}."
    assert_fails(tmp_path, ["train", file], 2, [(file, 15, 17, "thresholds.scores.evn", unknown)])
    file = write(tmp_path, tiny.replace("samples: 600", "samples: 600, validation_split: 0.0") + DECIDED)
    fix = "and there are none; keep some (data.validation_split)"
    said = [
        (
            file,
            14,
            22,
            "thresholds.scores",
            f"thresholds for the highest F1 are found on validation rows, {fix}, or give numbers.",
        ),
        (file, 15, 23, "calibration.scores", f"a temperature is fitted to validation rows, {fix}."),
    ]
    assert_fails(tmp_path, ["train", file], 2, said)


def test_settings_may_differ_in_what_is_decided(mlx: Mlx, tiny: str, tmp_path: Path) -> None:
    section = "compare: {seeds: 2, settings: {half: {}, tuned: {thresholds.scores: f1}}}\n"
    file = write(tmp_path, tiny + section)
    code, out, _ = mlx("compare", file, "--json", "--quiet", folder=tmp_path)
    assert code == 0
    means = {each["name"]: each["metrics"] for each in json.loads(out)["settings"]}
    key = "validation/scores/f1_micro"
    assert means["tuned"]["test/labels/loss"]["mean"] == pytest.approx(
        means["half"]["test/labels/loss"]["mean"]
    )
    assert means["tuned"][key]["mean"] != means["half"][key]["mean"]


def test_the_config_of_the_page_is_in_order(mlx: Mlx, tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "thresholds.md").read_text("utf-8")
    config, section = (block.partition("```")[0] for block in page.split("```yaml\n")[1:])
    file = write(tmp_path, config + section)
    code, out, err = mlx("check", file, "--json", folder=tmp_path)
    assert (code, err) == (0, "")
    assert json.loads(out)["metrics"] == {"attributes": ["f1_macro", "subset_accuracy", "ece", "mse"]}


def test_columns_of_numbers_are_printed_in_both_units(mlx: Mlx, tmp_path: Path) -> None:
    rows = [f"{i * 37 % 80},{i % 5},{10.0 * 2 ** (i % 9)},{50 + i % 7}" for i in range(80)]
    (tmp_path / "houses.csv").write_text("\n".join(["a,b,price,area", *rows]) + "\n", "utf-8")
    code, out, err = mlx("train", write(tmp_path, HOUSES), "--quiet", folder=tmp_path)
    assert (code, err) == (0, "")
    assert re.search(r"^ *price/mae_original( +\d+\.\d{4}){3} *$", out, re.MULTILINE)
    assert not re.search(r"plain/\w+_original", out)
    assert re.search(r"^ *column +observed +mae +r2 +mae_original +r2_original *$", out, re.MULTILINE)
    assert out.count("columns on test") == 1
    assert re.search(r"^ *area +20( +-?\d+\.\d{4}){4} *$", out, re.MULTILINE)
    table = (run_in(tmp_path) / "values.csv").read_text("utf-8").splitlines()
    assert (
        table[0]
        == "split,output,column,observed,mse,mae,rmse,r2,mse_original,mae_original,rmse_original,r2_original"
    )
    assert [line.split(",")[:4] for line in table if line.startswith("test")] == [
        ["test", "price", "price", "20"],
        ["test", "both", "price", "20"],
        ["test", "both", "area", "20"],
        ["test", "plain", "b", "20"],
    ]
    assert table[-1].endswith(",,,,")
    assert "threshold" not in out
    assert not (run_in(tmp_path) / "decisions.json").exists()
