"""`mlx` as a process of its own: same bytes, plain pipes, live terminals, interrupts, faults."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Mlx = Callable[..., tuple[int, str, str]]

COMMAND = [sys.executable, "-m", "mlx_runner.cli"]

_FAULT = """
import sys
from mlx_runner.records import listing

def break_down(folder):
    raise ValueError("the shelf gave way\\nand fell")

listing.list_runs = break_down
from mlx_runner.cli.main import main
main()
"""

# In SGR codes 30 to 38, 40 to 48 and from 90 on are colors; bold and dim are not.
_COLOR = re.compile(r"\x1b\[(?:\d+;)*(?:3[0-8]|4[0-8]|9\d|10[0-7])(?:;\d+)*m")


@pytest.fixture
def folder(tiny: str, tmp_path: Path) -> Path:
    (tmp_path / "tiny.yaml").write_text(tiny, "utf-8")
    return tmp_path


def test_two_processes_write_the_same_bytes(
    mlx: Mlx, folder: Path, clean_environment: dict[str, str]
) -> None:
    """One is this process, which has done other things before; stdout and stderr of the other are pipes."""
    command = [*COMMAND, "train", "tiny.yaml", "--json", "--runs", "there"]
    there = subprocess.run(
        command, cwd=folder, env=clean_environment, capture_output=True, text=True, check=True
    )
    code, out, _ = mlx("train", "tiny.yaml", "--json", "--runs", "here", "--quiet", folder=folder)
    assert code == 0
    first, second = (folder / json.loads(text)["run"] for text in (there.stdout, out))
    for name in ("config.yaml", "metrics.csv", "ledger.csv", "labels.csv"):
        assert (first / name).read_bytes() == (second / name).read_bytes(), name
    assert "\x1b" not in there.stdout + there.stderr
    assert "\r" not in there.stderr
    assert len(there.stderr.splitlines()) == 4


def test_a_terminal_gets_live_progress_on_stderr(folder: Path, clean_environment: dict[str, str]) -> None:
    """stderr is a pseudo-terminal, stdout a file: only the first may hold escape codes."""
    arguments = ["train", "tiny.yaml", "training.epochs=30", "--json"]
    with (folder / "out.json").open("w", encoding="utf-8") as out:
        code, shown = _on_terminal(
            arguments, folder=folder, environment=clean_environment, stdout=out.fileno()
        )
    assert code == 0
    assert json.loads((folder / "out.json").read_text("utf-8"))["status"] == "finished"
    assert _COLOR.search(shown)
    assert re.search(r"epoch 30/30  \d+\.\d s  train/loss \d", shown)


def test_no_color_is_honored_on_a_terminal(folder: Path, clean_environment: dict[str, str]) -> None:
    """A bar may still move and a heading be bold: both streams are one terminal, neither has a color."""
    environment = {**clean_environment, "NO_COLOR": "1"}
    code, shown = _on_terminal(["train", "tiny.yaml"], folder=folder, environment=environment, stdout=None)
    assert code == 0
    assert "\x1b[" in shown
    assert not _COLOR.search(shown)
    assert re.search(r"epoch 2/2  \d+\.\d s  train/loss \d", shown)
    assert re.search(r"labels/loss( +\d\.\d{4}){5}", shown)


def test_an_interrupt_closes_the_run(folder: Path, clean_environment: dict[str, str]) -> None:
    command = [*COMMAND, "train", "tiny.yaml", "training.epochs=100000", "--json"]
    with subprocess.Popen(
        command, cwd=folder, env=clean_environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        said = ""
        while "epoch 3/" not in said:
            line = process.stderr.readline()
            assert line, said
            said += line
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    (run,) = (folder / "runs").iterdir()
    goes_on = f"mlx: interrupted by SIGINT; mlx train --resume runs/{run.name} goes on from what was saved"
    assert err.splitlines()[-1] == goes_on
    assert "Traceback" not in err
    assert json.loads(out)["error"]["code"] == 130
    summary = json.loads((run / "summary.json").read_text("utf-8"))
    assert summary["status"] == "interrupted"
    assert summary["epochs"] >= 3
    assert summary["metrics"]["validation/loss"] > 0
    assert (run / "checkpoints" / "last.safetensors").is_file()
    epochs = len((run / "metrics.csv").read_text("utf-8").splitlines()) - 1
    assert epochs >= 3


@pytest.mark.parametrize("json_option", [[], ["--json"]])
def test_a_fault_of_ours_is_one_sentence_and_a_file(
    tmp_path: Path, clean_environment: dict[str, str], json_option: list[str]
) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", _FAULT, "runs", *json_option],
        cwd=tmp_path,
        env={**clean_environment, "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 1
    (file,) = tmp_path.iterdir()
    sentence = "a fault in mlx itself: ValueError: the shelf gave way"
    assert ended.stderr == f"mlx: {sentence}; please report it with {file}\n"
    text = file.read_text("utf-8")
    assert text.startswith("Traceback (most recent call last):\n")
    assert "in break_down" in text
    if json_option:
        error = json.loads(ended.stdout)["error"]
        assert error["code"] == 1
        assert error["messages"][0]["message"] == ended.stderr.removeprefix("mlx: ").strip()
    else:
        assert ended.stdout == ""


def _on_terminal(
    arguments: list[str], *, folder: Path, environment: dict[str, str], stdout: int | None
) -> tuple[int, str]:
    """Exit code and what a pseudo-terminal shows: stderr, and stdout as well where that is None."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [*COMMAND, *arguments],
        cwd=folder,
        env=environment,
        stdin=theirs,
        stdout=theirs if stdout is None else stdout,
        stderr=theirs,
    )
    os.close(theirs)
    shown = b""
    while chunk := _read(ours):
        shown += chunk
    os.close(ours)
    return process.wait(timeout=60), shown.decode("utf-8")


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # what Linux says at the end of a pseudo-terminal
        return b""
