"""Owns drafting a config from a user's table: what its columns look like, and what may be learned from it."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..specs.errors import ConfigError, DataError, quoted
from ..specs.experiment import Experiment
from ..specs.source_text import MAX_BYTES
from ..specs.validation import validate
from ..specs.yaml_reader import parse_yaml
from .draft_columns import sketch_columns, sketch_nested
from .draft_inputs import plan_inputs
from .draft_missing import find_null_marks
from .draft_network import plan_network
from .draft_roles import Role, Roles, assign_roles, suspect_inputs
from .draft_sizes import choose_sizes
from .draft_sketch import Kind, Sketch
from .draft_table import Sample, find_test_file, read_sample, with_null_values
from .draft_target import Target
from .draft_text import Plan, write_draft
from .draft_yaml import Namer

# With as many columns, and names as long, as these a draft is a config that can be read.
_COMMON_COLUMNS, _COMMON_LENGTH = 100, 1_000

# Names of files that say nothing about the data.
_PLAIN_NAMES = ("train", "training", "data", "dataset", "table", "test", "part-0", "part-00000")


@dataclass(frozen=True)
class DraftedColumn:
    """What a column looks like, what it is used for, and what is not sure about it."""

    column: str
    kind: Kind
    role: Role
    doubt: str | None

    def document(self) -> dict[str, object]:
        """As plain JSON values."""
        return {"column": self.column, "kind": self.kind, "role": self.role, "doubt": self.doubt}


@dataclass(frozen=True)
class Draft:
    """A config as text, and what is not sure about it."""

    text: str
    columns: tuple[DraftedColumn, ...]
    doubts: tuple[str, ...]


def draft_config(
    path: str,
    *,
    targets: Sequence[str] = (),
    encoding: str | None = None,
    separator: str | None = None,
    saved_as: str | None = None,
) -> Draft:
    """A config that trains on the table at `path`: a file, a folder or a pattern.

    `targets` are names of columns, or patterns; without them a guess is made. Encoding and separator are
    found where they are not given. `saved_as` is what the text calls itself. No more than the first 100,000
    rows are read.

    Raises:
        ConfigError: a target that no column matches, an encoding or a separator that cannot be one.
        DataError: a table that cannot be read, or with nothing to learn, or to learn from.
        MachineError.
    """
    sample = read_sample(path, encoding=encoding, separator=separator)
    marks = find_null_marks(sample.frame)
    sample = with_null_values(
        sample, tuple(dict.fromkeys(mark for found in marks.values() for mark in found))
    )
    sketches = _sketch_all(sample, path)
    roles = assign_roles(sketches, sample.frame, targets)
    plan = _plan(sample, roles, marks, saved_as)
    page = write_draft(plan)
    text = "\n".join(page.lines) + "\n"
    _check(text, plan)
    return Draft(text, tuple(_describe(sketches, plan)), tuple(dict.fromkeys(page.doubts)))


def _describe(sketches: Sequence[Sketch], plan: Plan) -> Iterator[DraftedColumn]:
    """Every column, in the order of the table."""
    roles = plan.roles
    judged = {sketch.column: sketch for sketch in (*sketches, *roles.inputs, *roles.left_out)}
    doubts = {target.sketches[0].column: target.doubt for target in roles.targets}
    for sketch in (judged[each.column] for each in sketches):
        doubt = doubts.get(sketch.column, sketch.doubt) or plan.suspicions.get(sketch.column)
        yield DraftedColumn(sketch.column, sketch.kind, roles.role_of(sketch.column), doubt)


def _sketch_all(sample: Sample, path: str) -> list[Sketch]:
    """A sketch of every column, in the order of the table."""
    folders = [str(Path(file).parent) for file in sample.frame.files[:1]]
    found = {sketch.column: sketch for sketch in sketch_columns(sample.frame, folders=[".", *folders])}
    return [
        found[column] if column in found else sketch_nested(column, len(sample.frame))
        for column in sample.columns
    ]


def _plan(sample: Sample, roles: Roles, marks: dict[str, tuple[str, ...]], saved_as: str | None) -> Plan:
    namer = Namer()
    title = _title(sample)
    sizes = choose_sizes(roles.num_train)
    named: dict[str, Target] = {}
    for position, target in enumerate(roles.targets, 1):
        named[namer.name(_target_title(target), otherwise=f"target_{position}")] = target
    inputs = plan_inputs(roles.inputs, columns=sample.columns, namer=namer)
    weight = None
    if roles.weight is not None:
        weight = namer.name(roles.weight.column, otherwise="weight")
    network = plan_network(inputs, named, hidden=sizes.hidden, namer=namer)
    return Plan(
        name=title,
        saved_as=_as_argument(saved_as or f"{title}.yaml"),
        sample=sample,
        roles=roles,
        marks=marks,
        inputs=inputs,
        targets=named,
        weight_name=weight,
        network=network,
        sizes=sizes,
        test_file=find_test_file(sample),
        suspicions=suspect_inputs(roles, sample.frame),
    )


def _as_argument(file: str) -> str:
    """A file's name as it is typed after a command."""
    return shlex.quote(file) if file.isprintable() else quoted(file)


def _title(sample: Sample) -> str:
    """A name for the config, after the file, or after its folder where the file's says nothing."""
    file = Path(sample.frame.files[0])
    is_plain = sample.num_files > 1 or file.stem.lower() in _PLAIN_NAMES
    return Namer().name(file.absolute().parent.name if is_plain else file.stem, otherwise="table")


def _target_title(target: Target) -> str:
    """After its column; of several, what their names begin with."""
    names = [sketch.column for sketch in target.sketches]
    if len(names) == 1:
        return names[0]
    start = names[0]
    while not all(name.startswith(start) for name in names):
        start = start[:-1]
    is_whole = start[-1:] in ("_", "-", ".", " ") or all(name[len(start) :].isdigit() for name in names)
    return (
        start if start.strip("_-. ") and is_whole else "labels" if target.kind == "multilabel" else "numbers"
    )


def _check(text: str, plan: Plan) -> None:
    """Raises DataError for more columns, or longer names, than a config can hold."""
    try:
        validate(Experiment, parse_yaml(text, file=plan.saved_as))
    except ConfigError:
        columns = plan.sample.columns
        is_large = len(text.encode()) > MAX_BYTES or len(columns) > _COMMON_COLUMNS
        is_large |= max(map(len, columns)) > _COMMON_LENGTH
        assert is_large, "a draft of a common size can be read"
        message = "the table has too many columns, or too long names, for a config to name them all."
        raise DataError(message) from None
