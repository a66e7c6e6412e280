"""The choice of encoder, documents kept and read back, and damage of every kind refused."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mlx_runner.data.available_memory import available_bytes, check_memory
from mlx_runner.data.encoder import Encoder
from mlx_runner.data.fit import fit_encoder, load_encoder, load_target
from mlx_runner.data.frame import Frame
from mlx_runner.data.table import Field
from mlx_runner.specs.columns import (
    Binary,
    Categorical,
    CategoricalTarget,
    Datetime,
    ImageFile,
    Multilabel,
    Numeric,
    Regression,
    Text,
)
from mlx_runner.specs.errors import DataError, MachineError
from sklearn.preprocessing import StandardScaler

EMOTIONS = Path("../shared/data/emotions/train.csv")

ROWS = Frame.of_file(
    pl.DataFrame(
        {
            "age": ["31", None, "7", "12.5"],
            "income": [1.5e5, 2e4, None, 3e4],
            "colour": ["red", "blue", "red", "green"],
            "text": ["a b", "b c c", None, "d"],
            "at": ["2024-01-01", "2024-02-03T04:05", None, "2023-12-31"],
            "churned": ["yes", "no", None, "yes"],
            "tags": ["a;b", None, "b", "a"],
            "flag": [True, False, None, True],
        }
    ),
    "people.csv",
)

INPUTS = {
    "numeric": (Numeric(columns=["age", "income"], log1p=True), ["age", "income"]),
    "strict": (Numeric(columns="income", missing="zero", scale="minmax", indicator=False), ["income"]),
    "one_hot": (Categorical(column="colour"), ["colour"]),
    "index": (Categorical(column="colour", encoding="index", unknown="own"), ["colour"]),
    "sequence": (Text(column="text", length=4), ["text"]),
    "pieces": (Text(column="text", tokenizer="bpe", encoding="counts"), ["text"]),
    "tfidf": (Text(column="text", encoding="tfidf"), ["text"]),
    "datetime": (Datetime(column="at"), ["at"]),
    "binary": (Binary(column="churned"), ["churned"]),
}

TARGETS = {
    "binary": (Binary(column="churned", positive="yes", negative="no"), ["churned"]),
    "classes": (CategoricalTarget(column="colour"), ["colour"]),
    "columns": (Multilabel(columns=["churned", "flag"]), ["churned", "flag"]),
    "separated": (Multilabel(column="tags"), ["tags"]),
    "regression": (Regression(columns=["age", "income"], log1p=True), ["age", "income"]),
}


def fitted() -> dict[str, Encoder]:
    inputs = {
        f"inputs {name}": fit_encoder(spec, ROWS, name=name, role="inputs", columns=columns)
        for name, (spec, columns) in INPUTS.items()
    }
    targets = {
        f"targets {name}": fit_encoder(spec, ROWS, name=name, role="targets", columns=columns)
        for name, (spec, columns) in TARGETS.items()
    }
    return {**inputs, **targets}


ENCODERS = fitted()


def document_of(name: str) -> dict:
    return json.loads(json.dumps(ENCODERS[name].document(), allow_nan=False))


@pytest.mark.parametrize("name", ENCODERS)
def test_a_document_is_plain_json_that_encodes_the_same(name: str) -> None:
    encoder, kept = ENCODERS[name], load_encoder(document_of(name))
    one, other = encoder.encode(ROWS), kept.encode(ROWS)
    assert one.values.dtype == other.values.dtype
    assert torch.equal(one.values, other.values)
    assert (one.observed is None) == (other.observed is None)
    if one.observed is not None and other.observed is not None:
        assert torch.equal(one.observed, other.observed)
        assert one.observed.shape == one.values.shape
    assert kept.document() == encoder.document()
    assert kept.field == encoder.field
    assert kept.columns == encoder.columns
    assert kept.notes == ()


@pytest.mark.parametrize("name", ENCODERS)
def test_what_is_encoded_is_what_the_field_says(name: str) -> None:
    encoder = ENCODERS[name]
    values, field = encoder.encode(ROWS).values, encoder.field
    assert tuple(values.shape) == (len(ROWS), *field.shape)
    assert values.dtype == (torch.int64 if field.kind in ("tokens", "classes") else torch.float32)
    assert bool(values.isfinite().all())
    if field.size is not None:
        assert 0 <= int(values.min()) <= int(values.max()) < field.size
    if field.labels:
        assert len(field.labels) == (field.size or field.shape[-1])
        assert len(set(field.labels)) == len(field.labels)
    none = encoder.encode(ROWS.take(np.array([], dtype=np.int64)))
    assert tuple(none.values.shape) == (0, *field.shape)


@pytest.mark.parametrize("name", [name for name in ENCODERS if name.startswith("targets")])
def test_predictions_go_by_label(name: str) -> None:
    target = load_target(document_of(name))
    width = target.field.size or target.field.shape[-1]
    values = torch.rand(2, 5, width)
    decoded = target.decode(values)
    assert tuple(decoded) == target.field.labels
    assert all(each.shape == (2, 5) for each in decoded.values())


def test_an_input_is_no_target() -> None:
    with pytest.raises(DataError) as caught:
        load_target(document_of("inputs numeric"))
    assert str(caught.value) == (
        "what was kept of 'numeric' to encode columns by is damaged: it is an input's, not a target's."
    )


def test_no_training_row_is_an_error() -> None:
    none = ROWS.take(np.array([], dtype=np.int64))
    for role, specs in (("inputs", INPUTS), ("targets", TARGETS)):
        for name, (spec, columns) in specs.items():
            with pytest.raises(DataError) as caught:
                fit_encoder(spec, none, name=name, role=role, columns=columns)
            assert str(caught.value) == f"data.{role}.{name}: there is no training row to learn from."


@pytest.mark.parametrize("name", ENCODERS)
def test_a_column_that_is_gone_is_an_error(name: str) -> None:
    bare = Frame.of_file(pl.DataFrame({"other": [1]}), "people.csv")
    with pytest.raises(DataError, match=r"no column named '\w+'\. Columns: other\."):
        ENCODERS[name].encode(bare)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"type": "pickle"},
            "no type named 'pickle'. Types: numeric, categorical, text, datetime, binary, image.",
        ),
        ({"type": None}, "no type named 'None'. Types: numeric, categorical, text, datetime, binary, image."),
        ({"role": "code"}, "role is neither inputs nor targets."),
        ({"role": ["inputs"]}, "role is neither inputs nor targets."),
        ({"format": 2}, "format: Input should be 1."),
        ({"fitted": []}, "fitted: Value should have at least 1 item after validation, not 0."),
        ({"fitted": [{}]}, "fitted.0.column: Field required."),
        ({"extra": 1}, "extra: Extra inputs are not permitted."),
        ({"fitted": float("nan")}, "it holds what JSON cannot."),
        ({"fitted": {1, 2}}, "it holds what JSON cannot."),
    ],
)
def test_a_damaged_document_is_an_error(change: dict, message: str) -> None:
    with pytest.raises(DataError) as caught:
        load_encoder({**document_of("inputs numeric"), **change})
    assert str(caught.value) == f"what was kept of 'numeric' to encode columns by is damaged: {message}"


def places(part: object, path: tuple = ()) -> list[tuple]:
    """Every place in a document."""
    items = part.items() if isinstance(part, dict) else enumerate(part) if isinstance(part, list) else ()
    return [path, *(place for step, inner in items for place in places(inner, (*path, step)))]


JUNK = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=3),
    st.just([]),
    st.just({}),
    st.lists(st.integers(), max_size=2),
    st.just("\ud800"),
)


@settings(deadline=None, max_examples=300)
@given(st.data())
def test_no_damage_ends_in_a_traceback(data: st.DataObject) -> None:
    document = document_of(data.draw(st.sampled_from(sorted(ENCODERS))))
    place = data.draw(st.sampled_from([place for place in places(document) if place]))
    part = copy.deepcopy(document)
    inner = part
    for step in place[:-1]:
        inner = inner[step]
    if data.draw(st.booleans()) and isinstance(inner, dict):
        del inner[place[-1]]
    else:
        inner[place[-1]] = data.draw(JUNK)
    try:
        encoder = load_encoder(part)
        assert bool(encoder.encode(ROWS).values.isfinite().all()), "what is read is of use"
    except DataError:
        pass


def test_a_column_of_images_is_kept_too() -> None:
    spec = ImageFile(column="text", root="pictures", size=(8, 9))
    encoder = fit_encoder(spec, ROWS, name="x", role="inputs", columns=["text"])
    kept = load_encoder(json.loads(json.dumps(encoder.document(), allow_nan=False)))
    assert kept.document() == encoder.document()
    assert kept.field == Field(shape=(3, 8, 9), kind="image")


def test_memory_is_asked_for_before_it_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (available_bytes() or 1) > 0
    monkeypatch.setattr("mlx_runner.data.available_memory.available_bytes", lambda: 2_000_000_000)
    check_memory(2_000_000_000, "it", path=("data",), fix="lower it")
    with pytest.raises(MachineError) as caught:
        check_memory(3_500_000_000, "it", path=("data",), fix="lower it")
    assert str(caught.value) == "data: it takes 3.5 GB, more than the 2.0 GB of memory there are; lower it."
    monkeypatch.setattr("mlx_runner.data.available_memory.available_bytes", lambda: None)
    check_memory(10**30, "it", path=("data",), fix="lower it")


def test_importing_encoders_imports_neither_polars_nor_tokenizers() -> None:
    script = "import sys, mlx_runner.data.fit; print({'polars', 'tokenizers'} & set(sys.modules))"
    finished = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert finished.stdout == "set()\n"


@pytest.mark.skipif(not EMOTIONS.exists(), reason="needs the music data")
def test_the_music_data_as_scikit_learn_scales_them() -> None:
    written = pl.read_csv(EMOTIONS, infer_schema=False)
    typed = pl.read_csv(EMOTIONS)
    features, labels = typed.columns[:-6], typed.columns[-6:]
    rows = Frame.of_file(written, EMOTIONS.name)
    spec = Numeric(columns=features)
    encoder = fit_encoder(spec, rows, name="music", role="inputs", columns=features)
    expected = StandardScaler().fit_transform(typed[features].to_numpy())
    np.testing.assert_allclose(encoder.encode(rows).values.numpy(), expected, rtol=2e-6, atol=2e-6)
    assert encoder.field.shape == (72,)
    target = fit_encoder(Multilabel(columns=labels), rows, name="moods", role="targets", columns=labels)
    np.testing.assert_array_equal(target.encode(rows).values.numpy(), typed[labels].to_numpy())
