"""Tags are kept in a file of their own, whole at every instant, and none is lost between processes."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from mlx_runner.records.listing import list_runs
from mlx_runner.records.run_folder import RunFolder
from mlx_runner.records.tags import change_tags, read_tags
from mlx_runner.specs.errors import ConfigError, DataError

MakeRun = Callable[..., RunFolder]

_TAGGER = """
import sys
from pathlib import Path
from mlx_runner.records.run_folder import RunFolder
from mlx_runner.records.tags import change_tags
for number in range(40):
    change_tags(RunFolder(Path(sys.argv[1])), add=[f"{sys.argv[2]}{number}"])
"""


def test_tags_come_and_go(make_run: MakeRun, tmp_path: Path) -> None:
    run = make_run(tmp_path)
    assert read_tags(run) == ()
    assert not (run.path / "tags.json").exists()
    assert change_tags(run, add=["paper", "a.b-c_D", "paper"]) == ("a.b-c_D", "paper")
    assert change_tags(run, add=["final"], remove=["a.b-c_D"]) == ("final", "paper")
    assert json.loads((run.path / "tags.json").read_text("utf-8")) == {"tags": ["final", "paper"]}
    [record] = list_runs(tmp_path)
    assert record.tags == read_tags(run) == ("final", "paper")
    assert change_tags(run, remove=["final", "paper"]) == ()
    assert list_runs(tmp_path)[0].tags == ()


@pytest.mark.parametrize("tag", ["", "two words", "a/b", "[red]", "\x1b[31m", "é", "x" * 65, "a\n", "../a"])
def test_what_cannot_be_a_tag(make_run: MakeRun, tmp_path: Path, tag: str) -> None:
    run = make_run(tmp_path)
    with pytest.raises(ConfigError, match=r"cannot be a tag: use 1 to 64 letters, digits, '_', '.' or '-'"):
        change_tags(run, add=["good", tag])
    assert read_tags(run) == ()
    assert change_tags(run, add=["x" * 64]) == ("x" * 64,)


def test_what_cannot_be_done(make_run: MakeRun, tmp_path: Path) -> None:
    run = make_run(tmp_path)
    change_tags(run, add=["paper", "final"])
    with pytest.raises(ConfigError) as refused:
        change_tags(run, remove=["papr"])
    sentence = "has no tag 'papr'; did you mean 'paper'? Tags: 'final', 'paper'."
    assert str(refused.value) == f"run '{run.name}' {sentence}"
    with pytest.raises(ConfigError, match="the tag 'a' cannot be both given and removed; choose one"):
        change_tags(run, add=["a"], remove=["a"])
    assert read_tags(run) == ("final", "paper")


@pytest.mark.parametrize("text", ["{", '{"tags": "paper"}', '{"tags": [1]}', "[]", "{}"])
def test_damaged_tags_are_told_of_and_do_not_damage_the_run(
    make_run: MakeRun, tmp_path: Path, text: str
) -> None:
    run = make_run(tmp_path)
    (run.path / "tags.json").write_text(text, "utf-8")
    with pytest.raises(DataError, match=r"tags\.json' is damaged: "):
        change_tags(run, add=["paper"])
    assert (run.path / "tags.json").read_text("utf-8") == text
    [record] = list_runs(tmp_path)
    assert (record.status, record.tags) == ("finished", ())


def test_no_tag_is_lost_between_processes(make_run: MakeRun, tmp_path: Path) -> None:
    run = make_run(tmp_path)
    taggers = [subprocess.Popen([sys.executable, "-c", _TAGGER, str(run.path), letter]) for letter in "abc"]
    seen = 0
    while any(tagger.poll() is None for tagger in taggers):
        now = len(read_tags(run))  # never half a file
        assert now >= seen
        seen = now
    assert [tagger.wait() for tagger in taggers] == [0, 0, 0]
    assert set(read_tags(run)) == {f"{letter}{number}" for letter in "abc" for number in range(40)}
    assert not list(run.path.glob(".*")), "no temporary file is left"
