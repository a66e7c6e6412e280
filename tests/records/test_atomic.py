"""A write that fails leaves the old file and nothing else."""

from __future__ import annotations

import errno
import subprocess
import sys
from pathlib import Path

import pytest
from mlx_runner.records.atomic import read_text, write_bytes, write_text
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
