"""Owns finding the arrays that a config names in all of its files, and refusing what it cannot mean.

Legend: N rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from ..specs.errors import ConfigError, DataError, Path, Problem, quoted, unknown_name
from ..specs.files import ArrayField, Arrays
from .array_fields import Role
from .array_files import ArrayFiles, StoredArray

Stored = Mapping[str, StoredArray]
"""One array by the key under `data` that names its file: `path`, `validation_path`, `test_path`."""

_OTHER_KINDS: Mapping[Role, Mapping[str, str]] = {
    "inputs": {"classes": "tokens", "values": "numbers"},
    "targets": {"image": "values", "numbers": "values", "tokens": "classes"},
}
"""Kinds that inputs or targets cannot have, and what they can have instead."""

_KINDS_WITH = {"size": ("tokens", "classes"), "labels": ("numbers", "binary", "classes", "values")}


@dataclass(frozen=True)
class ArrayFinder:
    """Looks arrays up in files, by the keys that name them, and collects what is wrong with them."""

    files: Mapping[str, ArrayFiles]
    problems: list[Problem] = field(default_factory=list[Problem])
    found: dict[Path, Stored] = field(default_factory=dict[Path, Stored])

    def find(self, name: str, *, path: Path, keys: Sequence[str] = ()) -> Stored:
        """The array in each of the files, or in those of `keys`; `path` is where the config names it."""
        found: dict[str, StoredArray] = {}
        for key in keys or self.files:
            files = self.files[key]
            if name not in files.members:
                message = unknown_name("array", name, files.members)
                self.problems.append(Problem(message, path, file=str(files.path)))
                continue
            try:
                found[key] = files.stored(name)
            except DataError as error:
                self.problems.extend(error.problems)
        self.found[path] = found
        return found

    def finish(self) -> dict[str, int]:
        """N by key. Raises DataError with all that was collected, and for arrays of different lengths."""
        first: dict[str, StoredArray] = {}
        for path, stored in self.found.items():
            for key, array in stored.items():
                other = first.setdefault(key, array)
                if array.shape[:1] != other.shape[:1]:
                    message = f"array {quoted(array.name)} has {_rows(array)}, but {quoted(other.name)} has"
                    self.problems.append(Problem(f"{message} {_rows(other)}", path, file=str(array.file)))
        if self.problems:
            raise DataError(list(dict.fromkeys(self.problems)))
        return {key: array.shape[0] if array.shape else 0 for key, array in first.items()}


def fields_of(spec: Arrays) -> Iterator[tuple[Role, str, ArrayField]]:
    """Inputs, then targets."""
    for name, each in spec.inputs.items():
        yield "inputs", name, each
    for name, each in spec.targets.items():
        yield "targets", name, each


def refuse_without_meaning(spec: Arrays) -> None:
    """Raises ConfigError for a kind that inputs or targets cannot have, and for a size or labels of none."""
    problems = list[Problem]()
    for role, name, each in fields_of(spec):
        path: Path = ("data", role, name)
        other = _OTHER_KINDS[role].get(each.kind)
        if other is not None:
            message = f"{each.kind} is no kind of {role[:-1]}; one like it is of kind {other}."
            problems.append(Problem(message, (*path, "kind")))
        for option, kinds in _KINDS_WITH.items():
            if getattr(each, option) and each.kind not in kinds:
                message = f"has no meaning for kind {each.kind}; leave it out."
                problems.append(Problem(message, (*path, option)))
    if problems:
        raise ConfigError(problems)


def _rows(array: StoredArray) -> str:
    return f"{array.shape[0]} rows" if array.shape else "no axes"
