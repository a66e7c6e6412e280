"""Every kind of complaint, word for word, against models made for the purpose."""

# ruff: noqa: E501  (messages are compared word for word, each on one line)

from __future__ import annotations

from typing import Annotated, Any, Literal

import pytest
from mlx_runner.specs.base import NAME_PATTERN
from mlx_runner.specs.errors import ConfigError, Problem
from mlx_runner.specs.overrides import merge_overrides
from mlx_runner.specs.validation import validate
from mlx_runner.specs.yaml_reader import parse_yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    StringConstraints,
    Tag,
    model_validator,
)


class Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class Dense(Strict):
    type: Literal["dense"] = "dense"
    units: int = Field(gt=0)
    activation: Literal["relu", "tanh"] = "relu"


class Act(Strict):
    type: Literal["activation"] = "activation"
    activation: Literal["relu", "tanh"]


class Again(Strict):
    shares: str


def tag_of(value: Any) -> str | None:
    if isinstance(value, dict):
        return "shared" if "shares" in value and "type" not in value else value.get("type")
    return "shared"


class Blob(Strict):
    source: Literal["blob"] = "blob"
    rows: int = Field(default=1, ge=1, le=9)


class File(Strict):
    source: Literal["file"] = "file"
    path: str = Field(min_length=1, max_length=5)


def only_odd(value: int) -> int:
    if value % 2 == 0:
        raise ValueError(f"{value} is even; odd numbers only")
    return value


def listed(value: Any) -> Any:
    return (value,) if isinstance(value, str) else tuple(value) if isinstance(value, list) else value


class Inner(Strict):
    x: int


Name = Annotated[str, StringConstraints(pattern=NAME_PATTERN, max_length=8)]


class Config(Strict):
    layers: dict[
        Name,
        Annotated[
            Annotated[Dense, Tag("dense")]
            | Annotated[Act, Tag("activation")]
            | Annotated[Again, Tag("shared")],
            Discriminator(tag_of),
        ],
    ] = Field(default={}, max_length=9)
    data: Annotated[Blob | File, Field(discriminator="source")] | None = None
    rate: float = Field(default=0.5, gt=0.0, lt=1.0)
    flag: bool = False
    mode: Literal["auto", "min", "max"] = "auto"
    logits: Literal["auto"] | bool = "auto"
    clip: Annotated[int, Field(gt=0)] | Literal["none"] | list[int] | None = None
    either: Inner | list[Inner] | None = None
    metrics: dict[str, list[Literal["auroc", "f1"]]] = {}
    initializers: list[Inner] = []
    kernel_initializer: Literal["zeros", "ones"] | None = None
    names: Annotated[tuple[str, ...], BeforeValidator(listed), Field(min_length=2)] = ("a", "b")
    pair: Annotated[tuple[int, int], BeforeValidator(listed)] = (1, 1)
    odd: Annotated[int, AfterValidator(only_odd)] = 1
    word: Annotated[str, StringConstraints(pattern="^x+$")] = "x"
    forbidden: str | None = None

    @model_validator(mode="after")
    def _not_forbidden(self) -> Config:
        if self.forbidden is not None:
            raise ConfigError([Problem("never", ("forbidden",)), Problem("at all", ("nowhere",))])
        return self


LAYER_TYPES = "Types: dense, activation."
FIELDS = ", ".join(Config.model_fields)

MESSAGES = [
    ("rat: 1", f"x:1:1: unknown key 'rat'; did you mean 'rate'? Allowed: {FIELDS}."),
    ("layers: {d: {type: dense, unitz: 3}}", "x:1:10: layers.d: missing key 'units'\n"
     "x:1:27: layers.d: unknown key 'unitz'; did you mean 'units'? Allowed: type, units, activation."),
    # A type and a key of the same name must not be mistaken for each other.
    ("layers: {d: {type: activation, activation: rellu, units: 3}}",
     "x:1:44: layers.d.activation: no activation named 'rellu'; did you mean 'relu'? Activations: relu, tanh.\n"
     "x:1:51: layers.d: unknown key 'units'. Allowed: type, activation."),
    ("layers: {d: {type: dens}}", f"x:1:20: layers.d.type: no layer type named 'dens'; did you mean 'dense'? {LAYER_TYPES}"),
    ("layers: {d: {type: shared}}", "x:1:10: layers.d: missing key 'shares'\nx:1:14: layers.d: unknown key 'type'. Allowed: shares."),
    ("layers: {d: {units: 3}}", f"x:1:10: layers.d: missing key 'type'. {LAYER_TYPES}"),
    ("layers: {d: {type: }}", "x:1:20: layers.d.type: must be text, not nothing"),
    ("layers: {d: {type: [dense]}}", "x:1:14: layers.d.type: must be text, not a list"),
    ("layers: {d: [1]}", "x:1:10: layers.d: must be a mapping, not a list"),
    ("layers: {d: {shares: 3}}", "x:1:22: layers.d.shares: must be text, not the whole number 3"),
    ("layers: {a.b: {shares: d}}", "x:1:10: layers.a.b: a name is made of letters, digits, '_' and '-', and does not begin with '-', unlike 'a.b'"),
    ("layers: {abcdefghi: {shares: d}}", "x:1:10: layers.abcdefghi: must have at most 8 characters, not the text 'abcdefghi'"),
    ("layers: [1]", "x:1:1: layers: must be a mapping, not a list"),
    ("layers: {'[key]': {shares: d}}", "x:1:10: layers.[key]: a name is made of letters, digits, '_' and '-', and does not begin with '-', unlike '[key]'"),
    ("data: {source: blobb}", "x:1:16: data.source: no source named 'blobb'; did you mean 'blob'? Sources: blob, file."),
    ("data: {}", "x:1:1: data: missing key 'source'. Sources: blob, file."),
    ("data: {source: 3}", "x:1:16: data.source: must be text, not the whole number 3"),
    ("data: text", "x:1:7: data: must be a mapping, not the text 'text'"),
    ("data: {source: blob, rows: 0}", "x:1:28: data.rows: must be at least 1, not 0"),
    ("data: {source: blob, rows: 10}", "x:1:28: data.rows: must be at most 9, not 10"),
    ("data: {source: file, path: ''}", "x:1:28: data.path: must not be empty"),
    ("data: {source: file}", "x:1:1: data: missing key 'path'"),
    ("rate: -1", "x:1:7: rate: must be greater than 0, not -1"),
    ("rate: 1.0", "x:1:7: rate: must be less than 1, not 1"),
    ("rate: abc", "x:1:7: rate: must be a number, not the text 'abc'"),
    ("rate: true", "x:1:7: rate: must be a number, not true"),
    ("rate: .nan", "x:1:7: rate: must be a finite number, not .nan"),
    ("rate: 1e999", "x:1:7: rate: must be a finite number, not .inf"),
    ("rate:", "x:1:6: rate: must be a number, not nothing"),
    ("flag: no", "x:1:7: flag: must be true or false, not the text 'no'"),
    ("flag: 1", "x:1:7: flag: must be true or false, not the whole number 1"),
    ("odd: 1.5", "x:1:6: odd: must be a whole number, not the number 1.5"),
    ("odd: 2", "x:1:6: odd: 2 is even; odd numbers only"),
    ("odd: '1'", "x:1:6: odd: must be a whole number, not the text '1'"),
    ("mode: mim", "x:1:7: mode: must be one of auto, min, max, not 'mim'; did you mean 'min'?"),
    ("mode: 5", "x:1:7: mode: must be one of auto, min, max, not the whole number 5"),
    ("kernel_initializer: zeroes", "x:1:21: kernel_initializer: no initializer named 'zeroes'; did you mean 'zeros'? Initializers: zeros, ones."),
    ("metrics: {out: [aurocc, f1]}", "x:1:17: metrics.out.0: no metric named 'aurocc'; did you mean 'auroc'? Metrics: auroc, f1."),
    ("metrics: {out: f1}", "x:1:16: metrics.out: must be a list, not the text 'f1'"),
    ("logits: atuo", "x:1:9: logits: must be 'auto', true or false, not 'atuo'; did you mean 'auto'?"),
    ("logits: 3", "x:1:9: logits: must be 'auto', true or false, not the whole number 3"),
    ("clip: -1", "x:1:7: clip: must be greater than 0, not -1"),
    ("clip: [1, a]", "x:1:11: clip.1: must be a whole number, not the text 'a'"),
    ("clip: {}", "x:1:7: clip: must be a whole number, 'none' or a list, not a mapping"),
    ("either: [{x: a}]", "x:1:14: either.0.x: must be a whole number, not the text 'a'"),
    ("either: {y: 1}", "x:1:1: either: missing key 'x'\nx:1:10: either: unknown key 'y'. Allowed: x."),
    ("either: 1", "x:1:9: either: must be a mapping or a list, not the whole number 1"),
    ("initializers: [{x: 1}, {}]", "x:1:24: initializers.1: missing key 'x'"),
    ("names: a", "x:1:8: names: must have at least 2 items, not 1"),
    ("names: [a, 1]", "x:1:12: names.1: must be text, not the whole number 1"),
    ("names: 5", "x:1:8: names: must be a list, not the whole number 5"),
    ("pair: [1]", "x:1:1: pair: too few items: item 1 is missing"),
    ("pair: [1, 2, 3]", "x:1:1: pair: must have at most 2 items, not 3"),
    ("pair: 5.5", "x:1:7: pair: must be a list, not the number 5.5"),
    ("word: y", "x:1:7: word: must match ^x+$, not the text 'y'"),
    (f"word: {'y' * 80}", f"x:1:7: word: must match ^x+$, not the text '{'y' * 57}...'"),
    ('word: "\\e[31m"', "x:1:7: word: must match ^x+$, not the text '\\x1b[31m'"),
    ("forbidden: x", "x:1:1: nowhere: at all\nx:1:12: forbidden: never"),
    # What the text itself has wrong comes along, and explains away what follows from it alone.
    ("rate: 2\nrate: 3\nodd: 2", "x:1:7: rate: must be less than 1, not 2\n"
     "x:2:1: duplicate key 'rate'; it is first given at line 1, column 1\nx:3:6: odd: 2 is even; odd numbers only"),
    ("layers:\n  d: {<<: {units: 3}, type: dense, q: 1}", "x:2:7: layers.d: merge keys ('<<') are not allowed; write the keys out\n"
     "x:2:36: layers.d: unknown key 'q'. Allowed: type, units, activation."),
    ("odd: *a", "x:1:6: odd: the alias '*a' has no anchor '&a' above it; put text that begins with '*' in quotes"),
    (f"rate: {'9' * 400}", "x:1:7: rate: a whole number of 400 characters is too long; at most 300"),
    ("mode: mim\nrate: 7\nflag: 2", "x:1:7: mode: must be one of auto, min, max, not 'mim'; did you mean 'min'?\n"
     "x:2:7: rate: must be less than 1, not 7\nx:3:7: flag: must be true or false, not the whole number 2"),
]  # fmt: skip


def complaints(text: str, *overrides: str) -> str:
    with pytest.raises(ConfigError) as caught:
        validate(Config, merge_overrides(parse_yaml(text, file="x"), overrides))
    return str(caught.value)


@pytest.mark.parametrize(("text", "message"), MESSAGES)
def test_messages(text: str, message: str) -> None:
    assert complaints(text) == message


def test_a_valid_document_gives_the_model() -> None:
    config = validate(Config, parse_yaml("rate: 1e-3\nlayers: {d: {type: dense, units: 010}}", file="x"))
    assert config.rate == 0.001
    assert config.layers["d"] == Dense(units=10)


def test_a_flaw_in_the_text_alone_is_enough() -> None:
    assert complaints("odd: 1\nodd: 1") == "x:2:1: duplicate key 'odd'; it is first given at line 1, column 1"


def test_overrides_are_named_as_such() -> None:
    assert complaints("odd: 2", "rate=abc", "flagg=true", "q", "layers.d.units=3").splitlines() == [
        "x:1:6: odd: 2 is even; odd numbers only",
        "command line: 'q' is not an override; write key.path=value, such as training.epochs=5",
        f"command line: layers.d: missing key 'type'. {LAYER_TYPES}",
        "command line: rate: must be a number, not the text 'abc'",
        f"command line: unknown key 'flagg'; did you mean 'flag'? Allowed: {FIELDS}.",
    ]


def test_problems_are_capped() -> None:
    lines = complaints("layers: {" + "".join(f"d{i}: 1, " for i in range(150)) + "}").splitlines()
    assert len(lines) <= 101
    many = complaints("names: [" + "1, " * 150 + "]").splitlines()
    assert len(many) == 101
    assert many[-1] == "and 50 more problems"
