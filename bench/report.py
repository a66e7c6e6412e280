"""The tables of a bench, between their markers in docs/benchmarks.md.

    python bench/report.py [build/bench/results.json] [--document docs/benchmarks.md]

Measures nothing. Exits with 1 where the results have a fault: a failed training, a loss out of line.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from agreement import find_faults
from goals import judge
from measured import (
    DISTURBED,
    Document,
    Quantity,
    Spread,
    final_loss,
    first_epoch,
    later_epoch,
    others,
    peak,
    peak_beyond_import,
    processor,
    ratio,
    settings_ratio,
    spread,
    spread_of,
    startup,
    stray_losses,
    whole,
)
from peer_list import PEERS

DOCUMENT = Path(__file__).resolve().parent.parent / "docs" / "benchmarks.md"
BEGIN, END = "<!-- bench: begin -->", "<!-- bench: end -->"
TITLES = {"mlx": "`mlx train`", **{name: peer.title for name, peer in PEERS.items()}, "limit": "the limit"}

COLUMNS = (
    "trained by",
    "whole process, s",
    "start-up, s",
    "first epoch, s",
    "later epoch, s",
    "step, ms",
    "processor, s",
    "memory, MB",
    "beyond imports, MB",
    "final loss",
    "`mlx` / it, whole",
    "`mlx` / it, epoch",
)


def main() -> int:
    """Write the tables of stored results."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("results", nargs="?", type=Path, default=Path("build/bench/results.json"))
    parser.add_argument("--document", type=Path, default=DOCUMENT)
    options = parser.parse_args()
    results = json.loads(options.results.read_text("utf-8"))
    write(results, options.document)
    faults = find_faults(results)
    for fault in faults:
        print(f"FAULT: {fault}", file=sys.stderr)
    return 1 if faults else 0


def write(results: Document, document: Path) -> None:
    """Replace what stands between the markers of a document. Raises as `surroundings` does."""
    before, after = surroundings(document)
    document.write_text(f"{before}{BEGIN}\n{render(results)}{END}{after}", "utf-8")


def surroundings(document: Path) -> tuple[str, str]:
    """What stands before and after the markers. Raises SystemExit where they are not there."""
    text = document.read_text("utf-8") if document.is_file() else ""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise SystemExit(f"{document}: it needs a line {BEGIN} and, below it, a line {END}")
    return before, after


def render(results: Document) -> str:
    """All tables, as Markdown."""
    parts = [_render_ground(results)]
    faults = find_faults(results)
    if faults:
        listed = "\n".join(f"- {fault}" for fault in faults)
        parts.append(f"**These figures are not to be trusted:**\n\n{listed}")
    parts += [_render_network(results, name) for name in results["networks"]]
    parts += [each for each in (_render_settings(results), _render_goals(results)) if each]
    return "\n\n".join(parts) + "\n"


def _render_ground(results: Document) -> str:
    machine, rounds = results["machine"], len(results["imports"])
    versions = dict(machine["versions"])
    for name, found in results["peers"].items():
        # One package may have another version in an interpreter of its own.
        for package, version in found.get("versions", {}).items():
            if versions.setdefault(package, version) != version:
                versions[f"{package} of {PEERS[name].title}"] = version
    listed = ", ".join(f"{name} {version}" for name, version in versions.items())
    imported = spread_of([each["whole_seconds"] for each in results["imports"]])
    return (
        f"{machine['processor']}, {machine['cores']} cores, {machine['memory_bytes'] / 2**30:.0f} GiB, "
        f"{machine['system']}; {listed}. {rounds} {'round' if rounds == 1 else 'rounds'}. "
        f"A process that imports PyTorch and ends takes {_cell(imported)} s. "
        f"{_describe_others(results)}"
    )


def _describe_others(results: Document) -> str:
    """What a reader has to know of a shared machine."""
    turns = [
        turn
        for found in results["networks"].values()
        for each in (*found["contenders"].values(), found["settings"])
        for turn in each
    ]
    found = [cores for turn in turns if (cores := others(turn, {})) is not None]
    disturbed = [cores for cores in found if cores > DISTURBED]
    if not disturbed:
        return f"Other processes had at most {DISTURBED:g} of a core during any turn."
    return (
        f"**In {len(disturbed)} of {len(found)} turns other processes had more than {DISTURBED:g} of a core**"
        f", at the most {max(disturbed):.2f} cores."
    )


def _render_network(results: Document, network: str) -> str:
    found = results["networks"][network]
    head = (
        f"### `{network}`: {found['title']}\n\n"
        f"{found['rows']:,} rows, {found['epochs']} epochs of {found['steps']:,} steps of "
        f"{found['batch_size']} rows, {found['parameters']:,} parameters."
    )
    stray = stray_losses(results, network)
    rows = [_render_row(results, network, name, is_stray=name in stray) for name in _order(results, network)]
    table = _table(COLUMNS, rows)
    limits = [turn for turn in found["contenders"].get("limit", []) if "error" not in turn]
    if not limits:
        return f"{head}\n\n{table}"
    gflops, rate = (spread_of([turn[key] for turn in limits]) for key in ("gflops", "gigabytes_per_second"))
    counts = sorted({turn["threads"] for turn in limits})
    threads = f"{' or '.join(map(str, counts))} {'thread' if counts == [1] else 'threads'}"
    return (
        f"{head}\n\n{table}\n\nThe limit: products at {_cell(gflops)} GFLOP/s, "
        f"the optimizer's bytes at {_cell(rate)} GB/s, {threads}."
    )


def _order(results: Document, network: str) -> list[str]:
    """`mlx`, all peers that were asked for, and the limit."""
    return [
        "mlx",
        *results["peers"],
        *(["limit"] if "limit" in results["networks"][network]["contenders"] else []),
    ]


def _render_row(results: Document, network: str, name: str, *, is_stray: bool) -> list[str]:
    turns = results["networks"][network]["contenders"].get(name, [])
    if not any("error" not in turn for turn in turns):
        return [TITLES[name], _absence(results, network, name), *[""] * (len(COLUMNS) - 2)]

    def cell(quantity: Quantity) -> str:
        return _cell(spread(results, network, name, quantity))

    def median(quantity: Quantity, scale: float = 1.0) -> str:
        found = spread(results, network, name, quantity)
        return "" if found is None else _number(found.median * scale)

    steps = results["networks"][network]["steps"]
    loss = median(final_loss)
    ratios = [
        "" if name == "mlx" else _cell(ratio(results, network, name, quantity))
        for quantity in (whole, later_epoch)
    ]
    return [
        TITLES[name],
        *(cell(quantity) for quantity in (whole, startup, first_epoch, later_epoch)),
        median(later_epoch, 1000 / steps),
        median(processor),
        *(median(quantity, 1e-6) for quantity in (peak, peak_beyond_import)),
        f"**{loss}, out of line**" if is_stray else loss,
        *ratios,
    ]


def _absence(results: Document, network: str, name: str) -> str:
    found = results["peers"].get(name, {})
    if "missing" in found:
        return f"not installed ({found['missing']})"
    if name in PEERS and network not in PEERS[name].networks:
        return "cannot express it"
    return "failed"


def _render_settings(results: Document) -> str:
    columns = (
        "network",
        "settings",
        "`mlx compare`, whole process, s",
        "one Keras 3 on jax, whole process, s",
        "as many of these, s",
        "`mlx` / Keras",
    )
    rows = list[list[str]]()
    for network, found in results["networks"].items():
        turns = [turn for turn in found["settings"] if "error" not in turn]
        if not turns:
            continue
        count = turns[0]["settings"]
        one = spread_of([turn["keras_whole_seconds"] for turn in turns if "keras_whole_seconds" in turn])
        ours = spread_of([turn["whole_seconds"] for turn in turns])
        keras = [_cell(one), _cell(one, count)] if one else ["not installed", ""]
        rows.append(
            [f"`{network}`", str(count), _cell(ours), *keras, _cell(settings_ratio(results, network))]
        )
    if not rows:
        return ""
    told = (
        "One command, one seed, label smoothing of 0, 0.01, 0.02 and so on, beside one process of Keras "
        "after another. Two of these ran in each round, one before the command and one after it; the mean "
        "of the two was multiplied."
    )
    return f"### Many settings\n\n{told}\n\n{_table(columns, rows)}"


def _render_goals(results: Document) -> str:
    rows = [
        [text, f"{at_most:g}", f"{found:.2f}", "yes" if found <= at_most else "**no**"]
        for text, at_most, found in judge(results)
    ]
    if not rows:
        return ""
    table = _table(("`mlx`, ratio of medians", "at most", "measured", "met"), rows)
    return f"### What was asked for\n\n{table}"


def _table(columns: tuple[str, ...], rows: list[list[str]]) -> str:
    lines = [list(columns), ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(found: Spread | None, scale: float = 1.0) -> str:
    """The median, and the lowest and the highest where there was more than one round."""
    if found is None:
        return ""
    median, low, high = (_number(value * scale) for value in (found.median, found.low, found.high))
    return median if low == high else f"{median} ({low} to {high})"


def _number(value: float) -> str:
    """Three digits that count; whole numbers from a hundred on."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:#.3g}".rstrip(".")


if __name__ == "__main__":
    sys.exit(main())
