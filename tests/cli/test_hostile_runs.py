"""Runs of strangers: nothing in their names, configs and documents moves, colors or hides on a terminal."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Mlx = Callable[..., tuple[int, str, str]]

EVIL = "[red]\x1b[31m\x9b2J\u202eevil\u200b\n\r\x07[/nonsense] :smile: \\"
SHOWN = r"[red]\x1b[31m\x9b2J\u202eevil\u200b\n\r\x07[/nonsense] :smile: \ "[:-1]

# In SGR codes 30 to 38, 40 to 48 and from 90 on are colors.
_ALLOWED = re.compile(r"\x1b\[[0-9;]*m")


@pytest.fixture
def strange(tmp_path: Path) -> Path:
    """A folder with one run, in whose files every text is hostile."""
    run = tmp_path / "runs" / f"20260101-100000_{EVIL}".replace("/", "|")
    (run / "checkpoints").mkdir(parents=True)
    text = json.dumps(EVIL)
    config = {"name": EVIL, EVIL: EVIL, "list": [EVIL, {EVIL: EVIL}]}
    environment = {
        "started_at": EVIL, "seed": 1, "device": EVIL, "precision": EVIL, "threads": 3, "command": [EVIL],
        "data_fingerprint": EVIL, "versions": {EVIL: EVIL}, "machine": {"platform": EVIL},
        "code": {"commit": EVIL, "dirty": True}, EVIL: EVIL,
    }  # fmt: skip
    summary = {
        "status": "finished", "name": EVIL, "best_epoch": EVIL, "epochs": EVIL, "notes": [EVIL],
        "metrics": {f"test/{EVIL}": 0.5, f"{EVIL}/loss": 1.0, "test/loss": EVIL},
        "baseline": {f"{EVIL}/x": 1.0}, "floors": {EVIL: 0.1},
    }  # fmt: skip
    (run / "config.yaml").write_text(json.dumps(config), "utf-8")
    (run / "plan.json").write_text("{}", "utf-8")
    (run / "environment.json").write_text(json.dumps(environment), "utf-8")
    (run / "summary.json").write_text(json.dumps(summary), "utf-8")
    (run / "tags.json").write_text(f'{{"tags": [{text}, "good"]}}', "utf-8")
    (run / "metrics.csv").write_text(f'epoch,"{EVIL}"\n1,2\n', "utf-8")
    (run / EVIL.replace("/", "|")).write_text("x", "utf-8")
    (run / "checkpoints" / f"{EVIL.replace('/', '|')}.safetensors").write_text("x", "utf-8")
    return tmp_path


COMMANDS = [
    ["runs"],
    ["runs", "--metric", f"test/{EVIL}", "--filter", f"name ~ {json.dumps(EVIL[:5])}"],
    ["runs", "--filter", "nothing = 1"],
    ["runs", "--filter", f"{json.dumps(EVIL)} = 1"],
    ["runs", "--metric", "nothing"],
    ["runs", "show", "latest"],
    ["runs", "show", EVIL],
    ["runs", "diff", "latest", "latest"],
    ["runs", "verify"],
    ["runs", "tag", "latest", "more"],
    ["runs", "tag", "latest", "--remove", "nothing"],
    ["runs", "tag", "latest", EVIL],
    ["runs", "rm", "latest"],
    ["runs", "rm", EVIL],
    ["runs", "restore", EVIL],
    ["runs", EVIL],
]


@pytest.mark.parametrize("arguments", COMMANDS, ids=repr)
def test_only_visible_characters_are_printed(
    mlx: Mlx, strange: Path, clean_environment: dict[str, str], arguments: list[str]
) -> None:
    code, out, err = mlx(*arguments, folder=strange)
    assert code in (0, 2, 3)
    for text in (out, err):
        assert text.replace("\n", "").isprintable(), ascii(text)
    code, out, err = mlx(*arguments[:-1], arguments[-1], "--json", folder=strange)
    assert code in (0, 2, 3)
    assert (out + err).replace("\n", "").isprintable(), ascii(out + err)
    json.loads(out)


def test_what_is_shown_is_what_is_there(mlx: Mlx, strange: Path) -> None:
    # A cell is folded where it is too long, anywhere.
    out = "".join(mlx("runs", folder=strange)[1].split())
    assert "".join(SHOWN.replace("/", "|").split())[:12] in out
    out = mlx("runs", "tag", "latest", "good", folder=strange)[1]
    assert out == f"runs/20260101-100000_{SHOWN.replace('/', '|')}: {SHOWN}, good\n"
    out = mlx("runs", "show", "latest", folder=strange)[1]
    for line in (
        f"device      {SHOWN}, 3 threads, {SHOWN}",
        f"commit      {SHOWN} (with changes)",
        f"note: {SHOWN}",
    ):
        assert line in out
    names = json.loads(mlx("runs", "--json", folder=strange)[1])["runs"]
    assert names[0]["tags"] == [EVIL, "good"], "a document gives every text back"


@pytest.mark.parametrize(
    "arguments", [["runs"], ["runs", "show", "latest"], ["runs", "diff", "latest", "latest"]]
)
def test_on_a_terminal_there_are_no_codes_but_ours(
    strange: Path, clean_environment: dict[str, str], arguments: list[str]
) -> None:
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "mlx_runner.cli", *arguments], cwd=strange, stdout=theirs, stderr=theirs,
        env={**clean_environment, "COLUMNS": "70"},
    )  # fmt: skip
    os.close(theirs)
    shown = b""
    try:
        while chunk := os.read(ours, 65536):
            shown += chunk
    except OSError:  # what Linux says at the end of a pseudo-terminal
        pass
    os.close(ours)
    assert process.wait() == 0
    text = _ALLOWED.sub("", shown.decode("utf-8"))
    assert text.replace("\r\n", "").isprintable(), ascii(text)
    assert "\x1b[31m" not in shown.decode("utf-8")


def test_a_name_that_is_no_text(mlx: Mlx, tmp_path: Path) -> None:
    """File names are bytes: those that are no UTF-8 are printed as escapes, and documents give them back."""
    run = os.fsdecode(b"20260101-100000_\xff\xfe")
    (tmp_path / "runs" / run).mkdir(parents=True)
    code, out, err = mlx("runs", folder=tmp_path)
    assert (code, err) == (0, "")
    assert r"20260101-100000_\udcff\udcfe" in out
    assert json.loads(mlx("runs", "--json", folder=tmp_path)[1])["runs"][0]["name"] == run
    code, out, err = mlx("runs", "verify", folder=tmp_path)
    assert code == 3
    assert (out + err).encode("utf-8")
    assert mlx("runs", "rm", run, folder=tmp_path)[0] == 0
    assert mlx("runs", "restore", run, folder=tmp_path)[0] == 0
    assert (tmp_path / "runs" / run).is_dir()
