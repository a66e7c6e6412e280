"""A write that fails leaves the old file and nothing else."""

from __future__ import annotations

import errno
import subprocess
import sys
from pathlib import Path

import pytest
from mlx_runner.records.atomic import (
    link_file,
    open_replacement,
    read_text,
    unfinished_files,
    write_bytes,
    write_text,
)
from mlx_runner.specs.errors import DataError, MachineError


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "summary.json"
    write_bytes(path, b"old, and longer")
    write_text(path, "é\r\n")
    assert path.read_bytes() == b"\xc3\xa9\r\n"
    assert read_text(path) == "é\r\n", "line ends are kept"
    assert list(tmp_path.iterdir()) == [path]


def test_a_new_file_is_as_readable_as_any(tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("")
    write_text(tmp_path / "atomic", "")
    assert (tmp_path / "atomic").stat().st_mode == (tmp_path / "plain").stat().st_mode


@pytest.mark.parametrize(
    ("number", "sentence"),
    [
        (errno.ENOSPC, "no space is left on the disk"),
        (errno.EACCES, "permission denied"),
        (errno.EIO, "Input/output error"),
    ],
)
def test_a_failed_move_keeps_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, sentence: str
) -> None:
    path = tmp_path / "metrics.csv"
    write_text(path, "old")

    def fail(*_: object) -> None:
        raise OSError(number, "Input/output error")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(MachineError, match=sentence) as caught:
        write_text(path, "new")
    assert str(path) in str(caught.value)
    assert caught.value.code == 6
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_vanished_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(MachineError, match="its folder does not exist"):
        write_text(tmp_path / "gone" / "log.txt", "")


@pytest.mark.skipif(sys.platform == "win32", reason="no limits on file sizes")
def test_a_file_cut_short_by_the_system_keeps_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    write_text(path, "old")
    script = (
        "import resource, sys; from pathlib import Path\n"
        "from mlx_runner.records.atomic import write_bytes\n"
        "from mlx_runner.specs.errors import MachineError\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
        "try: write_bytes(Path(sys.argv[1]), b'x' * 100_000)\n"
        "except MachineError as error: print(error)\n"
    )
    finished = subprocess.run(
        [sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=True
    )
    assert finished.stdout == f"cannot write '{path}': the file would be larger than this system allows.\n"
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_reading_tells_absent_from_damaged(tmp_path: Path) -> None:
    assert read_text(tmp_path / "absent") is None
    (tmp_path / "binary").write_bytes(b"ab\xff")
    with pytest.raises(DataError, match="byte 2 is not UTF-8"):
        read_text(tmp_path / "binary")


def test_a_link_takes_the_place_of_a_file_in_one_step(tmp_path: Path) -> None:
    source, target = tmp_path / "last", tmp_path / "previous"
    source.write_bytes(b"new")
    target.write_bytes(b"old")
    for _ in range(2):  # the second time they are one file already
        link_file(source, target)
        assert target.read_bytes() == b"new"
        assert sorted(path.name for path in tmp_path.iterdir()) == ["last", "previous"]
    write_bytes(source, b"newer")
    assert target.read_bytes() == b"new"
    with pytest.raises(MachineError, match=r"cannot write '.*/previous': its folder does not exist"):
        link_file(tmp_path / "nothing", target)
    assert target.read_bytes() == b"new"


def test_what_a_killed_write_leaves_is_found(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    with open_replacement(tmp_path / "inner" / "table.csv"):
        (left,) = unfinished_files(tmp_path)
        assert left.parent == tmp_path / "inner"
    assert unfinished_files(tmp_path) == []
