"""Turns what the YAML parser says of a broken text into one plain, located sentence."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import yaml

from .errors import Problem, quoted

_ESCAPE = "unknown escape in double-quoted text; put text with backslashes in single quotes"
_INDENT = "check the indentation, and that each line reads"

# Pairs of (a fragment of what the parser says, what it means to the writer); the first that fits.
# The C parser and the Python one word most of these differently. {start} is where the construct
# that went wrong begins, {character} what stands where it went wrong.
_SENTENCES = (
    (
        "mapping values are not allowed",
        "a ':' is not expected here; check the indentation, or put text with ': ' in quotes",
    ),
    (
        "sequence entries are not allowed",
        "a '-' is not expected here; begin a list on a line of its own, or put the '-' in quotes",
    ),
    ("flow sequence", "the list that opens at {start} lacks a ',' or its closing ']'"),
    ("flow mapping", "the mapping that opens at {start} lacks a ',' or its closing '}}'"),
    ("escape", _ESCAPE),
    ("hexdecimal", _ESCAPE),
    ("quoted scalar", "the quoted text that opens at {start} is not closed"),
    ("cannot start any token", "text cannot begin with {character}; put it in quotes"),
    ("a simple key", f"a key without its ':'; {_INDENT} 'key: value'"),
    ("node content", "a value is expected before {character}"),
    ("scanning an alias", "text cannot begin with '*'; put it in quotes"),
    ("scanning an anchor", "text cannot begin with '&'; put it in quotes"),
    (" tag", "tags are not allowed; put text that begins with '!' in quotes"),
    ("block scalar", "'|' and '>' begin a block of text; write it on the lines below, indented with spaces"),
    (
        "block mapping",
        f"the mapping that begins at {{start}} goes wrong here; {_INDENT} 'key: value'",
    ),
    (
        "block collection",
        f"the list that begins at {{start}} goes wrong here; {_INDENT} '- value'",
    ),
    ("incompatible YAML", "this version of YAML is not known; remove the line"),
    ("document start", "nothing may stand here: the document has ended, or a line begins with '%'"),
    ("directive", "lines that begin with '%' are not allowed; remove the line"),
)


@runtime_checkable
class _Mark(Protocol):
    """A point in the text, from 0: the C parser's marks share no class with `yaml.Mark`."""

    index: int
    line: int
    column: int


def syntax_problem(error: yaml.YAMLError, *, text: str, file: str) -> Problem:
    """The problem behind a scanner or parser error: one sentence, at the place where reading stopped."""
    mark = getattr(error, "problem_mark", None)
    start = getattr(error, "context_mark", None)
    said = f"{getattr(error, 'context', None) or ''}: {getattr(error, 'problem', None) or error}"
    if not isinstance(mark, _Mark):
        return Problem(f"not valid YAML: {quoted(said)}", file=file)
    if isinstance(start, _Mark) and not text[mark.index :].strip():
        mark = start  # the end of the text says nothing; the bracket or quote that is still open does
    message = _sentence(said, start=start, character=_character(text, mark))
    return Problem(message, file=file, line=mark.line + 1, column=mark.column + 1)


def _sentence(said: str, *, start: object, character: str) -> str:
    if character == "\t" or "tab character" in said:
        return "a tab cannot indent YAML; use spaces"
    begins = f"line {start.line + 1}, column {start.column + 1}" if isinstance(start, _Mark) else "the top"
    shown = quoted(character) if character.strip() else "the end of the line"
    for fragment, sentence in _SENTENCES:
        if fragment in said:
            return sentence.format(start=begins, character=shown)
    return f"not valid YAML: {said.removeprefix(': ')}"


def _character(text: str, mark: _Mark) -> str:
    return text[mark.index : mark.index + 1]
