"""Checks a document against a pydantic model and turns every complaint into a located problem."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from .document import Document
from .errors import ConfigError, Path, Problem
from .locations import Target, follow, tag_choices
from .places import by_place
from .sentences import either_of, expected_kinds, sentence

MAX_PROBLEMS = 100

ModelT = TypeVar("ModelT", bound=BaseModel)


def validate(model_class: type[ModelT], document: Document) -> ModelT:
    """The model that `document` describes; its places go to the model as validation context.

    Raises ConfigError with all problems, those of reading included, in the order of the text.
    """
    try:
        model = model_class.model_validate(document.data, context=document.places)
    except ValidationError as error:
        found = _problems(error, model_class, document)
    except ConfigError as error:  # from a validator of a model, with a path from the root
        found = [document.places.locate(problem) for problem in error.problems]
    else:
        document.checked()
        return model
    # A damaged text can explain every complaint away; then its own problems remain.
    raise ConfigError(sorted(dict.fromkeys([*document.problems, *found]), key=by_place))


@dataclass(frozen=True)
class _Complaint:
    error: ErrorDetails
    target: Target


def _problems(error: ValidationError, model_class: type[BaseModel], document: Document) -> list[Problem]:
    details = error.errors(include_url=False)
    complaints = [
        _Complaint(detail, follow(model_class, detail["loc"], document.data))
        for detail in details[:MAX_PROBLEMS]
    ]
    complaints = [each for each in complaints if not _is_settled(each, complaints)]
    problems = [
        problem
        for union, group in groupby(complaints, key=lambda complaint: complaint.target.union)
        for problem in _group_problems(list(group), union, document)
    ]
    if len(details) > MAX_PROBLEMS:
        problems.append(Problem(f"and {len(details) - MAX_PROBLEMS} more problems"))
    return problems


def _is_settled(complaint: _Complaint, others: Sequence[_Complaint]) -> bool:
    """Whether another member of its union took the value, so far that a union inside it was reached."""
    union = complaint.target.union
    if union is None or not _is_other_kind([complaint], union):
        return False
    inner = [each.target.union for each in others if each.target.union is not None]
    return any(len(path) > len(union) and path[: len(union)] == union for path in inner)


def _group_problems(
    complaints: Sequence[_Complaint], union: Path | None, document: Document
) -> Iterable[Problem]:
    if union is None:
        return [_problem(complaint, document) for complaint in complaints if _counts(complaint, document)]
    return _union_problems(complaints, union, document)


def _union_problems(complaints: Sequence[_Complaint], union: Path, document: Document) -> list[Problem]:
    """Of a union without tags, what the member closest to what was given complains about."""
    by_member: dict[str, list[_Complaint]] = {}
    for complaint in complaints:
        by_member.setdefault(complaint.target.member, []).append(complaint)
    of_kind = [group for group in by_member.values() if not _is_other_kind(group, union)]
    if of_kind:
        closest = min(of_kind, key=len)
        return [_problem(complaint, document) for complaint in closest if _counts(complaint, document)]
    phrases = [phrase for item in complaints for phrase in expected_kinds(item.error, item.target)]
    value = complaints[0].target.value
    return [document.places.locate(Problem(either_of(phrases, value), union))]


def _is_other_kind(complaints: Sequence[_Complaint], union: Path) -> bool:
    """Whether these say no more than that the value is not of the member's kind at all."""
    return all(item.target.path == union and expected_kinds(item.error, item.target) for item in complaints)


def _counts(complaint: _Complaint, document: Document) -> bool:
    """Whether the complaint would be true of the text as its writer meant it."""
    kind, path = complaint.error["type"], complaint.target.path
    return kind == "extra_forbidden" or _holder(kind, path) not in document.doubtful


def _holder(kind: str, path: Path) -> Path:
    return path[:-1] if kind == "missing" else path


def _problem(complaint: _Complaint, document: Document) -> Problem:
    """The problem, at the key that is wrong, the value that is wrong, or the key that lacks something."""
    error, target = complaint.error, complaint.target
    kind, path = error["type"], target.path
    problem = Problem(sentence(error, target), path)
    if kind in ("missing", "extra_forbidden"):
        problem = replace(problem, path=path[:-1])
    if kind == "missing" or target.is_key:
        return _at_key(problem, problem.path, document)
    if kind == "extra_forbidden":
        return _at_key(problem, path, document)
    if kind in ("union_tag_invalid", "union_tag_not_found") and isinstance(target.value, dict):
        key, _ = tag_choices(target.expects)
        if key not in target.value:
            return _at_key(problem, path, document)
        problem = replace(problem, path=(*path, key))
    return document.places.locate(problem)


def _at_key(problem: Problem, key: Path, document: Document) -> Problem:
    place = document.places.find(key, of="key")
    return problem.at(file=place.file, line=place.line, column=place.column)
