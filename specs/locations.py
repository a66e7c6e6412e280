"""Follows where a pydantic error points, through the models and the data at once.

Pydantic's `loc` mixes keys and indices of the data with the tags and labels of unions. Only the
annotations tell them apart: a layer of type `activation` may well have a key `activation`.
"""

from __future__ import annotations

import types
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Literal, TypeGuard, Union, cast, get_args, get_origin

from pydantic import BaseModel, Discriminator, Tag
from pydantic.fields import FieldInfo

from .document import YamlValue
from .errors import Path


@dataclass(frozen=True)
class Target:
    """What an error is about: where in the data, and what the models say of that point.

    `fields` are the model fields passed on the way; `model` is the last model entered; `union` the
    path at which a union without tags was entered, `member` the label of the member tried there.
    """

    path: Path
    value: object
    expects: Shape
    fields: tuple[str, ...] = ()
    model: type[BaseModel] | None = None
    is_key: bool = False
    union: Path | None = None
    member: str = ""


@dataclass(frozen=True)
class Shape:
    """An annotation without `Annotated`, `None` and nesting: one member, or several of a union."""

    members: tuple[object, ...]
    tags: tuple[str | None, ...] = ()
    is_tagged: bool = False
    discriminator: str | None = None

    @property
    def only(self) -> object:
        """The annotation itself; None where it is a union of several."""
        return self.members[0] if len(self.members) == 1 else None


def follow(model: type[BaseModel], loc: Sequence[str | int], data: YamlValue) -> Target:
    """The target of the error that pydantic places at `loc` when `model` validates `data`."""
    target = Target((), data, shape_of(model))
    for position, step in enumerate(loc):
        if step == "[key]" and position == len(loc) - 1 and not _has_key(target.value, step):
            return replace(target, is_key=True)
        into = _into_member if len(target.expects.members) > 1 else _into_child
        target = into(target, step)
    only = target.expects.only
    return replace(target, model=only) if is_model(only) else target


def shape_of(annotation: object) -> Shape:
    """What an annotation asks for."""
    if isinstance(annotation, FieldInfo):
        return _shape(annotation.annotation, [*annotation.metadata, annotation])
    return _shape(annotation, [])


def is_model(annotation: object) -> TypeGuard[type[BaseModel]]:
    """Whether the annotation is a pydantic model."""
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def literals_of(shape: Shape) -> list[object]:
    """The values of a `Literal`; empty for anything else."""
    return list(get_args(shape.only)) if get_origin(shape.only) is Literal else []


def tag_choices(shape: Shape) -> tuple[str, list[str]]:
    """The key that decides which member of a tagged union is meant, and what it may be set to."""
    key, choices = shape.discriminator, list[str]()
    for tag, member in zip(shape.tags, shape.members, strict=True):
        if not is_model(member):
            continue
        for name, info in member.model_fields.items():
            literals = literals_of(shape_of(info))
            if tag in literals and key in (None, name):
                key = name
                choices += [str(literal) for literal in literals if literal not in choices]
    return key or "type", choices


def _shape(annotation: object, metadata: Sequence[object]) -> Shape:
    while get_origin(annotation) is Annotated:
        annotation, *more = get_args(annotation)
        metadata = [*more, *metadata]
    if get_origin(annotation) not in (Union, types.UnionType):
        return Shape((annotation,))
    members = [member for member in get_args(annotation) if member is not type(None)]
    if len(members) == 1:  # only None beside it, for which pydantic adds no step
        return _shape(members[0], metadata)
    is_tagged, discriminator = _discriminator(metadata)
    tags = [_tag(member, discriminator) for member in members]
    bare = [_shape(member, []) for member in members]
    return Shape(tuple(shape.only or shape for shape in bare), tuple(tags), is_tagged, discriminator)


def _discriminator(metadata: Sequence[object]) -> tuple[bool, str | None]:
    """Whether the union is tagged, and by which key if that is known."""
    for item in metadata:
        given = item.discriminator if isinstance(item, FieldInfo | Discriminator) else None
        if isinstance(given, Discriminator):
            given = given.discriminator
        if given is not None:
            return True, given if isinstance(given, str) else None
    return False, None


def _tag(member: object, discriminator: str | None) -> str | None:
    for item in get_args(member)[1:] if get_origin(member) is Annotated else ():
        if isinstance(item, Tag):
            return item.tag
    model = _shape(member, []).only
    if discriminator is None or not is_model(model) or discriminator not in model.model_fields:
        return None
    literals = literals_of(shape_of(model.model_fields[discriminator]))
    return str(literals[0]) if literals else None


def _into_member(target: Target, step: str | int) -> Target:
    """Past a union: `step` is the tag or the label of a member, and no part of the data."""
    shape = target.expects
    if shape.is_tagged:
        chosen = [member for tag, member in zip(shape.tags, shape.members, strict=True) if tag == step]
    else:
        label = str(step).lower()
        chosen = [member for member in shape.members if _label(member) in label]
        target = replace(target, union=target.path, member=str(step))
    member = chosen[0] if chosen else object
    return replace(target, expects=member if isinstance(member, Shape) else Shape((member,)))


def _label(member: object) -> str:
    kind = get_origin(member) or member
    return str(getattr(kind, "__name__", None) or getattr(kind, "_name", "")).lower()


def _into_child(target: Target, step: str | int) -> Target:
    """One step down in the models, and in the data where they have such a child."""
    only = target.expects.only
    expects, fields, model = Shape((object,)), target.fields, target.model
    if is_model(only):
        model = only
        name = _field_name(only, step)
        if name is not None:
            expects, fields = shape_of(only.model_fields[name]), (*fields, name)
    elif get_origin(only) is not None:
        expects = _item_shape(only, step)
    target = replace(target, expects=expects, fields=fields, model=model)
    value = target.value
    if isinstance(value, dict):
        below = cast("dict[str | int, object]", value).get(step)
        return replace(target, path=(*target.path, step), value=below)
    if isinstance(value, list) and isinstance(step, int):
        items = cast("list[object]", value)
        return replace(target, path=(*target.path, step), value=items[step] if step < len(items) else None)
    return target  # a validator made a list of one value: the data go no deeper


def _field_name(model: type[BaseModel], step: str | int) -> str | None:
    for name, info in model.model_fields.items():
        if step in (name, info.alias, info.validation_alias):
            return name
    return None


def _item_shape(annotation: object, step: str | int) -> Shape:
    arguments = [item for item in get_args(annotation) if item is not Ellipsis]
    if not arguments:
        return Shape((object,))
    is_fixed = get_origin(annotation) is tuple and isinstance(step, int) and step < len(arguments)
    return shape_of(arguments[step] if is_fixed and isinstance(step, int) else arguments[-1])


def _has_key(value: object, step: str | int) -> bool:
    return isinstance(value, dict) and step in value
