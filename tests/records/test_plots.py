"""Plots: the right files for the rows there are, the same bytes each time, no warnings."""

from __future__ import annotations

import struct
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
from matplotlib.figure import Figure
from mlx_runner.records import plots
from mlx_runner.records.plots import plot_run
from mlx_runner.records.run_folder import LABEL_COLUMNS, RunFolder
from mlx_runner.records.tables import Cell


def _run(root: Path, *, epochs: int = 3, terms: int = 2, labels: int = 0) -> RunFolder:
    run = RunFolder.create(root, "headline", config_text="", environment={}, plan={})
    for epoch in range(1, epochs + 1):
        for term in range(terms):
            for split in ("train", "validation"):
                raw = None if epoch == 2 else (term + 1) / epoch + 0.1 * (split == "train")
                run.append_ledger([{"epoch": epoch, "split": split, "term": f"term_{term}", "raw": raw}])
        row: dict[str, Cell] = {"epoch": epoch, "train/loss": 1.0, "validation/term_0/loss": 2.0}
        run.append_metrics({**row, "validation/main/auroc": 0.5 + epoch / 100, "validation/aux/f1": None})
    rows = [{**dict.fromkeys(LABEL_COLUMNS, 0.75), "split": "test"} for _ in range(labels)]
    if rows:
        run.write_labels([{**row, "output": "o", "label": f"$l{i}$"} for i, row in enumerate(rows)])
    return run


@pytest.mark.parametrize(("epochs", "terms", "labels"), [(1, 1, 1), (25, 11, 40), (3, 70, 0)])
def test_png_and_svg_of_each(tmp_path: Path, epochs: int, terms: int, labels: int) -> None:
    run = _run(tmp_path, epochs=epochs, terms=terms, labels=labels)
    names = ["losses", "metrics", "labels"] if labels else ["losses", "metrics"]
    paths = plot_run(run)
    assert paths == [run.plot_path(f"{name}.{kind}") for name in names for kind in ("png", "svg")]
    assert sorted(paths) == sorted((run.path / "plots").iterdir())
    for path in paths:
        if path.suffix == ".svg":
            assert ElementTree.parse(path).getroot().tag.endswith("svg")
        else:
            width, height = struct.unpack(">II", path.read_bytes()[16:24])
            assert min(width, height) > 200


def test_nothing_to_show_is_no_plot(tmp_path: Path) -> None:
    assert plot_run(_run(tmp_path, epochs=0)) == []


def test_the_same_bytes_each_time(tmp_path: Path) -> None:
    run = _run(tmp_path, labels=2)
    first = [path.read_bytes() for path in plot_run(run)]
    assert [path.read_bytes() for path in plot_run(run)] == first
    assert not any(b"dc:date" in content for content in first)


def _figures(run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> dict[str, Figure]:
    figures: dict[str, Figure] = {}

    def keep(_: RunFolder, name: str, figure: Figure) -> list[Path]:
        figures[name] = figure
        return []

    monkeypatch.setattr(plots, "save_figure", keep)
    plot_run(run)
    return figures


def test_curves_carry_the_values_of_the_tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    figures = _figures(_run(tmp_path), monkeypatch)
    [axes] = figures["losses"].axes
    lines = {(str(line.get_label()), line.get_linestyle()): line for line in axes.lines}
    assert set(lines) == {(term, style) for term in ("term_0", "term_1") for style in ("-", "--")}
    values = [float(value) for value in lines["term_1", "--"].get_ydata()]
    assert values[0] == pytest.approx(2.0)
    assert values[1] != values[1], "a missing value is a gap"
    assert values[2] == pytest.approx(2 / 3)
    [panel] = figures["metrics"].axes
    assert panel.get_title() == "auroc", "losses are no metrics, and nothing is known of f1"
    assert [float(value) for value in panel.lines[0].get_ydata()] == pytest.approx([0.51, 0.52, 0.53])


def test_twelve_terms_are_twelve_looks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    figure = _figures(_run(tmp_path, terms=12), monkeypatch)["losses"]
    looks = {(line.get_color(), line.get_linestyle(), line.get_marker()) for line in figure.axes[0].lines}
    assert len(looks) == 24
    assert [text.get_text() for text in figure.legends[0].get_texts()][-2:] == ["train", "validation"]


def test_one_epoch_shows_markers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = _figures(_run(tmp_path, epochs=1), monkeypatch)["losses"].axes[0].lines
    assert all(line.get_marker() == "o" for line in lines)


def test_a_value_between_two_missing_ones_shows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = RunFolder.create(tmp_path, "gaps", config_text="", environment={}, plan={})
    for epoch in range(1, 31):
        raw = 0.5 if epoch == 15 else None
        run.append_ledger([{"epoch": epoch, "split": "train", "term": "main", "raw": raw}])
    [line] = _figures(run, monkeypatch)["losses"].axes[0].lines
    assert line.get_marker() == "o"


def test_no_pyplot(tmp_path: Path) -> None:
    run = _run(tmp_path)
    script = (
        "import sys; from pathlib import Path\n"
        "from mlx_runner.records.plots import plot_run\n"
        "from mlx_runner.records.run_folder import RunFolder\n"
        "plot_run(RunFolder.open(Path(sys.argv[1])))\n"
        "print('matplotlib.pyplot' in sys.modules)"
    )
    command = [sys.executable, "-c", script, str(run.path)]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "False\n"
