"""Small files that would become huge ones, and files that are not what they are called."""

# ruff: noqa: E501  (a case, or a message, on each line)

from __future__ import annotations

import gzip
import io
import json
import os
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from mlx_runner.data import array_files, idx_files
from PIL import Image

from .sandbox import MOST_MEGABYTES, Sandbox

ARRAYS = """\
name: stranger
data:
  source: arrays
  path: a.npz
  inputs: {x: {kind: numbers}}
  targets: {y: {kind: values}}
model: {inputs: [x], layers: {out: {type: dense, units: 1}}, outputs: [out]}
losses: {l: {type: mean_squared_error, output: out, target: y}}
"""

IMAGES = """\
name: stranger
data: {source: images, path: pictures, size: [8, 8], validation_split: 0.2}
model: {inputs: [image], layers: {flat: {type: flatten}, out: {type: dense, units: 2, activation: softmax}}, outputs: [out]}
losses: {l: {type: sparse_categorical_crossentropy, output: out, target: label}}
"""

TABLE = """\
name: stranger
data:
  source: table
  path: t.FORMAT
  inputs: {x: {type: numeric, columns: [x]}}
  targets: {y: {type: binary, column: y}}
model: {inputs: [x], layers: {out: {type: dense, units: 1, activation: sigmoid}}, outputs: [out]}
losses: {l: {type: binary_crossentropy, output: out, target: y}}
"""


def npy_header(shape: tuple[int, ...], dtype: str = "<f4") -> bytes:
    """The header of an array of that shape, without its values."""
    text = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}".encode()
    text += b" " * (63 - (len(text) + 10) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text


def zipped(members: dict[str, bytes]) -> bytes:
    """An archive of those files."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return out.getvalue()


def zip_bomb() -> bytes:
    """Fifty thousand bytes that would become fifty million."""
    array = npy_header((6_250_000,)) + bytes(25_000_000)
    return zipped({"x.npy": array, "y.npy": array})


def declared(size: int) -> bytes:
    """A small archive whose directory says that a member is of another size than it is."""
    content = zipped({"x.npy": npy_header((3,)) + bytes(12), "y.npy": npy_header((3,)) + bytes(12)})
    place = content.index(b"PK\x01\x02")
    return content[: place + 24] + struct.pack("<I", size) + content[place + 28 :]


ARCHIVES: dict[str, tuple[Callable[[], bytes], str]] = {
    "a bomb": (zip_bomb, "times as large unpacked"),
    "a member said to be huge": (lambda: declared(0xFFFFFFF0), "times as large unpacked"),
    "a member said to be small": (lambda: declared(64), "damaged"),
    "a shape beyond all memory": (
        lambda: zipped({"x.npy": npy_header((2**62,)), "y.npy": npy_header((2**62,))}),
        "bytes of data, where its shape takes",
    ),
    "a shape of absurd digits": (
        lambda: zipped({"x.npy": npy_header((10**3000,)), "y.npy": npy_header((1,))}),
        "damaged",
    ),
    "a negative shape": (lambda: zipped({"x.npy": npy_header((-1,)) + bytes(4), "y.npy": npy_header((1,))}), ""),
    "pickled objects": (lambda: zipped({"x.npy": npy_header((1,), "|O") + b"\x80\x04.", "y.npy": npy_header((1,))}), "holds Python objects"),
    "code for a header": (
        lambda: zipped({"x.npy": npy_header((1,)).replace(b"(1,)", b"f()), "[:4]), "y.npy": npy_header((1,))}),
        "",
    ),
    "names that lead away": (lambda: zipped({"../../x.npy": npy_header((1,)) + bytes(4), "/y.npy": npy_header((1,)) + bytes(4)}), "no array named"),
    "no archive": (lambda: b"PK\x03\x04" + bytes(40), "is not a NumPy file, or is damaged"),
    "nothing": (lambda: b"", "is not a NumPy file, or is damaged"),
}  # fmt: skip


@pytest.mark.usefixtures("warm")
@pytest.mark.parametrize("name", ARCHIVES)
def test_hostile_archives_of_arrays(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(array_files, "SUSPICIOUS_BYTES", 1 << 24)
    make, said = ARCHIVES[name]
    sandbox.write("a.npz", make())
    sandbox.write("c.yaml", ARRAYS)
    for arguments in (("check", "c.yaml"), ("check", "c.yaml", "--data")):
        outcome = sandbox.read(*arguments)
        assert outcome.code == 3, outcome.err
        assert said in outcome.err
        assert outcome.megabytes < MOST_MEGABYTES


def test_real_numbers_that_compress_well_are_no_bomb(sandbox: Sandbox) -> None:
    """Zeros are packed a thousandfold; only of much is that refused."""
    zeros = np.zeros((200_000, 5), dtype=np.float32)
    out = io.BytesIO()
    np.savez_compressed(out, x=zeros, y=zeros[:, :1])
    sandbox.write("a.npz", out.getvalue())
    sandbox.write("c.yaml", ARRAYS)
    assert sandbox.read("check", "c.yaml", "--data").code == 0


def test_an_idx_file_is_unpacked_up_to_a_limit(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(idx_files, "MOST_BYTES", 1 << 20)
    header = struct.pack(">4BIII", 0, 0, 8, 3, 2**31, 28, 28)
    for part in ("train", "t10k"):
        sandbox.write(f"digits/{part}-images-idx3-ubyte.gz", gzip.compress(header + bytes(60_000_000), 9))
        sandbox.write(f"digits/{part}-labels-idx1-ubyte.gz", gzip.compress(bytes(8), 9))
    text = TABLE.split("data:")[0]
    sandbox.write(
        "c.yaml",
        text
        + "data: {source: mnist, root: digits, shape: [784]}\n"
        + "model: {inputs: [image], layers: {out: {type: dense, units: 6, activation: sigmoid}}, outputs: [out]}\n"
        + "losses: {l: {type: binary_crossentropy, output: out, target: attributes}}\n",
    )
    outcome = sandbox.read("check", "c.yaml", "--data")
    assert outcome.code == 3
    assert "no idx file is that large" in outcome.err
    assert outcome.megabytes < 50


def png(width: int, height: int, *chunks: tuple[bytes, bytes], rows: bytes = b"") -> bytes:
    """A PNG of one bit per pixel that says to be so large."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0))
    body = (
        b"".join(chunk(*each) for each in chunks) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    )
    return b"\x89PNG\r\n\x1a\n" + head + body


def small(format_name: str) -> bytes:
    """A right image of that format."""
    out = io.BytesIO()
    Image.new("RGB", (8, 8), (1, 2, 3)).save(out, format_name)
    return out.getvalue()


PICTURES: dict[str, tuple[Callable[[], bytes], str]] = {
    "a bomb": (lambda: png(50_000, 50_000), "is too large: more than 100000000 pixels"),
    "over the limit": (lambda: png(12_000, 12_000), "more than 100000000"),
    "as large as numbers go": (lambda: png(2**31 - 1, 2**31 - 1), "is too large"),
    "text that unpacks to much": (
        lambda: png(8, 8, (b"zTXt", b"Comment\0\0" + zlib.compress(bytes(80_000_000))), rows=bytes(16)),
        "cannot be decoded",
    ),
    "text in many parts": (
        lambda: png(8, 8, *[(b"zTXt", b"C\0\0" + zlib.compress(bytes(1_000_000)))] * 80, rows=bytes(16)),
        "cannot be decoded",
    ),
    "another format": (lambda: small("PPM"), "is not an image of a known format"),
    "a page description": (
        lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n(x) run\n",
        "known format",
    ),
    "an icon": (lambda: small("ICO"), "is not an image of a known format"),
    "vector graphics": (lambda: b"<svg xmlns='http://www.w3.org/2000/svg'><script/></svg>", "known format"),
    "half an image": (lambda: small("PNG")[:40], ""),
    "nothing": (lambda: b"", "known format"),
}


@pytest.mark.usefixtures("warm")
@pytest.mark.parametrize("name", PICTURES)
def test_hostile_images(sandbox: Sandbox, name: str) -> None:
    make, said = PICTURES[name]
    for index in range(6):
        sandbox.write(f"pictures/{'ab'[index % 2]}/{index}.png", small("PNG"))
    sandbox.write("pictures/a/x.png", make())
    sandbox.write("c.yaml", IMAGES)
    outcome = sandbox.read("check", "c.yaml", "--data")
    assert outcome.code == 3, outcome.err
    assert said in outcome.err
    assert outcome.megabytes < MOST_MEGABYTES


def test_links_below_a_class_are_not_walked_in_circles(sandbox: Sandbox) -> None:
    for index in range(12):
        sandbox.write(f"pictures/{'ab'[index % 2]}/{index}.png", small("PNG"))
    (sandbox.work / "pictures" / "a" / "loop").symlink_to(sandbox.work / "pictures")
    (sandbox.work / "pictures" / "a" / "all").symlink_to("/")
    (sandbox.work / "pictures" / "a" / "self.png").symlink_to(sandbox.work / "pictures" / "a" / "self.png")
    sandbox.write("c.yaml", IMAGES)
    assert sandbox.read("check", "c.yaml").code == 0
    outcome = sandbox.read("check", "c.yaml", "--data")
    assert outcome.code in (3, 6)
    assert "self.png" in outcome.err


@pytest.mark.parametrize("kind", ["pipe", "endless"])
def test_pipes_and_devices_are_no_data(sandbox: Sandbox, kind: str) -> None:
    def place(name: str) -> Path:
        path = sandbox.work / name
        path.parent.mkdir(parents=True, exist_ok=True)
        os.mkfifo(path) if kind == "pipe" else path.symlink_to("/dev/zero")
        return path

    place("t.csv")
    sandbox.write("table.yaml", TABLE.replace("FORMAT", "csv"))
    place("a.npz")
    sandbox.write("arrays.yaml", ARRAYS)
    place("pictures/a/x.png")
    sandbox.write("pictures/b/y.png", small("PNG"))
    sandbox.write("pictures.yaml", IMAGES)
    for config in ("table.yaml", "arrays.yaml", "pictures.yaml"):
        outcome = sandbox.run("check", config, "--data")
        assert outcome.code == 3, (config, outcome.err)
        assert "is a device or a pipe, not a file" in outcome.err
    assert sandbox.run("init", "t.csv").code == 3


TABLES: dict[str, tuple[str, Callable[[], bytes]]] = {
    "one endless cell": ("csv", lambda: b"x,y\n" + b"1" * 5_000_000 + b",1\n"),
    "an endless header": ("csv", lambda: b"x" * 5_000_000),
    "a million columns": ("csv", lambda: b"x,y," + b",".join(b"%d" % i for i in range(300_000)) + b"\n"),
    "an open quote": ("csv", lambda: b'x,y\n"' + b"1,\n" * 1_000_000),
    "quotes": ("csv", lambda: b"x,y\n" + b'"' * 2_000_001),
    "separators": ("csv", lambda: b"," * 2_000_000),
    "line feeds": ("csv", lambda: b"x,y\n" + b"\n" * 2_000_000),
    "numbers without end": ("csv", lambda: b"x,y\n1e999999999,1\n" + b"9" * 100_000 + b",0\n"),
    "NUL bytes": ("csv", lambda: bytes(1_000_000)),
    "a deep list": ("jsonl", lambda: b'{"x": ' + b"[" * 500_000 + b"]" * 500_000 + b', "y": 1}\n'),
    "deep objects": ("jsonl", lambda: b'{"x": ' + b'{"a":' * 300_000),
    "a number of a million digits": ("jsonl", lambda: b'{"x": ' + b"9" * 1_000_000 + b', "y": 1}\n'),
    "a million keys": ("jsonl", lambda: json.dumps({f"k{i}": i for i in range(200_000)}).encode() + b"\n"),
    "half of a character": ("jsonl", lambda: b'{"x": "\\ud800", "y": 1}\n' * 3),
    "one key twice": ("jsonl", lambda: b'{"x": 1, "x": 2, "y": 1}\n{"x": 1, "y": 0}\n'),
}


@pytest.mark.usefixtures("warm")
@pytest.mark.parametrize("name", TABLES)
def test_hostile_tables_cost_no_more_than_their_size(sandbox: Sandbox, name: str) -> None:
    ending, make = TABLES[name]
    content = make()
    sandbox.write(f"t.{ending}", content)
    sandbox.write("c.yaml", TABLE.replace("FORMAT", ending))
    for arguments in (("check", "c.yaml", "--data"), ("init", f"t.{ending}")):
        outcome = sandbox.read(*arguments)
        assert outcome.code in (0, 3), outcome.err
        assert outcome.seconds < 10
        assert outcome.megabytes < 1_000


def parquet(**columns: list[object]) -> bytes:
    out = io.BytesIO()
    pl.DataFrame(columns).write_parquet(out)
    return out.getvalue()


def test_a_parquet_file_that_declares_more_rows_than_it_has_is_damaged(sandbox: Sandbox) -> None:
    """The footer's number of rows, a zigzag varint behind the schema, is another one: reading comes to an end."""
    content = parquet(x=[1.0, 2.0, 3.0] * 20, y=[0, 1, 1] * 20)
    sandbox.write("c.yaml", TABLE.replace("FORMAT", "parquet"))
    footer = struct.unpack("<I", content[-8:-4])[0] + 8
    places = [at for at in range(len(content) - footer, len(content) - 8) if content[at] == 120]
    assert places, "60 rows"
    for at in places:
        for value in (118, 122, 126, 2, 0):
            sandbox.write("t.parquet", content[:at] + bytes([value]) + content[at + 1 :])
            assert sandbox.read("check", "c.yaml", "--data").code in (0, 2, 3, 6)
