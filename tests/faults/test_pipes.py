"""What becomes of a run whose streams go away: the run is complete, whatever is left to tell it to."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from .evidence import assert_same_run
from .processes import plain_environment
from .scene import CONFIG, Scene

MLX = f"{sys.executable} -m mlx_runner.cli train {CONFIG}"

CLOSED_PIPE = 141

LINES = {
    # `true` has closed its end long before there is a result.
    "stdout to true": (f"{MLX} --quiet | true", CLOSED_PIPE),
    "stderr closed": (f"{MLX} --json 2>&-", 0),
    "stdout to true, unbuffered": (f"PYTHONUNBUFFERED=1 {MLX} --quiet | true", CLOSED_PIPE),
    "stderr to true": (f"{MLX} 2>&1 >/dev/null | true", 0),
    "stdout closed": (f"{MLX} --quiet >&-", 0),
    "all closed": (f"{MLX} --quiet 2>&- >&- <&-", 0),
    "stdout full": (f"{MLX} --quiet >/dev/full", 6),
    "stderr full": (f"{MLX} 2>/dev/full", 0),
}
NUM_SHORT = 2


@pytest.mark.parametrize(
    "streams",
    [
        pytest.param(streams, marks=[] if number < NUM_SHORT else [pytest.mark.faults])
        for number, streams in enumerate(LINES)
    ],
)
def test_a_stream_that_is_closed_costs_no_run(scene: Scene, reference: Path, streams: str) -> None:
    """By a shell and its pipes; the code is that of `mlx`, not that of the pipe's other end."""
    line, code = LINES[streams]
    ended = subprocess.run(
        ["bash", "-c", f"{line}; exit ${{PIPESTATUS[0]}}"],
        cwd=scene.folder,
        env=plain_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == code, ended.stderr
    told = "mlx: cannot write 'standard output': no space is left on the disk; free some, or choose another"
    assert ended.stderr.splitlines()[-1:] == ([f"{told} folder."] if code == 6 else [])
    run = scene.only_run()
    assert run is not None
    assert_same_run(run, reference)
