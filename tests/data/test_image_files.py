"""Image files: their pixels, what is kept of them, and what is said of those that cannot be read."""

from __future__ import annotations

import contextlib
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from mlx_runner.data import image_files
from mlx_runner.data.frame import Frame
from mlx_runner.data.image_cache import cache_folder
from mlx_runner.data.image_columns import plan_image
from mlx_runner.data.image_files import decode_images
from mlx_runner.data.image_folder import open_image_folder
from mlx_runner.data.table import Field
from mlx_runner.specs.columns import ImageFile
from mlx_runner.specs.errors import ConfigError, DataError, MachineError, MlxError
from mlx_runner.specs.files import ImageFolder
from PIL import Image

STREAM = np.random.RandomState(0)


@pytest.fixture(autouse=True)
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A cache folder of the test's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "mlx-runner" / "images"


def pixels(height: int, width: int, channels: int = 3) -> np.ndarray:
    """Random pixels, (height, width, channels), or (height, width) of one channel."""
    shape = (height, width, channels) if channels > 1 else (height, width)
    return STREAM.randint(0, 256, shape).astype(np.uint8)


def save(path: Path, values: np.ndarray, **options: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values).save(path, **options)
    return path


def decode(*paths: Path, size: tuple[int, int] = (6, 8), channels: int = 3, keep: bool = False) -> np.ndarray:
    return decode_images(paths, size=size, channels=channels, keep=keep)  # type: ignore[arg-type]


@pytest.mark.parametrize("ending", ["png", "bmp", "tif", "webp"])
def test_pixels_of_the_same_size_are_those_of_the_file(tmp_path: Path, ending: str) -> None:
    color, gray = pixels(6, 8), pixels(6, 8, 1)
    options = {"lossless": True} if ending == "webp" else {}
    found = decode(save(tmp_path / f"c.{ending}", color, **options))
    np.testing.assert_array_equal(found[0], color.transpose(2, 0, 1))
    found = decode(save(tmp_path / f"g.{ending}", gray, **options), channels=1)
    np.testing.assert_array_equal(found[0, 0], gray)
    found = decode(tmp_path / f"g.{ending}", channels=3)
    np.testing.assert_array_equal(found[0], np.stack([gray] * 3))


@pytest.mark.parametrize("size", [(3, 4), (12, 20), (5, 9), (1, 1)])
def test_resizing_is_that_of_an_antialiased_interpolation(tmp_path: Path, size: tuple[int, int]) -> None:
    """PyTorch computes it on its own; Pillow rounds between the two directions."""
    values = pixels(30, 44)
    found = decode(save(tmp_path / "x.png", values), size=size)[0]
    tensor = torch.from_numpy(values).permute(2, 0, 1)[None].double()
    expected = torch.nn.functional.interpolate(tensor, size, mode="bilinear", antialias=True)[0]
    assert np.abs(found - expected.numpy()).max() <= 1.01


def test_a_photo_is_decoded_small_with_hardly_a_difference(tmp_path: Path) -> None:
    smooth = np.asarray(Image.fromarray(pixels(9, 12)).resize((1200, 900), Image.Resampling.BICUBIC))
    found = decode(save(tmp_path / "x.jpg", smooth, quality=95), size=(60, 80))[0]
    full = Image.open(tmp_path / "x.jpg").resize((80, 60), Image.Resampling.BILINEAR)
    assert np.abs(found.astype(int) - np.asarray(full).transpose(2, 0, 1)).max() <= 3


def test_a_photo_is_turned_as_its_camera_says(tmp_path: Path) -> None:
    values = np.zeros((80, 80, 3), np.uint8)
    values[:40] = 255
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: what is stored as the top is the right
    found = decode(save(tmp_path / "x.jpg", values, exif=exif), size=(2, 2))[0, 0]
    np.testing.assert_allclose(found, [[0, 255], [0, 255]], atol=40)


def test_other_pixels_become_bytes(tmp_path: Path) -> None:
    deep = STREAM.randint(0, 2**16, (6, 8)).astype(np.uint16)
    np.testing.assert_array_equal(decode(save(tmp_path / "deep.png", deep), channels=1)[0, 0], deep >> 8)
    clear = pixels(6, 8, 4)
    expected = clear[:, :, :3].transpose(2, 0, 1)
    np.testing.assert_array_equal(decode(save(tmp_path / "clear.png", clear))[0], expected)
    Image.fromarray(clear[:, :, 0]).convert("P").save(tmp_path / "palette.gif")
    np.testing.assert_array_equal(decode(tmp_path / "palette.gif", channels=1)[0, 0], clear[:, :, 0])
    frames = [Image.fromarray(pixels(6, 8, 1)) for _ in range(3)]
    frames[0].save(tmp_path / "moving.gif", save_all=True, append_images=frames[1:])
    np.testing.assert_array_equal(decode(tmp_path / "moving.gif", channels=1)[0, 0], np.asarray(frames[0]))


def test_images_come_in_the_order_of_their_paths(tmp_path: Path) -> None:
    values = [pixels(6, 8) for _ in range(40)]
    paths = [save(tmp_path / f"{i}.png", each) for i, each in enumerate(values)]
    np.testing.assert_array_equal(decode(*paths), np.stack(values).transpose(0, 3, 1, 2))


def png_of(width: int, height: int) -> bytes:
    """A header that promises any size, and next to no data."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"\0" * 99))
        + chunk(b"IEND", b"")
    )


PNG = png_of(20, 20)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "does not exist"),
        (b"", "is not an image of a known format (JPEG, PNG, GIF, WebP, BMP, TIFF), or is damaged"),
        (
            b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
            "is not an image of a known format (JPEG, PNG, ",
        ),
        (PNG, "cannot be decoded: image file is truncated"),
        (png_of(10_001, 10_000), "cannot be decoded: 10001 x 10000 pixels, more than 100000000"),
        (png_of(10**5, 10**5), "is too large: more than 100000000 pixels"),
    ],
)
def test_bad_files_are_named_with_the_row_of_the_table(
    tmp_path: Path, content: bytes | None, message: str
) -> None:
    good, bad = save(tmp_path / "good.png", pixels(6, 8)), tmp_path / "bad.png"
    if content is not None:
        bad.write_bytes(content)
    with pytest.raises(DataError) as caught:
        decode(good, bad, good)
    assert str(caught.value).startswith(f"{bad}: {message}")
    spec = ImageFile(column="file", root=str(tmp_path), size=(6, 8))
    frame = Frame.of_file(pl.DataFrame({"file": ["good.png", "bad.png", "good.png"]}), "x.csv", first=5)
    with pytest.raises(DataError) as caught:
        plan_image(spec, name="photo").encode(frame)
    assert str(caught.value).startswith(f"x.csv, row 6: image '{bad}' {message}")


def test_a_folder_and_32_bit_pixels_are_no_image(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is a folder"):
        decode(tmp_path)
    Image.fromarray(np.ones((6, 8), np.float32)).save(tmp_path / "x.tif")
    with pytest.raises(DataError, match="cannot be decoded: its pixels are 32-bit numbers, not bytes"):
        decode(tmp_path / "x.tif")


@given(st.integers(0, 10**6), st.integers(1, 255), st.sampled_from(["PNG", "JPEG", "GIF", "WEBP", "TIFF"]))
def test_any_damaged_byte_is_an_error_or_harmless(place: int, change: int, kind: str) -> None:
    content = bytearray(DAMAGED[kind].read_bytes())
    content[place % len(content)] ^= change
    file = DAMAGED[kind].with_name("damaged")
    file.write_bytes(content)
    with contextlib.suppress(DataError):
        assert decode(file).shape == (1, 3, 6, 8)


DAMAGED: dict[str, Path] = {}


@pytest.fixture(scope="module", autouse=True)
def whole_files(tmp_path_factory: pytest.TempPathFactory) -> None:
    for kind in ("PNG", "JPEG", "GIF", "WEBP", "TIFF"):
        DAMAGED[kind] = save(tmp_path_factory.mktemp(kind) / kind, pixels(12, 16), format=kind)


def test_what_may_not_be_read_is_an_error_of_the_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = save(tmp_path / "x.png", pixels(6, 8))

    def refuse(*_arguments: object, **_options: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Image, "open", refuse)
    with pytest.raises(MachineError) as caught:
        decode(path)
    assert str(caught.value) == f"{path}: cannot be read: Permission denied"


def test_more_images_than_memory_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mlx_runner.data.available_memory.available_bytes", lambda: 10_000)
    path = save(tmp_path / "x.png", pixels(6, 8))
    with pytest.raises(MachineError) as caught:
        decode(path, size=(100, 100))
    assert str(caught.value).startswith("data: 1 images of 100 x 100 takes 0.0 GB, more than")


def test_decoded_images_are_kept_until_a_file_or_an_option_changes(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = [save(tmp_path / f"{i}.png", pixels(6, 8)) for i in range(3)]
    first = decode(*paths, keep=True)
    (kept,) = cache.iterdir()
    calls: list[Path] = []
    original = image_files._decode_all

    def counted(paths: list[Path], *arguments: object) -> np.ndarray:
        calls.extend(paths)
        return original(paths, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(image_files, "_decode_all", counted)
    again = decode(*paths, keep=True)
    np.testing.assert_array_equal(again, first)
    assert (calls, again.flags.writeable) == ([], False)
    decode(*paths, keep=False)
    decode(*reversed(paths), keep=True)
    decode(*paths, size=(6, 9), keep=True)
    decode(*paths, channels=1, keep=True)
    save(paths[0], pixels(6, 8))
    changed = decode(*paths, keep=True)
    assert len(calls) == 15
    assert not np.array_equal(changed, first)
    assert len(list(cache.iterdir())) == 5, "and no temporary file is left"
    kept.write_bytes(kept.read_bytes()[:-1])
    save(paths[0], first[0].transpose(1, 2, 0))
    np.testing.assert_array_equal(decode(*paths, keep=True), first)


def test_a_damaged_cache_is_decoded_again(tmp_path: Path, cache: Path) -> None:
    path = save(tmp_path / "x.png", pixels(6, 8))
    first = decode(path, keep=True)
    (kept,) = cache.iterdir()
    for content in (b"", b"any", kept.read_bytes()[:-1], kept.read_bytes()[:9] + b"(" * 200):
        kept.write_bytes(content)
        np.testing.assert_array_equal(decode(path, keep=True), first)


@pytest.mark.parametrize("place", ["a file", "no home"])
def test_without_a_place_for_it_nothing_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    path = save(tmp_path / "x.png", pixels(6, 8))
    if place == "a file":
        (tmp_path / "taken").write_text("")
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "taken"))
    else:

        def no_home() -> Path:
            raise RuntimeError("Could not determine home directory.")

        monkeypatch.setenv("XDG_CACHE_HOME", "relative, which is to be ignored")
        monkeypatch.setattr(Path, "home", no_home)
        assert cache_folder() is None
    assert decode(path, keep=True).shape == (1, 3, 6, 8)


def test_a_column_of_paths_is_an_input(tmp_path: Path) -> None:
    values = [pixels(6, 8), pixels(6, 8)]
    for i, each in enumerate(values):
        save(tmp_path / "images" / f"{i}.png", each)
    spec = ImageFile(column="file", root=str(tmp_path / "images"), size=(6, 8))
    column = plan_image(spec, name="photo")
    assert column.columns == ("file",)
    assert column.field == Field((3, 6, 8), "image")
    frame = Frame.of_file(pl.DataFrame({"file": ["1.png", str(tmp_path / "images" / "0.png")]}), "x.csv")
    for _ in range(2):
        found = column.encode(frame).values
        assert found.dtype == torch.uint8
        np.testing.assert_array_equal(found, np.stack(values[::-1]).transpose(0, 3, 1, 2))
        found[0] = 0  # a tensor of its own, whether it was decoded or kept
    with pytest.raises(
        DataError, match=r"column 'file', x.csv, row 1: the cell is empty; every row needs an"
    ):
        column.encode(Frame.of_file(pl.DataFrame({"file": [None, "1.png"]}), "x.csv"))
    with pytest.raises(ConfigError) as caught:
        plan_image(ImageFile(column="file", size=(0, 8)), name="photo")
    assert str(caught.value) == (
        "data.inputs.photo.size: height and width go from 1 to 10000, unlike [0, 8]."
    )


def folder(path: Path, **counts: int) -> Path:
    for name, count in counts.items():
        for i in range(count):
            save(path / name / f"{i:03}.png", pixels(6, 8))
    return path


def config(path: Path, **options: object) -> ImageFolder:
    return ImageFolder.model_validate({"path": str(path), "size": [6, 8], **options})


def test_a_folder_of_folders_is_a_source(tmp_path: Path) -> None:
    path = folder(tmp_path / "pets", dog=12, cat=8)
    save(path / "cat" / "more" / "x.JPG", pixels(6, 8))
    (path / "cat" / "notes.txt").write_text("no image")
    save(path / ".hidden" / "x.png", pixels(6, 8))
    schema = open_image_folder(config(path)).schema
    assert schema.inputs == {"image": Field((3, 6, 8), "image")}
    assert schema.targets == {"label": Field((), "classes", size=2, labels=("cat", "dog"))}
    splits = open_image_folder(config(path, split={"type": "stratified"}, test_split=0.25)).build()
    assert splits.validation is not None
    assert splits.test is not None
    parts = (splits.train, splits.validation, splits.test)
    counts = [torch.bincount(part.targets["label"]).tolist() for part in parts]
    assert counts == [[6, 8], [1, 1], [2, 3]]
    images = splits.train.inputs["image"]
    assert (images.dtype, images.shape) == (torch.uint8, (14, 3, 6, 8))
    batch = splits.train.batch(0, 14, torch.float32).inputs["image"]
    torch.testing.assert_close(batch, images / 255.0)
    again = open_image_folder(config(path, split={"type": "stratified"}, test_split=0.25)).build()
    assert again.fingerprint == splits.fingerprint
    other = open_image_folder(config(path, split={"type": "stratified"}, test_split=0.25, seed=1)).build()
    assert other.fingerprint != splits.fingerprint


def test_a_folder_for_testing_has_the_same_classes(tmp_path: Path) -> None:
    path, test = folder(tmp_path / "train", cat=4, dog=4), folder(tmp_path / "test", dog=3)
    splits = open_image_folder(config(path, test_path=str(test), validation_split=0.0)).build()
    assert splits.test is not None
    assert splits.test.targets["label"].tolist() == [1, 1, 1]
    assert (len(splits.train), splits.validation) == (8, None)
    folder(test, dgo=1)
    with pytest.raises(DataError) as caught:
        open_image_folder(config(path, test_path=str(test))).build()
    assert str(caught.value) == (
        "data.test_path: no class named 'dgo'; did you mean 'dog'? Classes: cat, dog."
    )
    with pytest.raises(DataError) as caught:
        open_image_folder(config(tmp_path, test_path=str(test))).build()
    assert str(caught.value) == f"data.test_path: '{test}' is read for data.path too; keep the two apart."


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"path": "absent"}, "data.path: no such folder: 'absent'"),
        (
            {"path": "pets/cat"},
            "data.path: the folder 'pets/cat' needs a folder of images for each class, and holds none",
        ),
        (
            {"path": "."},
            "data.path: the folder '.' needs a folder of images for each class, and holds only 'pets'",
        ),
        ({"test_path": "empty"}, "data.test_path: the folder 'empty' holds no folder of images"),
        ({"path": "bare"}, "data.path: the folder 'bare/a' holds no image\n"),
        ({"size": [6, 10_001]}, "data.size: height and width go from 1 to 10000, unlike [6, 10001]."),
        (
            {"split": {"type": "last"}},
            "data.split.type: images lie class by class, so the last are all of one class; use random or "
            "stratified.",
        ),
        (
            {"split": {"type": "group", "column": "x"}},
            "data.split.type: a folder of images has no columns to split by; use random or stratified.",
        ),
        (
            {"split": {"type": "stratified", "target": "labels"}},
            "data.split.target: no target named 'labels'; did you mean 'label'? Targets: label.",
        ),
    ],
)
def test_what_is_no_folder_of_images_is_located(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, object], message: str
) -> None:
    folder(tmp_path / "here" / "pets", cat=1, dog=1)
    for name in ("empty", "bare/a", "bare/b"):
        (tmp_path / name).mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "here")
    for name in ("empty", "bare"):
        if name in (options.get("path"), options.get("test_path")):
            monkeypatch.chdir(tmp_path)
    path = "here/pets" if Path("here").is_dir() else "pets"
    with pytest.raises(MlxError) as caught:
        open_image_folder(ImageFolder.model_validate({"path": path, "size": [6, 8], **options}))
    assert str(caught.value).startswith(message)


def test_importing_the_modules_imports_no_pillow() -> None:
    modules = "image_files, image_columns, image_folder, arrays, table_files, row_splits"
    found = "'PIL' in sys.modules, 'polars' in sys.modules"
    code = f"import sys; from mlx_runner.data import {modules}; print({found})"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out == "False False\n"
