"""Bytes that are not a YAML text are refused at the place where that shows."""

from __future__ import annotations

import pytest
from mlx_runner.specs.errors import ConfigError
from mlx_runner.specs.source_text import MAX_BYTES, source_text

REFUSED = [
    (b"a: \xff", "x.yaml:1:4: the byte 0xFF is not UTF-8; save the file as UTF-8"),
    ("name: é\nb: ü".encode("latin-1"), "x.yaml:1:7: the byte 0xE9 is not UTF-8; save the file as UTF-8"),
    ("é: 1\nb: ".encode() + b"\x80", "x.yaml:2:4: the byte 0x80 is not UTF-8; save the file as UTF-8"),
    ("a: 1".encode("utf-16"), "x.yaml: the file is UTF-16; save it as UTF-8"),
    (b"\xfe\xff" + "a: 1".encode("utf-16-be"), "x.yaml: the file is UTF-16; save it as UTF-8"),
    ("a: 1".encode("utf-32"), "x.yaml: the file is UTF-32; save it as UTF-8"),
    ("a: 1".encode("utf-16-le"), "x.yaml:1:2: the character U+0000 is not allowed in YAML"),
    (b"a: 1\nb: \x1b[31m", "x.yaml:2:4: the character U+001B is not allowed in YAML"),
    ("a: \ufeff", "x.yaml:1:4: the character U+FEFF is not allowed in YAML"),
    ("a: \ud800", "x.yaml:1:4: the character U+D800 is not allowed in YAML"),
    ("%TAG ! tag:x,2000:\n---\na: 1", "x.yaml:1:1: tags are not allowed: remove this line"),
    (b"#" * (MAX_BYTES + 1), "x.yaml: too long for a config: more than 1 MiB"),
]


@pytest.mark.parametrize(("source", "message"), REFUSED)
def test_refused(source: str | bytes, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        source_text(source, file="x.yaml")
    assert str(caught.value) == message


def test_a_byte_order_mark_is_cut_off() -> None:
    assert source_text(b"\xef\xbb\xbfa: 1", file="x") == "a: 1"
    assert source_text("\ufeffa: 1", file="x") == "a: 1"


def test_what_yaml_allows_is_untouched() -> None:
    text = "a: 'é\u2028\U0001f600\ttab'\r\n" + "#" * (MAX_BYTES - 40)
    assert source_text(text, file="x") == text
    assert source_text("%TAGGED: 1".replace("%", "'%") + "'", file="x") == "'%TAGGED: 1'"
