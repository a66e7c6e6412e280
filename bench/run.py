"""`make bench`: the same networks trained by `mlx`, its peers and the limit in turn, several rounds.

    python bench/run.py [--rounds 3] [--networks autoencoder,headline] [--peers tidy,keras-jax] [--epochs 5]
        [--python PACKAGE=INTERPRETER] [--output build/bench/results.json]

Raw results go to the output after every round, and at the end as tables into docs/benchmarks.md, unless only
a part was measured and no --document is named. Exits with 1 where a training failed or a loss is out of line.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import report
from agreement import find_faults
from contenders import Ground, export_data, measure, measure_import, measure_settings, probe
from machine import describe_machine
from measured import DISTURBED, others
from networks import NETWORKS, Network
from peer_list import PEERS

OUTPUT = Path("build/bench/results.json")


def main() -> int:
    """Measure, record, report; the exit code."""
    options = _read_options()
    document = options.document or (None if _is_partial(options) else report.DOCUMENT)
    if document is not None:
        # Now, and not after an hour of measuring.
        report.surroundings(document)
    with tempfile.TemporaryDirectory(prefix="bench_") as folder:
        ground = Ground(Path(folder), dict(pair.split("=", 1) for pair in options.python))
        results = _measure(options, ground)
    faults = find_faults(results)
    if document is None:
        _tell(f"measured in part: python bench/report.py {options.output} --document FILE writes its tables")
    else:
        report.write(results, document)
    for fault in faults:
        _tell(f"FAULT: {fault}")
    return 1 if faults else 0


def _measure(options: argparse.Namespace, ground: Ground) -> dict[str, Any]:
    """All rounds; the results are on disk after each."""
    networks = [NETWORKS[name].resized(rows=options.rows, epochs=options.epochs) for name in options.networks]
    for network in networks:
        export_data(network, ground, seeds=options.rounds)
    peers = {name: probe(PEERS[name], ground) for name in options.peers}
    for name, found in peers.items():
        _tell(f"{PEERS[name].title}: {_describe_probe(found)}")
    results: dict[str, Any] = {
        "format": 1,
        "started_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": describe_machine(),
        "peers": peers,
        "imports": [],
        "networks": {network.name: _describe(network) for network in networks},
    }
    for index in range(options.rounds):
        _tell(f"round {index + 1} of {options.rounds}, load {os.getloadavg()[0]:.1f}")
        results["imports"].append(measure_import(ground))
        for network in networks:
            _measure_round(network, index, results, ground, options)
        options.output.parent.mkdir(parents=True, exist_ok=True)
        options.output.write_text(json.dumps(results, indent=1) + "\n", "utf-8")
    return results


def _measure_round(
    network: Network, index: int, results: dict[str, Any], ground: Ground, options: argparse.Namespace
) -> None:
    """Every contender once, beginning one further in every round; then the settings."""
    found = results["networks"][network.name]
    installed = {name for name, each in results["peers"].items() if "versions" in each}
    able = [name for name in PEERS if name in installed and network.name in PEERS[name].networks]
    names = ["mlx", *able, "limit"]
    first = index % len(names)
    for name in names[first:] + names[:first]:
        taken = _undisturbed(
            f"{network.name}, {name}", options.retries, partial(measure, name, network, ground, seed=index)
        )
        found["contenders"].setdefault(name, []).append(taken)
    if network.vary is not None and options.settings:
        turn = partial(
            measure_settings,
            *(network, ground),
            seed=index,
            settings=options.settings,
            has_keras="keras-jax" in installed,
        )
        label = f"{network.name}, {options.settings} settings"
        found["settings"].append(_undisturbed(label, options.retries, turn))


def _undisturbed(label: str, retries: int, turn: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """A turn, taken again while other processes disturb it, but not for ever."""
    for left in range(retries, -1, -1):
        taken = turn()
        cores = others(taken, {}) or 0.0
        disturbed = f", others had {cores:.1f} cores" if cores > DISTURBED else ""
        again = bool(disturbed) and left > 0
        _tell(f"  {label}: {_describe_turn(taken)}{disturbed}{'; once more' if again else ''}")
        if not again:
            break
    return taken


def _describe(network: Network) -> dict[str, Any]:
    kept = ("title", "rows", "batch_size", "epochs", "steps", "parameters")
    return {**{name: getattr(network, name) for name in kept}, "contenders": {}, "settings": []}


def _describe_probe(found: dict[str, Any]) -> str:
    if "versions" in found:
        return ", ".join(f"{name} {version}" for name, version in found["versions"].items())
    return f"not installed ({found['missing']})" if "missing" in found else found["error"]


def _describe_turn(taken: dict[str, Any]) -> str:
    if "error" in taken:
        return taken["error"]
    epochs = taken.get("epoch_seconds", [])
    listed = epochs if isinstance(epochs, list) else [epochs]
    whole = f"{taken['whole_seconds']:.2f} s" if "whole_seconds" in taken else "an epoch at least"
    return f"{whole} {' '.join(f'{seconds:.3f}' for seconds in listed)}"


def _is_partial(options: argparse.Namespace) -> bool:
    full = set(options.networks) == set(NETWORKS) and set(options.peers) == set(PEERS)
    return not full or options.rows is not None or options.epochs is not None


def _read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=_positive, default=3)
    parser.add_argument("--networks", type=_names_of(NETWORKS), default=list(NETWORKS))
    parser.add_argument("--peers", type=_names_of(PEERS), default=list(PEERS))
    parser.add_argument("--epochs", type=_positive, help="instead of each network's own")
    parser.add_argument("--rows", type=_positive, help="only the first rows, to try it out")
    parser.add_argument("--settings", type=int, default=16, help="of mlx compare; 0 for none")
    parser.add_argument("--retries", type=int, default=1, help="of a turn that other processes disturb")
    parser.add_argument(
        "--python", action="append", default=[], metavar="PACKAGE=INTERPRETER", type=_interpreter
    )
    parser.add_argument("--output", type=Path, default=OUTPUT)
    parser.add_argument("--document", type=Path, help="where the tables go, between its markers")
    return parser.parse_args()


def _positive(text: str) -> int:
    if not text.isdigit() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no positive number")
    return int(text)


def _names_of(known: dict[str, Any]) -> Any:
    def read(text: str) -> list[str]:
        names = [name for name in text.split(",") if name]
        unknown = [name for name in names if name not in known]
        if unknown:
            raise argparse.ArgumentTypeError(f"no {unknown[0]!r}; there are {', '.join(known)}")
        return names

    return read


def _interpreter(text: str) -> str:
    package, _, path = text.partition("=")
    packages = sorted({package for peer in PEERS.values() for package in peer.packages})
    if package not in packages or not Path(path).is_file():
        raise argparse.ArgumentTypeError(
            f"{text!r} is not one of {', '.join(packages)}, = and an interpreter"
        )
    # Not resolved: a link within an environment is what makes it that environment's.
    return f"{package}={Path(path).absolute()}"


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
