"""Random configs, and random harm to configs, tables, checkpoints and run folders: never a fault of ours.

`MLX_FUZZ_EXAMPLES` says how many configs are drawn (`make faults`: 10,000); of files a tenth as many are
harmed. The seeds are fixed.
"""

from __future__ import annotations

import copy
import os
import random
import shutil
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mlx_runner.specs.load import shipped_configs

from .sandbox import MOST_MEGABYTES, MOST_SECONDS, Mlx, Sandbox

EXAMPLES = int(os.environ.get("MLX_FUZZ_EXAMPLES", "120"))
HARMS = max(EXAMPLES // 10, 40)

SEEDS = [
    yaml.safe_load(text.read_text("utf-8"))
    for name, text in shipped_configs().items()
    if name not in ("emotions", "tweets")  # their tables lie elsewhere
]
ODD: list[Any] = [
    *(None, True, 0, -1, 1, 10**18, 10**400, 1e308, float("inf"), float("nan"), 0.5, "", "a", "1e-3", "no"),
    *("../../x", "/etc/passwd", "\x1b[31m", "[red]x[/red]", "=1+1", "<script>", "os.system", "x" * 5000),
    *(
        [],
        {},
        [[]],
        [None],
        {"type": "dense"},
        {"": {}},
        ["image"] * 50,
        "\u202ex",
        "\x00",
        "image",
        "scores",
    ),
]
TOKENS = [
    *(b"", b"\x00", b"\xff\xfe", b"\n", b"\r\n", b"\t", b",", b'"', b"'", b"{", b"[" * 200),
    *(b"&a [*a,*a]",),
    *(
        b"!!python",
        b"<<: *x",
        b"nan",
        b"inf",
        b"1e999",
        b"-1",
        b"99999999999999999999",
        b"../../x",
        b"\x1b[2J",
    ),
    *(
        b"=cmd|' /C'!A0",
        b"null",
        b"\xe2\x80\xae",
        b"PAR1",
        b"PK\x03\x04",
        b"\x80\x04cos\nsystem\n",
        b"{}" * 50,
    ),
]
YAML_MARKS = [*"-:,[]{}&*!|>#%@`?'\"\nab1~"]


def paths_of(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The way to every value in nested mappings and lists."""
    children: Iterable[tuple[Any, Any]] = ()
    if isinstance(value, dict | list):
        children = value.items() if isinstance(value, dict) else enumerate(value)
    return [path, *(each for key, child in children for each in paths_of(child, (*path, key)))]


@st.composite
def changed_configs(draw: st.DrawFn) -> str:
    """A shipped config with some values dropped, doubled, retyped, renamed, nested or made odd."""
    document = copy.deepcopy(draw(st.sampled_from(SEEDS)))
    for _ in range(draw(st.integers(1, 4))):
        path = draw(st.sampled_from(paths_of(document)))
        if not path:
            continue
        *way, key = path
        parent: Any = document
        for step in way:
            parent = parent[step]
        match draw(st.sampled_from(["drop", "odd", "rename", "nest", "move", "text"])):
            case "drop":
                del parent[key]
            case "odd":
                parent[key] = copy.deepcopy(draw(st.sampled_from(ODD)))
            case "rename" if isinstance(parent, dict):
                parent[draw(st.sampled_from([*map(str, ODD), *map(str, parent)]))] = parent.pop(key)
            case "nest":
                parent[key] = {str(key): parent[key]}
            case "move":
                other = draw(st.sampled_from(SEEDS))
                parent[key] = copy.deepcopy(other.get(key, other))
            case _:
                parent[key] = draw(st.text(max_size=30))
    return yaml.safe_dump(document, sort_keys=False, allow_unicode=True)


YAML_TEXTS = st.one_of(
    changed_configs(),
    changed_configs(),
    st.text(max_size=300),
    st.lists(st.sampled_from(YAML_MARKS), max_size=60).map(" ".join),
)


@pytest.mark.usefixtures("warm")
def test_no_config_is_a_fault(sandbox: Sandbox) -> None:
    codes: dict[int, int] = {}

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
        database=None,
    )
    @given(YAML_TEXTS)
    def check(text: str) -> None:
        sandbox.write("config.yaml", text)
        outcome = sandbox.read("check", "config.yaml")
        assert outcome.seconds < MOST_SECONDS, text
        assert outcome.megabytes < MOST_MEGABYTES, text
        codes[outcome.code] = codes.get(outcome.code, 0) + 1

    check()
    assert codes.get(0, 0) > EXAMPLES // 50, f"most say something wrong, not all: {codes}"
    assert codes.get(2, 0) > EXAMPLES // 4, codes


def harmed(data: bytes, draw: random.Random) -> bytes:
    """The bytes with some bits flipped, cut short, spliced, doubled or with hostile tokens in them."""
    result = bytearray(data)
    for _ in range(draw.randint(1, 4)):
        place = draw.randrange(len(result) + 1)
        match draw.randrange(6):
            case 0 if result:
                result[place % len(result)] ^= 1 << draw.randrange(8)
            case 1:
                del result[place:]
            case 2:
                result[place:place] = draw.choice(TOKENS)
            case 3:
                other = draw.randrange(len(result) + 1)
                result[place:place] = result[min(place, other) : max(place, other)][:2000]
            case 4:
                del result[place : place + draw.randrange(1, 40)]
            case _:
                result[place : place + 4] = draw.randbytes(4)
    return bytes(result)


@pytest.mark.usefixtures("warm")
def test_no_harm_to_the_bytes_of_a_config_is_a_fault(sandbox: Sandbox, tiny: str) -> None:
    draw = random.Random("config bytes")
    for _ in range(HARMS):
        sandbox.write("config.yaml", harmed(tiny.encode(), draw))
        outcome = sandbox.read("check", "config.yaml")
        assert outcome.seconds < MOST_SECONDS
        assert outcome.megabytes < MOST_MEGABYTES


RUN_FILES = [
    *("config.yaml", "environment.json", "plan.json", "summary.json", "checksums.json", "log.txt"),
    *("metrics.csv", "ledger.csv", "labels.csv", "timings.csv"),
    *(f"checkpoints/{which}.safetensors" for which in ("last", "previous", "best")),
]
LEARNED = ["preparation.json", "decisions.json", "config.yaml", "checkpoints/best.safetensors"]
COMMANDS: list[Callable[[str], Sequence[str]]] = [
    lambda run: ("runs",),
    lambda run: ("runs", "show", run),
    lambda run: ("runs", "diff", run, "runs/whole"),
    lambda run: ("runs", "verify", run),
    lambda run: ("runs", "tag", run, "seen"),
    lambda run: ("compare", run, "runs/whole"),
    lambda run: ("evaluate", run),
    lambda run: ("explain", "tiny.yaml", run),
    lambda run: ("export", run, "-o", f"{run}/weights.safetensors", "--format", "safetensors"),
    lambda run: ("train", "--resume", run, "--quiet"),
    lambda run: ("train", "--resume", run, "training.epochs=3", "--quiet"),
]


def test_no_harm_to_a_run_folder_is_a_fault(sandbox: Sandbox, tiny_run: Path, tiny: str) -> None:
    """Nor does it reach anything outside the folder."""
    draw = random.Random("run folders")
    sandbox.write("tiny.yaml", tiny)
    shutil.copytree(tiny_run, sandbox.work / "runs" / "whole")
    outside = sandbox.files()
    for number in range(HARMS):
        run = sandbox.work / "runs" / "20260101-000000_harmed"
        shutil.copytree(tiny_run, run)
        for name in draw.sample(RUN_FILES, draw.randint(1, 2)):
            path = run / name
            path.write_bytes(harmed(path.read_bytes(), draw))
        if number % 3 == 0:  # as a kill leaves it, so that it is resumed
            for name in ("summary.json", "checksums.json"):
                (run / name).unlink(missing_ok=True)
        sandbox.run(*draw.choice(COMMANDS)(f"runs/{run.name}"))
        shutil.rmtree(run)
        assert sandbox.files() == outside


def test_no_harm_to_what_was_learned_of_a_table_is_a_fault(sandbox: Sandbox, table_run: Path) -> None:
    draw = random.Random("prepared runs")
    rows = (table_run.parent.parent / "rows.csv").read_bytes()
    for _ in range(HARMS // 2):
        run = sandbox.work / "run"
        shutil.copytree(table_run, run)
        path = run / draw.choice(
            ["preparation.json", "decisions.json", "config.yaml", "checkpoints/best.safetensors"]
        )
        path.write_bytes(harmed(path.read_bytes(), draw))
        sandbox.write("rows.csv", rows)
        sandbox.run("predict", "run", "rows.csv", "--rows", "100", "-o", "out.csv")
        shutil.rmtree(run)
        (sandbox.work / "out.csv").unlink(missing_ok=True)


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_no_harm_to_a_file_of_rows_is_a_fault(sandbox: Sandbox, table_run: Path, mlx: Mlx, kind: str) -> None:
    draw = random.Random(f"rows {kind}")
    rows = pl.read_csv(table_run.parent.parent / "rows.csv", n_rows=60)
    whole = sandbox.work / f"whole.{kind}"
    {"csv": rows.write_csv, "jsonl": rows.write_ndjson, "parquet": rows.write_parquet}[kind](whole)
    for _ in range(HARMS // 2):
        sandbox.write(f"rows.{kind}", harmed(whole.read_bytes(), draw))
        command = ("predict", str(table_run), f"rows.{kind}", "-o", "out.csv")
        sandbox.run(*command if draw.random() < 0.7 else ("init", f"rows.{kind}", "-o", "draft.yaml"))
        for name in ("out.csv", "draft.yaml"):
            (sandbox.work / name).unlink(missing_ok=True)
    assert {path.name for path in sandbox.work.iterdir()} == {whole.name, f"rows.{kind}"}
