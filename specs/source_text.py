"""Turns the bytes of a config file into text that is safe to parse, or says why they are not."""

from __future__ import annotations

import codecs
import re

from .errors import ConfigError, Problem

MAX_BYTES = 1 << 20

# What YAML 1.2 allows in a stream (section 5.1), less the byte order mark, which is cut off first.
_NOT_PRINTABLE = re.compile(
    "[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
)

# Tags are refused anyway, and the parser takes quadratic time over these directives.
_TAG_DIRECTIVE = re.compile("(?:^|[\n\r\x85\u2028\u2029])(%TAG)")

_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF32_LE, "UTF-32"),
    (codecs.BOM_UTF32_BE, "UTF-32"),
    (codecs.BOM_UTF16_LE, "UTF-16"),
    (codecs.BOM_UTF16_BE, "UTF-16"),
)


def source_text(source: str | bytes, *, file: str) -> str:
    """The text of `source`, without a byte order mark.

    Raises ConfigError for more than `MAX_BYTES`, bytes that are not UTF-8, control characters and
    `%TAG` lines.
    """
    if len(source) > MAX_BYTES:
        raise ConfigError(Problem(f"too long for a config: more than {MAX_BYTES >> 20} MiB", file=file))
    text = source if isinstance(source, str) else _decoded(source, file=file)
    text = text.removeprefix("\ufeff")
    if match := _NOT_PRINTABLE.search(text):
        character = f"the character U+{ord(match.group()):04X} is not allowed in YAML"
        raise ConfigError(_problem_at(text, match.start(), character, file=file))
    if match := _TAG_DIRECTIVE.search(text):
        raise ConfigError(
            _problem_at(text, match.start(1), "tags are not allowed: remove this line", file=file)
        )
    return text


def _decoded(source: bytes, *, file: str) -> str:
    for mark, encoding in _BYTE_ORDER_MARKS:
        if source.startswith(mark):
            raise ConfigError(Problem(f"the file is {encoding}; save it as UTF-8", file=file))
    try:
        return source.decode("utf-8")
    except UnicodeDecodeError as error:
        before = source[: error.start].decode("utf-8").removeprefix("\ufeff")
        message = f"the byte 0x{source[error.start]:02X} is not UTF-8; save the file as UTF-8"
        raise ConfigError(_problem_at(before, len(before), message, file=file)) from error


def _problem_at(text: str, offset: int, message: str, *, file: str) -> Problem:
    lines = re.split("\r\n|[\n\r\x85\u2028\u2029]", text[:offset])
    return Problem(message, file=file, line=len(lines), column=len(lines[-1]) + 1)
