"""NumPy arrays as a source: what each kind becomes, and the exact message for what it may not hold."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mlx_runner.data.array_files import list_arrays
from mlx_runner.data.arrays import open_arrays
from mlx_runner.data.missing import mask_missing
from mlx_runner.data.table import Field, Splits
from mlx_runner.specs.errors import ConfigError, DataError, MachineError, MlxError
from mlx_runner.specs.files import Arrays

STREAM = np.random.RandomState(0)
N = 40
ARRAYS: dict[str, Any] = {
    "image": STREAM.randint(0, 256, (N, 1, 4, 5)).astype(np.uint8),
    "speed": STREAM.standard_normal(N),
    "words": STREAM.randint(0, 30, (N, 7)).astype(np.uint16),
    "kind": (np.arange(N) % 3).astype(">i2"),
    "tags": np.where(STREAM.rand(N, 2) < 0.2, np.nan, STREAM.rand(N, 2) < 0.5),
    "price": np.where(STREAM.rand(N) < 0.2, np.nan, STREAM.standard_normal(N)).astype(np.float32),
    "trust": STREAM.rand(N),
    "who": np.array([f"person {row // 4}" for row in range(N)]),
    "part": np.array([b"train"] * 30 + [b"dev"] * 4 + [b"test"] * 6),
}
INPUTS = {
    "image": {"kind": "image"},
    "speed": {"kind": "numbers"},
    "text": {"kind": "tokens", "array": "words"},
}
TARGETS = {
    "kind": {"kind": "classes", "labels": ["a", "b", "c"]},
    "tags": {"kind": "binary", "labels": ["new", "old"]},
    "price": {"kind": "values"},
}


def config(path: Path | str, **options: object) -> Arrays:
    some = {"path": str(path), "inputs": INPUTS, "targets": TARGETS, "sample_weights": {"trust": "trust"}}
    return Arrays.model_validate({**some, **options})


def save(path: Path, **changed: Any) -> Path:
    """The arrays, some of them changed, as a folder or a file."""
    arrays = {**ARRAYS, **changed}
    if path.suffix == ".npz":
        np.savez(path, **arrays)
    else:
        path.mkdir(exist_ok=True)
        for name, values in arrays.items():
            np.save(path / f"{name}.npy", values)
    return path


@pytest.fixture(params=["x.npz", "folder"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return save(tmp_path / request.param)


def test_the_fields_are_those_of_the_arrays(path: Path) -> None:
    schema = open_arrays(config(path)).schema
    assert schema.inputs == {
        "image": Field((1, 4, 5), "image"),
        "speed": Field((1,), "numbers"),
        "text": Field((7,), "tokens", size=int(ARRAYS["words"].max()) + 1),
    }
    assert schema.targets == {
        "kind": Field((), "classes", size=3, labels=("a", "b", "c")),
        "tags": Field((2,), "binary", labels=("new", "old")),
        "price": Field((1,), "values"),
    }
    assert schema.weights == {"trust"}


def test_the_rows_are_those_of_the_arrays(path: Path) -> None:
    splits = open_arrays(config(path, split={"type": "last"}, validation_split=0.25, test_split=0.1)).build()
    assert [len(each) for each in (splits.train, splits.validation, splits.test) if each] == [26, 10, 4]
    for table, rows in (
        (splits.train, slice(0, 26)),
        (splits.validation, slice(26, 36)),
        (splits.test, slice(36, N)),
    ):
        assert table is not None
        assert table.inputs["image"].dtype == torch.uint8
        np.testing.assert_array_equal(table.inputs["image"], ARRAYS["image"][rows])
        np.testing.assert_array_equal(table.inputs["speed"], ARRAYS["speed"][rows, None].astype(np.float32))
        assert table.inputs["text"].dtype == table.targets["kind"].dtype == torch.int64
        np.testing.assert_array_equal(table.inputs["text"], ARRAYS["words"][rows])
        np.testing.assert_array_equal(table.targets["kind"], ARRAYS["kind"][rows])
        np.testing.assert_array_equal(table.targets["tags"], ARRAYS["tags"][rows].astype(np.float32))
        np.testing.assert_array_equal(table.targets["price"], ARRAYS["price"][rows, None])
        np.testing.assert_array_equal(table.weights["trust"], ARRAYS["trust"][rows].astype(np.float32))
        batch = table.batch(0, 4, torch.float32)
        np.testing.assert_allclose(batch.inputs["image"], ARRAYS["image"][rows][:4] / 255.0, rtol=1e-6)
        observed = mask_missing(table).masks.get("tags", torch.ones(len(table), 2, dtype=torch.bool))
        np.testing.assert_array_equal(observed, ~np.isnan(ARRAYS["tags"][rows]))


def test_a_folder_and_a_file_are_the_same_data(tmp_path: Path) -> None:
    one, other = (open_arrays(config(save(tmp_path / name))).build() for name in ("x.npz", "folder"))
    assert one.fingerprint == other.fingerprint
    assert open_arrays(config(tmp_path / "x.npz")).build().fingerprint == one.fingerprint
    assert open_arrays(config(tmp_path / "x.npz", seed=1)).build().fingerprint != one.fingerprint


def test_arrays_of_a_folder_are_mapped_not_read(tmp_path: Path) -> None:
    values = list_arrays(str(save(tmp_path / "folder"))).stored("image").read()
    assert isinstance(values, np.memmap)
    assert not values.flags.writeable


def test_other_files_are_the_other_splits(tmp_path: Path) -> None:
    train = save(tmp_path / "train.npz")
    other = save(tmp_path / "test.npz", **{name: values[:9] for name, values in ARRAYS.items()})
    splits = open_arrays(config(train, test_path=str(other))).build()
    assert (len(splits.train), len(splits.validation or ())) == (36, 4)
    assert splits.test is not None
    np.testing.assert_array_equal(splits.test.inputs["image"], ARRAYS["image"][:9])
    more = np.where(np.arange(9) == 5, 7, ARRAYS["kind"][:9])
    save(other, **{**{name: values[:9] for name, values in ARRAYS.items()}, "kind": more})
    unnamed = {**TARGETS, "kind": {"kind": "classes"}}
    assert open_arrays(config(train, test_path=str(other), targets=unnamed)).schema.targets["kind"].size == 8
    with pytest.raises(DataError) as caught:
        open_arrays(config(train, test_path=str(other))).build()
    assert str(caught.value) == (
        f"{other}: data.targets.kind.array: array 'kind' holds 7 in row 5 (from 0); classes go from 0 to 2"
    )
    with pytest.raises(DataError) as caught:
        open_arrays(config(train, test_path=str(train))).build()
    assert str(caught.value) == f"data.test_path: '{train}' is read for data.path too; keep the two apart."


def sides(splits: Splits) -> list[np.ndarray]:
    """The first pixels of each split's images, which tell the rows apart."""
    tables = (splits.train, splits.validation, splits.test)
    return [table.inputs["image"].numpy().reshape(len(table), -1) for table in tables if table is not None]


def test_arrays_say_groups_and_splits(path: Path) -> None:
    splits = open_arrays(config(path, split={"type": "group", "column": "who"}, test_split=0.2)).build()
    places = {row.tobytes(): index for index, row in enumerate(ARRAYS["image"].reshape(N, -1))}
    groups = [{places[row.tobytes()] // 4 for row in side} for side in sides(splits)]
    assert [len(side) for side in sides(splits)] == [28, 4, 8]
    assert sum(map(len, groups)) == 10, "no person is on two sides"
    by_part = {"type": "column", "column": "part", "validation": "dev", "test": "test"}
    splits = open_arrays(config(path, split=by_part)).build()
    assert [len(side) for side in sides(splits)] == [30, 4, 6]
    spec = config(path, split={"type": "stratified", "target": "kind"}, test_split=0.3, validation_split=0.0)
    splits = open_arrays(spec).build()
    assert splits.test is not None
    assert torch.bincount(splits.test.targets["kind"]).tolist() == [4, 4, 4]
    assert splits.validation is None
    with pytest.raises(ConfigError) as caught:
        open_arrays(config(path, split={"type": "stratified"})).build()
    assert str(caught.value) == "data.split.target: name the target to stratify by. Targets: kind, tags."
    with pytest.raises(DataError) as caught:
        open_arrays(config(path, split={"type": "group", "column": "speed"})).build()
    assert caught.value.problems[0].message == (
        "array 'speed' is of type float64 and shape (40,); rows are split by one text or whole number each"
    )


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (
            {"imag": {"kind": "image"}},
            "data.inputs.imag.array: no array named 'imag'; did you mean 'image'? Arrays: image, speed, "
            "words, kind, tags, price, trust, who, part.",
        ),
        (
            {"kind": {"kind": "classes"}},
            "data.inputs.kind.kind: classes is no kind of input; one like it is of kind tokens.",
        ),
        (
            {"speed": {"kind": "numbers", "size": 3}},
            "data.inputs.speed.size: has no meaning for kind numbers; leave it out.",
        ),
        (
            {"image": {"kind": "image", "labels": ["a"]}},
            "data.inputs.image.labels: has no meaning for kind image; leave it out.",
        ),
        (
            {"words": {"kind": "numbers", "labels": ["a", "b"]}},
            "data.inputs.words.labels: names 2 labels for a last axis of 7 of array 'words'.",
        ),
        (
            {"who": {"kind": "tokens"}},
            "data.inputs.who.array: array 'who' is of type <U8; kind tokens needs whole numbers",
        ),
        (
            {"words": {"kind": "image"}},
            "data.inputs.words.array: array 'words' is of type uint16; kind image needs bytes (uint8)",
        ),
    ],
)
def test_what_a_config_cannot_mean_is_located(
    tmp_path: Path, inputs: dict[str, object], message: str
) -> None:
    path = save(tmp_path / "x.npz")
    with pytest.raises(MlxError) as caught:
        open_arrays(config(path, inputs=inputs))
    assert str(caught.value).removeprefix(f"{path}: ") == message


@pytest.mark.filterwarnings("ignore:Stored array in format 3.0")
@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (
            {"speed": np.ones(39)},
            "data.inputs.speed.array: array 'speed' has 39 rows, but 'image' has 40 rows",
        ),
        (
            {"speed": np.float64(1.0)},
            "data.inputs.speed.array: array 'speed' has no axes, but 'image' has 40 rows",
        ),
        (
            {"image": np.zeros((N, 4, 5), np.uint8)},
            "data.inputs.image.array: array 'image' has rows of shape (4, 5); an image is (channels, height, "
            "width): use array[:, None] to add an axis",
        ),
        (
            {"image": np.zeros((N, 8, 8, 3), np.uint8)},
            "data.inputs.image.array: array 'image' has rows of shape (8, 8, 3), as if channels came last; "
            "put them first by array.transpose(0, 3, 1, 2)",
        ),
        (
            {"image": np.zeros((N, 1, 0, 3), np.uint8)},
            "data.inputs.image.array: array 'image' has no values: its shape is (40, 1, 0, 3)",
        ),
        (
            {"speed": np.where(np.arange(N) == 7, np.nan, 1.0)},
            "data.inputs.speed.array: array 'speed' holds nan in row 7 (from 0); an input is a finite 32-bit "
            "number",
        ),
        (
            {"speed": np.where(np.arange(N) == 7, 1e39, 1.0)},
            "data.inputs.speed.array: array 'speed' holds 1e+39 in row 7 (from 0); an input is a finite "
            "32-bit number",
        ),
        (
            {"price": np.where(np.arange(N) == 7, -np.inf, np.nan)},
            "data.targets.price.array: array 'price' holds -inf in row 7 (from 0); a value is a finite "
            "32-bit number, or NaN where missing",
        ),
        (
            {"tags": np.full((N, 2), 0.5)},
            "data.targets.tags.array: array 'tags' holds 0.5 in row 0 (from 0); a label is 0 or 1, or NaN "
            "where missing",
        ),
        (
            {"kind": np.arange(N) % 3 - 1},
            "data.targets.kind.array: array 'kind' holds -1 in row 0 (from 0); classes go from 0 to 2",
        ),
        (
            {"kind": np.ones(N)},
            "data.targets.kind.array: array 'kind' is of type float64; kind classes needs whole numbers",
        ),
        (
            {"trust": np.arange(N) - 3.0},
            "data.sample_weights.trust: array 'trust' holds -3.0 in row 0 (from 0); sample weights are "
            "finite numbers from 0 on",
        ),
        (
            {"trust": np.ones((N, 2))},
            "data.sample_weights.trust: array 'trust' is of type float64 and shape (40, 2); sample weights "
            "are one number per row",
        ),
        (
            {"speed": np.array([None] * N)},
            "array 'speed' holds Python objects; save it as numbers or text: loading objects could run any "
            "program",
        ),
        (
            {"speed": np.zeros(N, dtype=[("λ", "f4")])},
            "array 'speed' has named fields; save each as an array",
        ),
        (
            {"speed": np.zeros(N, dtype=[("a", "f4")])},
            "data.inputs.speed.array: array 'speed' is of type [('a', '<f4')]; kind numbers needs numbers",
        ),
    ],
)
def test_values_that_are_not_of_their_kind_are_located(
    tmp_path: Path, changed: dict[str, Any], message: str
) -> None:
    path = save(tmp_path / "x.npz", **changed)
    with pytest.raises(DataError) as caught:
        open_arrays(config(path)).build()
    assert str(caught.value).removeprefix(f"{path}: ") == message


def test_empty_arrays_have_no_rows(tmp_path: Path) -> None:
    path = save(tmp_path / "x", **{name: values[:0] for name, values in ARRAYS.items()})
    with pytest.raises(DataError) as caught:
        open_arrays(config(path))
    assert caught.value.problems[0].message == "array 'image' has no rows"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("x.npz", b"", "{path}: is not a NumPy file, or is damaged: File is not a zip file"),
        ("absent.npz", None, "data.path: no such file: '{path}'"),
        (
            "x.npy",
            b"any",
            "data.path: '{path}' is one array; name the folder that it is in, or save the arrays ",
        ),
        ("folder", None, "data.path: the folder '{path}' holds no .npy file"),
    ],
)
def test_what_holds_no_arrays_is_an_error(
    tmp_path: Path, name: str, content: bytes | None, message: str
) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    elif name == "folder":
        path.mkdir()
    with pytest.raises(DataError) as caught:
        open_arrays(config(path))
    assert str(caught.value).startswith(message.format(path=path))


def test_an_archive_without_arrays_is_an_error(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
        archive.writestr("a.txt", "b")
    with pytest.raises(DataError) as caught:
        open_arrays(config(tmp_path / "x.npz"))
    assert str(caught.value) == f"{tmp_path / 'x.npz'}: holds no arrays"


def test_a_header_that_promises_other_data_is_damage(tmp_path: Path) -> None:
    path = save(tmp_path / "x")
    content = (path / "speed.npy").read_bytes()
    (path / "speed.npy").write_bytes(content[:-8])
    with pytest.raises(DataError) as caught:
        open_arrays(config(path))
    assert str(caught.value) == (
        f"{path / 'speed.npy'}: array 'speed' is damaged: 312 bytes of data, where its shape takes 320"
    )


def test_an_archive_that_unpacks_to_more_than_memory_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thousand zeros take one byte of it."""
    np.savez_compressed(tmp_path / "x.npz", **{**ARRAYS, "image": np.zeros((N, 1, 300, 300), np.uint8)})
    monkeypatch.setattr("mlx_runner.data.available_memory.available_bytes", lambda: 3_000_000)
    with pytest.raises(MachineError) as caught:
        open_arrays(config(tmp_path / "x.npz")).build()
    assert str(caught.value) == (
        f"data.path: array 'image' of '{tmp_path / 'x.npz'}' takes 0.0 GB, more than the 0.0 GB of memory "
        "there are; give fewer rows, or a folder of .npy."
    )


@pytest.mark.filterwarnings("ignore:Reading `.npy`")
@pytest.mark.parametrize("name", ["x.npz", "x.npy"])
def test_any_damaged_byte_is_an_error_of_the_data(tmp_path: Path, name: str) -> None:
    stream = io.BytesIO()
    if name == "x.npz":
        np.savez_compressed(stream, x=np.arange(30.0))
    else:
        np.save(stream, np.arange(30.0))
    content = stream.getvalue()
    for place in range(min(len(content), 200)):
        for value in (0x00, 0x28, content[place] ^ 0x41):
            (tmp_path / name).write_bytes(content[:place] + bytes([value]) + content[place + 1 :])
            try:
                files = list_arrays(str(tmp_path / name if name == "x.npz" else tmp_path))
                for each in files.members:
                    files.stored(each).read()
            except DataError:
                continue
