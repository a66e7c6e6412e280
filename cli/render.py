"""Tables of results on stdout, from what a run folder says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, cast

from rich import box
from rich.console import Console
from rich.table import Table

from ..records.run_folder import RunFolder
from ..records.text_tables import TextTable
from .plain_text import cell, plain, print_line, title

if TYPE_CHECKING:
    # At run time this would import torch, which listing runs does not need.
    from ..inspection.pitfalls import Finding
    from ..inspection.summary import Summary

_SPLITS = ("train", "validation", "test")
_LARGE = 1e6
_LABEL_METRICS = ("support", "prevalence", "precision", "recall", "f1", "auroc", "average_precision")
_VALUE_METRICS = ("observed", "mae", "r2", "mae_original", "r2_original")


def result_console() -> Console:
    """The console for results: stdout, plain where it is not a terminal, never cutting cells short."""
    console = Console()
    return console if console.is_terminal else Console(width=max(console.width, 160), highlight=False)


def print_table(console: Console, table: TextTable) -> None:
    """A table of text, its names to the left and its numbers to the right."""
    rich_table = Table(title=title(table.title), box=box.SIMPLE_HEAD)
    for index, heading in enumerate(table.headings):
        rich_table.add_column(
            cell(heading), justify="left" if index < table.num_names else "right", overflow="fold"
        )
    for row in table.rows:
        rich_table.add_row(*map(cell, row))
    console.print(rich_table)


def render_run(folder: RunFolder) -> None:
    """The table of terms and metrics, and the tables of labels and of columns, of a finished run."""
    summary = folder.read_summary() or {}
    console = result_console()
    console.print(metrics_table(summary))
    for table in (*label_tables(folder.read_labels()), *column_tables(folder.read_values())):
        console.print(table)
    for output, temperature in _numbers(folder.read_decisions() or {}, "temperatures").items():
        print_line(console, f"temperature of {output}: {_cell(temperature)}")
    for name, value in _numbers(summary, "optima").items():
        print_line(console, f"best possible {name}: {_cell(value)}")
    for note in cast("Sequence[str]", summary.get("notes") or ()):
        print_line(console, f"note: {note}", is_wrapped=True)
    print_line(console, f"run: {folder.path}")


def metrics_table(summary: Mapping[str, object]) -> Table:
    """Rows are terms and metrics; columns the splits, the trivial baseline and the floor."""
    metrics = _numbers(summary, "metrics")
    baseline, floors = _numbers(summary, "baseline"), _numbers(summary, "floors")
    judged = next((split for key in baseline for split in _SPLITS if key.startswith(f"{split}/")), "test")
    splits = [split for split in _SPLITS if any(key.startswith(f"{split}/") for key in metrics)]
    best, epochs = summary.get("best_epoch"), summary.get("epochs")
    table = Table(title=title(f"{summary.get('name')}: epoch {best} of {epochs}"), box=box.SIMPLE_HEAD)
    table.add_column("metric")
    for heading in (*splits, f"baseline\n({judged})", f"floor\n({judged})", "above\nfloor"):
        table.add_column(heading, justify="right")
    for name in dict.fromkeys(key.partition("/")[2] for key in metrics):
        cells = [metrics.get(f"{split}/{name}") for split in splits]
        floor = floors.get(name.removesuffix("/loss")) if name.endswith("/loss") else None
        score = metrics.get(f"{judged}/{name}")
        excess = None if floor is None or score is None else score - floor
        table.add_row(cell(name), *map(_cell, [*cells, baseline.get(f"{judged}/{name}"), floor, excess]))
    return table


def label_tables(rows: Sequence[Mapping[str, object]]) -> list[Table]:
    """One table per output with labels, for the last split that has them; with thresholds other than 0.5."""
    is_decided = any(row.get("threshold", 0.5) != 0.5 for row in rows)
    threshold = ("threshold",) if is_decided else ()
    return _tables(rows, "label", (*_LABEL_METRICS[:2], *threshold, *_LABEL_METRICS[2:]))


def column_tables(rows: Sequence[Mapping[str, object]]) -> list[Table]:
    """One table per output with several columns of numbers, for the last split that has them."""
    columns: dict[object, set[object]] = {}
    for row in rows:
        columns.setdefault(row["output"], set()).add(row["column"])
    return _tables([row for row in rows if len(columns[row["output"]]) > 1], "column", _VALUE_METRICS)


def _tables(rows: Sequence[Mapping[str, object]], entry: str, metrics: Sequence[str]) -> list[Table]:
    tables: list[Table] = []
    for output in dict.fromkeys(str(row["output"]) for row in rows):
        own = [row for row in rows if row["output"] == output]
        split = own[-1]["split"]
        # Not every target of numbers has two units.
        optional = {name for name in metrics if name.endswith("_original")}
        shown = [
            name for name in metrics if name not in optional or any(row[name] is not None for row in own)
        ]
        table = Table(title=title(f"{output}: {entry}s on {split}"), box=box.SIMPLE_HEAD)
        table.add_column(entry)
        for name in shown:
            table.add_column(name, justify="right")
        for row in own:
            if row["split"] == split:
                table.add_row(cell(str(row[entry])), *[_cell(row[name]) for name in shown])
        tables.append(table)
    return tables


def _numbers(summary: Mapping[str, object], key: str) -> dict[str, float]:
    """The numbers of a part of a summary; what else a stranger's file holds there is passed over."""
    part = summary.get(key)
    entries = cast("dict[str, object]", part).items() if isinstance(part, dict) else ()
    return {name: value for name, value in entries if isinstance(value, int | float)}


def _cell(value: object) -> str:
    if value is None:
        return ""
    if not isinstance(value, float):
        return plain(str(value))
    return f"{value:.4f}" if abs(value) < _LARGE else f"{value:.6g}"


def render_summary(summary: Summary) -> None:
    """The layers and losses that a config describes."""
    console = result_console()
    layers = Table(title=title(f"{summary.name}: layers"), box=box.SIMPLE_HEAD)
    for heading in ("layer", "type", "reads"):
        layers.add_column(heading)
    for heading in ("shape", "parameters"):
        layers.add_column(heading, justify="right")
    for name, shape in summary.inputs.items():
        layers.add_row(cell(name), "input", "", _shape(shape), "")
    for layer in summary.layers:
        kind = layer.type if layer.shares is None else f"{layer.type} (shares {layer.shares})"
        cells = (layer.name, kind, ", ".join(layer.of), _shape(layer.shape), f"{layer.parameters:,}")
        layers.add_row(*map(cell, cells))
    losses = Table(title="losses", box=box.SIMPLE_HEAD)
    for heading in ("loss", "type", "output", "target", "weight", "computed from", "metrics of the output"):
        losses.add_column(heading)
    for term in summary.losses:
        metrics = ", ".join(summary.metrics[term.output])
        cells = (term.name, term.type, term.output, term.target, f"{term.weight:g}", term.reads, metrics)
        losses.add_row(*map(cell, cells))
    console.print(layers)
    print_line(console, f"{summary.parameters:,} parameters")
    console.print(losses)


def render_findings(findings: Sequence[Finding]) -> None:
    """One line per finding, broken by the terminal alone."""
    console = result_console()
    for line in [str(finding) for finding in findings] or ["no findings"]:
        print_line(console, line)


def _shape(shape: Sequence[int]) -> str:
    return f"({', '.join(str(size) for size in shape)})"
