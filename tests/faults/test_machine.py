"""The machine fails: memory runs out, folders are gone or closed, the clock goes backwards."""

from __future__ import annotations

import json
import os
import re
import resource
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="limits and /proc are those of Linux")

COMMAND = [sys.executable, "-m", "mlx_runner.cli"]

# The limit is set when all is imported: how much address space torch maps differs from build to build.
LIMITED = """
import resource, sys
import matplotlib.figure, polars
import mlx_runner.inspection.pitfalls, mlx_runner.training.predict, mlx_runner.training.run
with open("/proc/self/statm") as file:
    taken = int(file.read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (taken + int(sys.argv.pop(1)),) * 2)
from mlx_runner.cli.entry import main
main()
"""

FAULT = """
from mlx_runner.records import listing

def break_down(folder):
    raise ValueError("the shelf gave way")

listing.list_runs = break_down
from mlx_runner.cli.entry import main
main()
"""

# Every look at a clock that can be set finds it a minute earlier than the look before.
BACKWARDS = """
import datetime, itertools, sys, time

minutes = itertools.count()
started = time.time()

class Backwards(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return cls.fromtimestamp(started - 60 * next(minutes), tz)

datetime.datetime = Backwards
time.time = lambda: started - 60 * next(minutes)
from mlx_runner.cli.main import main

for arguments in (["train", "tiny.yaml", "--quiet"], ["train", "tiny.yaml", "--quiet"], ["runs", "--json"]):
    sys.argv = ["mlx", *arguments]
    try:
        main()
    except SystemExit as ended:
        assert not ended.code, ended.code
"""

# A row takes 200 kB on its way through the wide layer.
WIDE = """\
name: wide
data: {source: mnist, shape: [784], samples: 2400, test_samples: 100}
model:
  inputs: [image]
  layers:
    narrow: {type: dense, units: 16, activation: relu}
    wide: {type: dense, units: 50000, activation: relu}
    scores: {type: dense, units: 6, activation: sigmoid}
  outputs: [scores]
losses:
  labels: {type: binary_crossentropy, output: scores, target: attributes}
training: {epochs: 1, batch_size: 2000}
"""
BUDGET_BYTES = 700_000_000

ARRAYS = """\
name: arrays
data:
  source: arrays
  path: arrays
  inputs: {x: {kind: numbers}}
  targets: {y: {kind: values}}
model:
  inputs: [x]
  layers: {y: {type: dense, units: 1}}
  outputs: [y]
losses: {y: {type: mean_squared_error, output: y, target: y}}
"""


def run(
    command: Sequence[str | Path],
    *,
    folder: Path,
    prepare: Callable[[], None] | None = None,
    **changes: str | None,
) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of a process; `changes` are to its environment, None takes away."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", **changes}
    ended = subprocess.run(
        command,
        cwd=folder,
        env={name: value for name, value in environment.items() if value is not None},
        preexec_fn=prepare,
        capture_output=True,
        text=True,
        check=False,
    )
    return ended.returncode, ended.stdout, ended.stderr


def limited(*arguments: str, num_bytes: int, folder: Path) -> tuple[int, str, str]:
    """`mlx ARGUMENTS` with this much memory beyond what its imports take."""
    return run([sys.executable, "-c", LIMITED, str(num_bytes), *arguments], folder=folder)


def the_message(ended: tuple[int, str, str]) -> str:
    """What a failure of the machine says: one line on stderr, and perhaps how a run goes on."""
    code, out, err = ended
    assert (code, out) == (6, ""), err
    said, *outcome = err.splitlines()
    assert said.startswith("mlx: ")
    assert all(line.endswith(" goes on from what was saved") for line in outcome[:1])
    assert len(outcome) <= 1
    return said.removeprefix("mlx: ")


def test_memory_that_runs_out_tells_the_batch_size_that_fits(tmp_path: Path) -> None:
    """And of the network that was trained with it, how many rows to try to predict at once."""
    (tmp_path / "wide.yaml").write_text(WIDE, "utf-8")
    message = the_message(limited("train", "wide.yaml", "-q", num_bytes=BUDGET_BYTES, folder=tmp_path))
    found = re.fullmatch(
        r"wide\.yaml:12:35: training\.batch_size: memory ran out while training: by estimate training takes "
        r"824 MB at batch_size 2000, and (\d+) MB were available; batch_size (256|512) would fit\.",
        message,
    )
    assert found, message
    assert 400 < int(found[1]) < 700
    (failed,) = (tmp_path / "runs").glob("*/summary.json")
    assert json.loads(failed.read_text("utf-8"))["status"] == "failed"
    changed = f"training.batch_size={found[2]}"
    code, _, err = limited("train", "wide.yaml", changed, "-q", num_bytes=BUDGET_BYTES, folder=tmp_path)
    assert (code, err) == (0, "")
    np.savez(tmp_path / "rows.npz", image=np.zeros((3000, 784), dtype=np.uint8))
    arguments = ["predict", "latest", "rows.npz", "--rows", "3000", "-o", "out.csv"]
    assert re.fullmatch(
        r"memory ran out while predicting 3000 rows at once: 600 MB were asked for at once, \d+ MB are "
        r"available; try --rows 1500, or free some memory\.",
        the_message(limited(*arguments, num_bytes=BUDGET_BYTES, folder=tmp_path)),
    )
    assert not (tmp_path / "out.csv").exists()


def test_memory_that_runs_out_in_reading_the_data(tmp_path: Path) -> None:
    """The arrays are files with holes: no disk is filled."""
    (tmp_path / "arrays.yaml").write_text(ARRAYS, "utf-8")
    folder = tmp_path / "arrays"
    folder.mkdir()
    for name, width in (("x", 4000), ("y", 1)):
        np.lib.format.open_memmap(folder / f"{name}.npy", "w+", np.float32, (40_000, width))
    message = the_message(limited("train", "arrays.yaml", "-q", num_bytes=1_000_000_000, folder=tmp_path))
    assert re.fullmatch(
        r"memory ran out while reading the data: 576 MB were asked for at once, \d+ MB are available; give "
        r"fewer rows, or free some memory\.",
        message,
    )
    assert not (tmp_path / "runs").exists()


def test_nobody_s_home_and_no_temporary_folder_change_nothing(tiny: str, tmp_path: Path) -> None:
    """/proc takes no folders, not even from root."""
    (tmp_path / "tiny.yaml").write_text(tiny, "utf-8")
    nowhere = "/proc/nowhere"
    places = {"HOME": nowhere, "TMPDIR": nowhere, "XDG_CACHE_HOME": None, "XDG_CONFIG_HOME": None}
    command = [*COMMAND, "train", "tiny.yaml", "--quiet"]
    code, _, err = run(command, folder=tmp_path, MPLCONFIGDIR=None, **places)
    assert (code, err) == (0, "")
    (trained,) = (tmp_path / "runs").iterdir()
    assert (trained / "plots" / "losses.png").is_file()
    assert {path.name for path in tmp_path.iterdir()} == {"runs", "tiny.yaml"}


@pytest.mark.parametrize(
    "arguments", [["runs"], ["train", "autoencoder"], ["init", "rows.csv"]], ids=" ".join
)
def test_a_current_folder_that_was_deleted(tmp_path: Path, arguments: list[str]) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    command = ["sh", "-c", 'rmdir "$PWD" && exec "$@"', "sh", *COMMAND, *arguments]
    message = the_message(run(command, folder=gone))
    assert message == "the current folder does not exist any more; change to one that does."


def test_a_fault_of_ours_is_told_where_no_file_can_be_written(tmp_path: Path) -> None:
    def nothing_larger() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))

    code, out, err = run([sys.executable, "-c", FAULT, "runs"], folder=tmp_path, prepare=nothing_larger)
    assert (code, out) == (1, "")
    assert err == (
        "mlx: a fault in mlx itself: ValueError: the shelf gave way; please report it with its place, line 5 "
        "of <string>, as no temporary file can be written\n"
    )


def test_a_clock_that_goes_backwards_harms_no_run(tiny: str, tmp_path: Path) -> None:
    (tmp_path / "tiny.yaml").write_text(tiny, "utf-8")
    code, out, err = run([sys.executable, "-c", BACKWARDS], folder=tmp_path)
    assert (code, err) == (0, "")
    names = sorted(path.name for path in (tmp_path / "runs").iterdir())
    assert len(names) == 2
    listed = json.loads(out[out.rindex("\n{") :])["runs"]
    assert [each["name"] for each in listed] == [*reversed(names)]
    for name in names:
        summary = json.loads((tmp_path / "runs" / name / "summary.json").read_text("utf-8"))
        assert summary["status"] == "finished"
        assert all(0.0 <= seconds < 300.0 for seconds in summary["seconds"].values())
