"""The idx format: what is read, and the exact message for each way a file can be wrong."""

from __future__ import annotations

import gzip
import hashlib
from pathlib import Path

import numpy as np
import pytest
from mlx_runner.data.idx_files import read_idx
from mlx_runner.specs.errors import DataError, MachineError

VALUES = np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 4)
CONTENT = bytes.fromhex("00000803 00000002 00000003 00000004") + VALUES.tobytes()
ZIPPED = gzip.compress(CONTENT, mtime=0)


@pytest.mark.parametrize(("name", "content"), [("images", CONTENT), ("images.gz", ZIPPED)])
def test_raw_and_gzipped_files_are_read(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    array = read_idx(tmp_path / name, num_axes=3, md5=hashlib.md5(CONTENT).hexdigest())
    np.testing.assert_array_equal(array, VALUES)
    assert array.dtype == np.uint8
    assert array.flags.writeable, "torch refuses to share memory that is read-only"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("x", b"", "truncated: 0 bytes, where the header alone takes 16"),
        ("x", CONTENT[:15], "truncated: 15 bytes, where the header alone takes 16"),
        ("x", CONTENT[:-1], "truncated: 39 bytes, where 2 x 3 x 4 values take 40"),
        ("x", CONTENT + b"!", "too long: 41 bytes, where 2 x 3 x 4 values take 40"),
        (
            "x",
            b"\0\0\x08\x01" + CONTENT[4:],
            "starts with 0x00000801, not 0x00000803: not an idx file of unsigned bytes with 3 axes",
        ),
        (
            "x",
            ZIPPED,
            "starts with 0x1f8b0800, not 0x00000803: not an idx file of unsigned bytes with 3 axes",
        ),
        ("x.gz", CONTENT, "the gzip data are damaged (Not a gzipped file (b'\\x00\\x00'))"),
        (
            "x.gz",
            ZIPPED[:-9],
            "the gzip data are damaged (Compressed file ended before the end-of-stream marker was reached)",
        ),
        (
            "x.gz",
            ZIPPED[:-1] + b"\xff",
            "the gzip data are damaged (Incorrect length of data produced)",
        ),
        (
            "x.gz",
            ZIPPED[:10] + b"\xff" * 20,
            "the gzip data are damaged (Error -3 while decompressing data: ",
        ),
    ],
)
def test_damaged_files_are_named_with_what_is_wrong(
    tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    file = tmp_path / name
    file.write_bytes(content)
    with pytest.raises(DataError) as caught:
        read_idx(file, num_axes=3)
    (problem,) = caught.value.problems
    assert problem.file == str(file)
    # zlib words the end of its messages as it likes.
    assert problem.message == message or (message.endswith(": ") and problem.message.startswith(message))


def test_another_md5_is_an_error(tmp_path: Path) -> None:
    file = tmp_path / "x"
    file.write_bytes(CONTENT[:-1] + b"!")
    found = hashlib.md5(CONTENT[:-1] + b"!").hexdigest()
    with pytest.raises(DataError) as caught:
        read_idx(file, num_axes=3, md5="0" * 32)
    assert caught.value.problems[0].message == (
        f"the MD5 of its content is {found}, not {'0' * 32}: the file is not the original"
    )


def test_a_missing_file_is_an_error_of_the_data(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        read_idx(tmp_path / "absent", num_axes=1)
    assert str(caught.value) == f"{tmp_path / 'absent'}: no such file"


def test_an_unreadable_file_is_an_error_of_the_machine(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    with pytest.raises(MachineError) as caught:
        read_idx(tmp_path / "x", num_axes=1)
    assert str(caught.value) == f"{tmp_path / 'x'}: cannot be read: Is a directory"
