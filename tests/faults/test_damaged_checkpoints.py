"""A checkpoint that is not what was saved is refused in a sentence, and the one before it is gone on from."""

from __future__ import annotations

import json
import pickle
import shutil
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random

import pytest

from .evidence import assert_same_run
from .scene import CONFIG, Scene, cases

ANEW = "nothing was saved whole before the stop: training begins anew"
SUM = "its checksum is not that of its bytes"
NO_SUM = "it carries no checksum"
EMPTY = "it is empty"
FOREIGN = "belongs to another run: its config, seed or data are not these"
LEFT_OUT = "; it is left out"

PASSING = ("process.json", "log.txt")
"""Who works on a run, and when what was begun: the only files that change where going on is refused."""


@dataclass(frozen=True)
class Damage:
    """What is done to a checkpoint, and what is said of it then."""

    harm: Callable[[Path, Scene], object]
    reason: str

    def told(self, checkpoint: Path, scene: Scene) -> str:
        """The line on stderr."""
        shown = f"'{checkpoint.relative_to(scene.folder)}'"
        what = self.reason if self.reason == FOREIGN else f"is not an intact checkpoint: {self.reason}"
        return f"{shown} {what}{LEFT_OUT}"


class Hostile:
    """A pickle of this, where anything loads it, makes a file."""

    def __init__(self, marker: Path) -> None:
        self._marker = marker

    def __reduce__(self) -> tuple[object, ...]:
        return (Path.touch, (self._marker,))


def _truncate(checkpoint: Path, _: Scene) -> None:
    data = checkpoint.read_bytes()
    checkpoint.write_bytes(data[: len(data) // 2])


def _behead(checkpoint: Path, _: Scene) -> None:
    checkpoint.write_bytes(checkpoint.read_bytes()[:40])


def _empty(checkpoint: Path, _: Scene) -> None:
    checkpoint.write_bytes(b"")


def _lengthen(checkpoint: Path, _: Scene) -> None:
    checkpoint.write_bytes(checkpoint.read_bytes() + b"\0")


def _flip(checkpoint: Path, _: Scene) -> None:
    """One bit of the last weight."""
    data = bytearray(checkpoint.read_bytes())
    data[-1] ^= 1
    checkpoint.write_bytes(data)


def _put_pickle(checkpoint: Path, scene: Scene) -> None:
    checkpoint.write_bytes(pickle.dumps(Hostile(_marker(scene))))


def _put_other_seed(checkpoint: Path, scene: Scene) -> None:
    _put_foreign(checkpoint, scene, "seed=4")


def _put_other_network(checkpoint: Path, scene: Scene) -> None:
    _put_foreign(checkpoint, scene, "model.layers.hidden.units=9")


def _put_foreign(checkpoint: Path, scene: Scene, change: str) -> None:
    runs = f"runs_for_{checkpoint.stem}"
    scene.finish([CONFIG, change, "training.epochs=2", "--runs", runs, "--quiet"])
    (run,) = (scene.folder / runs).iterdir()
    shutil.copy(run / "checkpoints" / "last.safetensors", checkpoint)


DAMAGES = {
    "truncated": Damage(_truncate, SUM),
    "beheaded": Damage(_behead, NO_SUM),
    "emptied": Damage(_empty, EMPTY),
    "lengthened": Damage(_lengthen, SUM),
    "one bit": Damage(_flip, SUM),
    "a pickle": Damage(_put_pickle, NO_SUM),
    "another seed's": Damage(_put_other_seed, FOREIGN),
    "another network's": Damage(_put_other_network, FOREIGN),
}
SHORT = ("one bit", "a pickle", "another network's")


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if name in SHORT else [pytest.mark.faults]) for name in DAMAGES]
)
@pytest.mark.parametrize("both", [False, pytest.param(True, marks=[pytest.mark.faults])])
def test_a_damaged_checkpoint_is_told_and_passed_over(
    name: str, both: bool, scene: Scene, reference: Path
) -> None:
    damage = DAMAGES[name]
    run = _stopped_run(scene)
    last, previous = (run / "checkpoints" / f"{which}.safetensors" for which in ("last", "previous"))
    # A copy first: where the two are one file, harm to one is harm to both.
    harmed = [last, previous] if both else [last]
    for checkpoint in harmed:
        _unlink(checkpoint)
        damage.harm(checkpoint, scene)
    if both and damage.reason == FOREIGN:
        _assert_refused(scene, run)
        return
    process = scene.finish(["--resume", run.name])
    told = [damage.told(checkpoint, scene) for checkpoint in harmed]
    said = process.err.splitlines()
    assert [line for line in said if line in told] == told
    assert (ANEW in said) == both
    assert not _marker(scene).exists()
    assert_same_run(run, reference)


def _assert_refused(scene: Scene, run: Path) -> None:
    """Checkpoints that are whole, of whatever run, are not thrown away, nor is what lies beside them."""
    files = [path for path in run.rglob("*") if path.is_file() and path.name not in PASSING]
    before = {path: path.read_bytes() for path in files}
    process = scene.train("--resume", run.name)
    assert process.wait() == 3, process.err
    assert f"run '{run.name}' cannot go on: " in process.err
    assert process.err.endswith("or begin a new run; nothing was removed.\n")
    assert {path: path.read_bytes() for path in before} == before


def test_the_marker_would_appear(scene: Scene, tmp_path: Path) -> None:
    """Else the absence of it would prove nothing."""
    _put_pickle(tmp_path / "file", scene)
    assert not _marker(scene).exists()
    pickle.loads((tmp_path / "file").read_bytes())
    assert _marker(scene).exists()


@pytest.mark.parametrize("case", cases(0, 20))
def test_no_single_byte_can_change_unnoticed(case: int, scene: Scene, reference: Path) -> None:
    """Anywhere in the file: its length, its header, its checksum, its weights."""
    run = _stopped_run(scene)
    last = run / "checkpoints" / "last.safetensors"
    data = bytearray(last.read_bytes())
    draw = Random(f"byte {case}")
    data[draw.randrange(len(data))] ^= draw.randrange(1, 256)
    _unlink(last)
    last.write_bytes(data)
    process = scene.finish(["--resume", run.name])
    shown = f"'{last.relative_to(scene.folder)}' is not an intact checkpoint: "
    (told,) = (line for line in process.err.splitlines() if line.startswith(shown))
    assert told.endswith(LEFT_OUT)
    assert_same_run(run, reference)


def test_a_finished_run_says_so(scene: Scene) -> None:
    first = scene.finish([CONFIG])
    run = scene.only_run()
    assert run is not None
    before = {path: path.read_bytes() for path in run.glob("*.*")}
    again = scene.finish(["--resume", "latest"])
    epochs = json.loads(first.out)["epochs"]
    assert again.err == f"run '{run.name}' has finished after epoch {epochs}; nothing is left to train\n"
    assert json.loads(again.out) == json.loads(first.out)
    assert {path: path.read_bytes() for path in run.glob("*.*")} == before


def _stopped_run(scene: Scene) -> Path:
    """A run that was killed after some epochs, with a checkpoint and the one before it."""
    process = scene.train(CONFIG)
    assert scene.wait_for("[!.]*/checkpoints/previous.safetensors", process), process.err
    process.signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    run = scene.only_run()
    assert run is not None
    return run


def _unlink(checkpoint: Path) -> None:
    """Let it be a file of its own: two checkpoints may be one file under two names."""
    data = checkpoint.read_bytes()
    checkpoint.unlink()
    checkpoint.write_bytes(data)


def _marker(scene: Scene) -> Path:
    return scene.folder / "a pickle was loaded"
