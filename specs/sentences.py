"""What each kind of pydantic error says to the writer of a config."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pydantic_core import ErrorDetails

from .base import NAME_PATTERN
from .errors import nearest, quoted, unknown_name
from .locations import Target, literals_of, tag_choices
from .wording import described, either, number_text

_EXPECTED = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "int_parsing": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "string_type": "text",
    "list_type": "a list",
    "tuple_type": "a list",
    "set_type": "a list",
    "frozen_set_type": "a list",
    "dict_type": "a mapping",
    "mapping_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "none_required": "nothing",
}

_BOUNDS = {
    "greater_than": ("gt", "greater than"),
    "greater_than_equal": ("ge", "at least"),
    "less_than": ("lt", "less than"),
    "less_than_equal": ("le", "at most"),
    "multiple_of": ("multiple_of", "a multiple of"),
}

_NAMED_KINDS = ("activation", "initializer", "regularizer", "metric", "type", "source")


def expected_kinds(error: ErrorDetails, target: Target) -> list[str]:
    """What kinds of value would have done, as phrases; empty if the kind was not what is wrong."""
    if error["type"] == "literal_error":
        return _choices(target, quote=True)
    if error["type"] in ("bool_type", "bool_parsing"):
        return ["true", "false"]
    return [_EXPECTED[error["type"]]] if error["type"] in _EXPECTED else []


def sentence(error: ErrorDetails, target: Target) -> str:
    """What is wrong, what is allowed, and the nearest name where there is one."""
    kind, value = error["type"], _given(error, target)
    context: Mapping[str, object] = error.get("ctx", {})
    if kind == "missing":
        return _missing(error["loc"][-1])
    if kind == "extra_forbidden":
        return _unknown_key(str(error["loc"][-1]), target)
    if kind in ("union_tag_invalid", "union_tag_not_found"):
        return _wrong_tag(target)
    if kind == "literal_error":
        return _not_among(target, value)
    if kind == "float_type" and isinstance(value, int) and not isinstance(value, bool):
        return f"{number_text(value)} is too large for a 64-bit number"
    if kind in _EXPECTED:
        return f"must be {_EXPECTED[kind]}, not {described(value)}"
    if kind in _BOUNDS:
        name, phrase = _BOUNDS[kind]
        return f"must be {phrase} {number_text(context.get(name))}, not {number_text(value)}"
    if kind == "finite_number":
        return f"must be a finite number, not {number_text(value)}"
    if kind in ("value_error", "assertion_error"):
        return str(context.get("error", error["msg"]))
    return _about_length(kind, context) or _about_text(kind, context, value) or _fallback(error["msg"], value)


def _given(error: ErrorDetails, target: Target) -> object:
    """What the writer wrote; for a key, the key."""
    return error["input"] if target.is_key else target.value


def _missing(step: str | int) -> str:
    return (
        f"missing key {quoted(step)}" if isinstance(step, str) else f"too few items: item {step} is missing"
    )


def _unknown_key(key: str, target: Target) -> str:
    fields = target.model.model_fields if target.model else {}
    allowed = [info.alias or name for name, info in fields.items()]
    guess = nearest(key, allowed)
    hint = f"; did you mean {quoted(guess)}?" if guess else "."
    return f"unknown key {quoted(key)}{hint} Allowed: {', '.join(allowed) or 'none'}."


def _wrong_tag(target: Target) -> str:
    """The key that says which kind of mapping this is (a layer's `type`) is missing or wrong."""
    key, choices = tag_choices(target.expects)
    value = target.value
    if not isinstance(value, dict):
        return f"must be a mapping, not {described(value)}"
    if key not in value:
        return f"missing key {quoted(key)}. {key.capitalize()}s: {', '.join(choices)}."
    given: object = value[key]  # pyright: ignore[reportUnknownVariableType]
    if not isinstance(given, str):
        return f"must be text, not {described(given)}"  # pyright: ignore[reportUnknownArgumentType]
    return unknown_name(_name_kind((*target.fields, key)), given, choices, plural=f"{key}s")


def _not_among(target: Target, value: object) -> str:
    choices, field = _choices(target, quote=False), target.fields[-1] if target.fields else ""
    kind = _singular(field).rsplit("_", maxsplit=1)[-1]
    if kind in _NAMED_KINDS and isinstance(value, str):
        return unknown_name(_name_kind(target.fields), value, choices, plural=f"{kind}s")
    guess = nearest(value, choices) if isinstance(value, str) else None
    hint = f"; did you mean {quoted(guess)}?" if guess else ""
    shown = quoted(value) if isinstance(value, str) else described(value)
    return f"must be {'one of ' if len(choices) > 1 else ''}{', '.join(choices)}, not {shown}{hint}"


def _choices(target: Target, *, quote: bool) -> list[str]:
    return [
        (quoted(choice) if quote else choice) if isinstance(choice, str) else number_text(choice)
        for choice in literals_of(target.expects)
    ]


def _name_kind(fields: Sequence[str]) -> str:
    """What a name stands for: `layers`, `type` give `layer type`; `kernel_initializer`, `initializer`."""
    kind = _singular(fields[-1]).rsplit("_", maxsplit=1)[-1]
    return f"{_singular(fields[-2])} {kind}" if kind == "type" and len(fields) > 1 else kind


def _singular(field: str) -> str:
    return field[:-2] if field.endswith("sses") else field.removesuffix("s")


def _about_length(kind: str, context: Mapping[str, object]) -> str | None:
    """The sentence for a list or mapping of the wrong length."""
    if kind not in ("too_short", "too_long"):
        return None
    bound = context.get("min_length" if kind == "too_short" else "max_length")
    noun = "entry" if context.get("field_type") == "Dictionary" else "item"
    nouns = noun if bound == 1 else f"{noun}s" if noun == "item" else "entries"
    limit = "at least" if kind == "too_short" else "at most"
    return f"must have {limit} {bound} {nouns}, not {context.get('actual_length')}"


def _about_text(kind: str, context: Mapping[str, object], value: object) -> str | None:
    """The sentence for text of the wrong form."""
    shown = described(value)
    if kind == "string_pattern_mismatch":
        if context.get("pattern") == NAME_PATTERN:
            rule = "letters, digits, '_' and '-', and does not begin with '-'"
            return f"a name is made of {rule}, unlike {quoted(str(value))}"
        return f"must match {context.get('pattern')}, not {shown}"
    if kind == "string_too_short":
        bound = context.get("min_length")
        return "must not be empty" if bound == 1 else f"must have at least {bound} characters, not {shown}"
    if kind == "string_too_long":
        return f"must have at most {context.get('max_length')} characters, not {shown}"
    return None


def _fallback(message: str, value: object) -> str:
    sentence = message.removeprefix("Input should be ")
    return f"must be {sentence}, not {described(value)}" if sentence != message else message


def either_of(phrases: Sequence[str], value: object) -> str:
    """The sentence for a value of which no member of a union will have it."""
    distinct = list(dict.fromkeys(phrases))
    shown = quoted(value) if isinstance(value, str) else described(value)
    words = [phrase[1:-1] for phrase in distinct if phrase.startswith("'")]
    guess = nearest(value, words) if isinstance(value, str) else None
    hint = f"; did you mean {quoted(guess)}?" if guess else ""
    return f"must be {either(distinct)}, not {shown}{hint}"
