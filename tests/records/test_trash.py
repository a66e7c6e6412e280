"""The trash: one rename there and back, never in the place of another; only purging removes anything."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from mlx_runner.records.comparison_folder import ComparisonFolder
from mlx_runner.records.listing import find_run_path, list_runs
from mlx_runner.records.run_folder import RunFolder
from mlx_runner.records.trash import discard, folder_bytes, list_discarded, purge, require_rest, restore
from mlx_runner.specs.errors import ConfigError, MachineError

MakeRun = Callable[..., RunFolder]

_RIVAL = """
import sys
from pathlib import Path
from mlx_runner.records.trash import discard, restore
from mlx_runner.specs.errors import MlxError
root, done = Path(sys.argv[1]), 0
for _ in range(200):
    for name in ("20260101-100000_a", "20260101-100000_b"):
        for move in (lambda: discard(root / name), lambda: restore(root, name)):
            try:
                move()
                done += 1
            except MlxError:
                pass
print(done)
"""


def _files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_there_and_back(make_run: MakeRun, tmp_path: Path) -> None:
    run, other = make_run(tmp_path, "a"), make_run(tmp_path, "b")
    before, inode = _files(run.path), run.path.stat().st_ino
    target = discard(run.path)
    assert target.parent == tmp_path / ".trash"
    assert re.fullmatch(rf"\d{{8}}-\d{{6}}\.[0-9a-f]{{8}}\.{run.name}", target.name)
    assert [record.name for record in list_runs(tmp_path)] == [other.name]
    [entry] = list_discarded(tmp_path)
    assert (entry.name, entry.path) == (run.name, target)
    assert entry.time == target.name[:15]
    assert restore(tmp_path, "a") == run.path
    assert _files(run.path) == before
    assert run.path.stat().st_ino == inode, "it was renamed, not copied"
    assert list_discarded(tmp_path) == []


def test_runs_of_one_name_lie_side_by_side(make_run: MakeRun, tmp_path: Path) -> None:
    contents: list[dict[str, bytes]] = []
    for seed in range(3):
        run = make_run(tmp_path, "a", seed=seed)
        contents.append(_files(run.path))
        discard(run.path)
    entries = list_discarded(tmp_path)
    assert sorted(map(repr, contents)) == sorted(repr(_files(entry.path)) for entry in entries)
    with pytest.raises(ConfigError) as refused:
        restore(tmp_path, run.name)
    names = ", ".join(entry.path.name for entry in entries)
    assert str(refused.value) == (
        f"3 in the trash of '{tmp_path}' are meant by '{run.name}': {names}. Give one of these."
    )
    wanted = _files(entries[1].path)
    assert _files(restore(tmp_path, entries[1].path.name)) == wanted


def test_nothing_is_restored_in_the_place_of_another(make_run: MakeRun, tmp_path: Path) -> None:
    first = make_run(tmp_path, "a", seed=1)
    discard(first.path)
    second = make_run(tmp_path, "a", seed=2)
    before = _files(second.path)
    with pytest.raises(ConfigError, match="is there already; give it another name, then restore this one"):
        restore(tmp_path, "a")
    assert _files(second.path) == before
    assert len(list_discarded(tmp_path)) == 1
    second.path.rename(tmp_path / "elsewhere")
    second.path.symlink_to(tmp_path / "nowhere")
    with pytest.raises(ConfigError, match="is there already"):
        restore(tmp_path, "a")


def test_finding_what_to_restore(make_run: MakeRun, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as refused:
        restore(tmp_path, "latest")
    assert str(refused.value) == f"there is no 'latest' in the trash of '{tmp_path}'. There: nothing."
    for name in ("headline", "autoencoder"):
        discard(make_run(tmp_path, name).path)
    with pytest.raises(ConfigError, match=r"there is no 'hedline' in the trash .*autoencoder"):
        restore(tmp_path, "hedline")
    with pytest.raises(ConfigError, match=r"2 in the trash of .* are meant by '2026'"):
        restore(tmp_path, "2026")
    with pytest.raises(ConfigError, match="there is no '' in the trash"):
        restore(tmp_path, "")
    assert restore(Path("elsewhere"), str(tmp_path / "20260101-100000_headline")).name.endswith("_headline")
    assert restore(tmp_path, "latest").name.endswith("_autoencoder")


def test_what_is_at_work_stays(make_run: MakeRun, tmp_path: Path) -> None:
    run = make_run(tmp_path, "a", status=None)
    with pytest.raises(ConfigError) as refused:
        discard(run.path)
    assert str(refused.value) == f"run '{run.name}' is still at work; stop it first, or use --force."
    assert run.path.is_dir()
    discard(run.path, force=True)
    assert not run.path.exists()


def test_comparisons(make_run: MakeRun, tmp_path: Path) -> None:
    folder = ComparisonFolder.create(tmp_path, "two", plan={}, configs={"a.yaml": "name: a\n"})
    with pytest.raises(ConfigError, match=r"comparison '\d{8}-\d{6}_two_compare' is still at work"):
        discard(folder.path)
    folder.release()
    member = make_run(folder.members_path, "a", status=None)
    with pytest.raises(ConfigError, match="is still at work"):
        require_rest(folder.path)
    member.write_summary({"status": "finished"})
    assert find_run_path(tmp_path, folder.path.name, comparisons=True) == folder.path
    with pytest.raises(ConfigError, match="a comparison must be named in full: "):
        find_run_path(tmp_path, "two_compare", comparisons=True)
    with pytest.raises(ConfigError, match="is a comparison, not a run; see it with: mlx compare "):
        find_run_path(tmp_path, "two_compare")
    before = _files(folder.path)
    discard(folder.path)
    assert restore(tmp_path, "two_compare") == folder.path
    assert _files(folder.path) == before


def test_damaged_runs_can_go(tmp_path: Path) -> None:
    for name, file in (
        ("20260101-100000_empty", None),
        ("odd", "config.yaml"),
        ("20260101-100000_bad", "summary.json"),
    ):
        (tmp_path / name).mkdir()
        if file is not None:
            (tmp_path / name / file).write_text("{")
        discard(find_run_path(tmp_path, name))
    assert list_runs(tmp_path) == []
    assert len(list_discarded(tmp_path)) == 3


def test_the_current_folder(make_run: MakeRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = make_run(tmp_path, "a")
    monkeypatch.chdir(run.path)
    assert discard(Path()).parent == tmp_path / ".trash"
    assert list_runs(tmp_path) == []


def test_purging(make_run: MakeRun, tmp_path: Path) -> None:
    kept = make_run(tmp_path, "kept")
    before = _files(kept.path)
    for name in ("a", "b"):
        discard(make_run(tmp_path, name).path)
    trash = tmp_path / ".trash"
    (trash / "stray").write_text("1234")
    (trash / "link").symlink_to(kept.path)
    size = sum(len(data) for data in _files(trash).values()) + len(str(kept.path))
    assert folder_bytes(trash) == size
    assert purge(tmp_path) == 4
    assert not trash.exists()
    assert _files(kept.path) == before, "what a link points to stays"
    assert purge(tmp_path) == 0


def test_a_run_that_vanishes_is_told_of(tmp_path: Path) -> None:
    with pytest.raises(MachineError, match=r"cannot open '.*gone': its folder does not exist \(any more\)\."):
        discard(tmp_path / "gone")


def test_rivals_move_the_same_runs_and_lose_nothing(make_run: MakeRun, tmp_path: Path) -> None:
    runs = [make_run(tmp_path, name) for name in "ab"]
    before = sorted(repr(_files(run.path)) for run in runs)
    rivals = [
        subprocess.Popen([sys.executable, "-c", _RIVAL, str(tmp_path)], stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    done = [int(rival.communicate()[0]) for rival in rivals]
    assert [rival.returncode for rival in rivals] == [0, 0, 0]
    assert sum(done) > 100
    for entry in list_discarded(tmp_path):
        restore(tmp_path, entry.path.name)
    assert sorted(repr(_files(run.path)) for run in runs) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == [".trash", *(run.name for run in runs)]


def test_a_trash_that_is_emptied_meanwhile_is_made_again(
    make_run: MakeRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process removes the empty folder right after it was made, nine times."""
    run = make_run(tmp_path)
    mkdir, made = Path.mkdir, 0

    def emptied(path: Path, *arguments: int, **options: bool) -> None:
        nonlocal made
        mkdir(path, *arguments, **options)
        made += 1
        if made < 10:
            path.rmdir()

    monkeypatch.setattr(Path, "mkdir", emptied)
    target = discard(run.path)
    monkeypatch.undo()
    assert made == 10
    assert target.is_dir()
    assert not run.path.exists()
