"""Owns the text of a draft: its sections in order, with comments for who has never written a config."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from ..specs.errors import quoted
from .draft_inputs import Input, empty_comment
from .draft_network import Network
from .draft_roles import Roles
from .draft_sizes import Sizes
from .draft_table import Sample
from .draft_target import Target
from .draft_yaml import Value, comment, entry, section


@dataclass
class Page:
    """Lines as they are written, and all that was said to be unsure."""

    lines: list[str] = field(default_factory=list[str])
    doubts: list[str] = field(default_factory=list[str])

    def say(self, text: str, *, indent: int = 2) -> None:
        """A comment."""
        self.lines += comment(text, indent=indent)

    def doubt(self, text: str | None, *, indent: int = 2) -> None:
        """A comment on what is not sure, if there is anything."""
        if text:
            self.doubts.append(text)
            self.say(f"unsure: {text}{'' if text.endswith('?') else '.'}", indent=indent)

    def put(self, key: str, value: Value, *, indent: int = 2) -> None:
        """An entry."""
        self.lines += entry(key, value, indent=indent)

    def put_section(self, key: str, fields: Mapping[str, Value], *, indent: int = 4, pad: int = 0) -> None:
        """A mapping."""
        self.lines += section(key, fields, indent=indent, pad=pad)


@dataclass(frozen=True)
class Plan:
    """All that a draft says."""

    name: str
    saved_as: str
    sample: Sample
    roles: Roles
    marks: Mapping[str, Sequence[str]]
    inputs: Sequence[Input]
    targets: Mapping[str, Target]
    weight_name: str | None
    network: Network
    sizes: Sizes
    test_file: str | None
    suspicions: Mapping[str, str]


def write_draft(plan: Plan) -> Page:
    """The text of the config."""
    page = Page()
    _write_head(page, plan)
    _write_reading(page, plan)
    _write_left_out(page, plan.roles)
    _write_splits(page, plan)
    _write_inputs(page, plan)
    _write_targets(page, plan)
    _write_model(page, plan)
    _write_losses(page, plan)
    _write_training(page, plan)
    return page


def _write_head(page: Page, plan: Plan) -> None:
    sample = plan.sample
    several = f" in {sample.num_files} files" if sample.num_files > 1 else ""
    rows = f"{len(sample.frame):,} rows" if sample.whole else f"the first {len(sample.frame):,} rows"
    page.say(f"mlx train {plan.saved_as}", indent=0)
    page.say(
        f"A first config for {quoted(sample.spec.path)} ({rows}{several}, {len(sample.columns)} columns), "
        "drafted from what the cells look like. Read it through: what begins with `unsure` is a guess. "
        f"`mlx check {plan.saved_as} --data` tells what it describes.",
        indent=0,
    )
    page.put("name", plan.name, indent=0)
    page.put("seed", 0, indent=0)


def _write_reading(page: Page, plan: Plan) -> None:
    sample, spec = plan.sample, plan.sample.spec
    page.lines.append("data:")
    page.put("source", "table")
    page.doubt(sample.doubts.get("path"))
    if not sample.whole:
        page.doubt(
            f"only the first {len(sample.frame):,} rows were looked at; later ones may hold other values"
        )
    page.put("path", spec.path)
    if spec.format != "auto":
        page.put("format", spec.format)
    page.doubt(sample.doubts.get("encoding"))
    if spec.encoding != "utf-8":
        page.put("encoding", spec.encoding)
    if spec.separator is not None:
        page.put("separator", spec.separator)
    if plan.marks:
        found = ", ".join(quoted(column) for column in list(plan.marks)[:4])
        more = f" and {len(plan.marks) - 4} more columns" if len(plan.marks) > 4 else ""
        page.say(f"What stands for a missing number in {found}{more}; such a cell of any column is empty.")
        page.put("null_values", list(spec.null_values))
    if plan.roles.identifier is not None:
        page.say("What tells the rows apart: predictions carry it along, and nothing is learned from it.")
        page.put("id", plan.roles.identifier.column)


def _write_left_out(page: Page, roles: Roles) -> None:
    if roles.left_out:
        reasons = "; ".join(f"{quoted(sketch.column)} ({sketch.reason})" for sketch in roles.left_out)
        page.say(f"Left out: {reasons}.")
    for sketch in roles.left_out:
        page.doubt(sketch.doubt)


def _write_splits(page: Page, plan: Plan) -> None:
    roles, (validation, test) = plan.roles, plan.roles.fractions
    if roles.splits is not None:
        page.say("The column that says which rows are for training, for validation and for testing.")
        column = roles.splits.sketch.column
        values = {split: list(found) for split, found in roles.splits.values.items()}
        page.put_section("split", {"type": "column", "column": column, **values}, indent=2)
    else:
        page.say(_split_comment(validation, test))
        page.put("validation_split", validation)
        page.put("test_split", test)
        if validation or test:
            _write_way_of_splitting(page, plan)
    if roles.weight is not None and plan.weight_name is not None:
        page.say("How much each row counts in the losses below.")
        page.put("sample_weights", {plan.weight_name: roles.weight.column})
    elif roles.maybe_weight is not None:
        column = quoted(roles.maybe_weight.column)
        page.doubt(f"{column} is an input; if it says how much a row counts, make it one of sample_weights")


def _split_comment(validation: float, test: float) -> str:
    if validation:
        return (
            "Shares of the rows that are kept from training: validation tells when to stop, test judges the "
            "end."
        )
    if test:
        return (
            "The share of the rows that is kept from training and judges the end; too few for validation too."
        )
    return "So few rows that none is kept from training: the scores say nothing about new rows."


def _write_way_of_splitting(page: Page, plan: Plan) -> None:
    labelled = [name for name, target in plan.targets.items() if target.kind != "regression"]
    if labelled:
        noun = "label" if plan.targets[labelled[0]].kind == "multilabel" else "class"
        page.say(f"Drawn so that every {noun} of `{labelled[0]}` is as frequent in each split.")
        page.put_section("split", {"type": "stratified", "target": labelled[0]}, indent=2)
    else:
        page.put_section("split", {"type": "random"}, indent=2)
    if plan.test_file is not None:
        page.doubt(
            f"{quoted(plan.test_file)} lies beside the table and has its columns; if it is for testing, put "
            "this line in the place of test_split"
        )
        page.lines += _commented(entry("test_path", plan.test_file, indent=2))
    groups = [sketch for sketch in plan.roles.left_out if sketch.kind == "group"]
    for sketch in groups[:1]:
        page.say(f"To keep all rows of one {quoted(sketch.column)} together, use this line instead:")
        page.lines += _commented(section("split", {"type": "group", "column": sketch.column}, indent=2))
    if any(sketch.kind == "datetime" for sketch in plan.roles.inputs):
        page.say(
            "Where rows lie in the order of time and the future is to be predicted, use this line instead:"
        )
        page.lines += _commented(section("split", {"type": "last"}, indent=2))


def _write_inputs(page: Page, plan: Plan) -> None:
    page.lines.append("  inputs:")
    for each in plan.inputs:
        for text in each.comments:
            page.say(text, indent=4)
        for sketch in each.sketches:
            page.doubt(sketch.doubt, indent=4)
        for sketch in each.sketches:
            page.doubt(plan.suspicions.get(sketch.column), indent=4)
        page.put_section(each.name, each.fields)


def _write_targets(page: Page, plan: Plan) -> None:
    page.lines.append("  targets:")
    page.doubt(plan.roles.guess, indent=4)
    for name, target in plan.targets.items():
        for text in _target_comments(target):
            page.say(text, indent=4)
        page.doubt(target.doubt, indent=4)
        page.put_section(name, target.fields)


def _target_comments(target: Target) -> Iterator[str]:
    yield from target.describe()
    yield from empty_comment(target.sketches, "masked: no loss and no metric counts them")


def _write_model(page: Page, plan: Plan) -> None:
    network = plan.network
    page.say(network.comment, indent=0)
    page.lines.append("model:")
    page.put("inputs", [each.name for each in plan.inputs])
    page.lines.append("  layers:")
    pad = max(len(layer.name) for layer in network.layers) + 1
    for layer in network.layers:
        if layer.comment:
            page.say(layer.comment, indent=4)
        page.put_section(layer.name, layer.fields, pad=pad)
    page.put("outputs", list(plan.targets))


def _write_losses(page: Page, plan: Plan) -> None:
    if len(plan.targets) > 1:
        text = (
            "One loss per output. What is minimized is their sum; `weight: 0.5` makes one count half as much."
        )
        page.say(text, indent=0)
    page.lines.append("losses:")
    pad = max(map(len, plan.targets)) + 1
    for name, target in plan.targets.items():
        fields: dict[str, Value] = {"type": target.loss, "output": name, "target": name}
        if plan.weight_name is not None:
            fields["sample_weight"] = plan.weight_name
        page.put_section(name, fields, indent=2, pad=pad)
        if target.rare is not None:
            label, share = target.rare
            page.say(
                f"{label} makes up {100 * share:.2g} % of the rows. To count rare classes for more, instead:"
            )
            page.lines += _commented(section(name, {**fields, "class_weight": "balanced"}, indent=2, pad=pad))
    page.lines.append("metrics:")
    for name, target in plan.targets.items():
        page.put(name, list(target.metrics))


def _write_training(page: Page, plan: Plan) -> None:
    sizes = plan.sizes
    page.put("optimizer", {"type": "adam", "learning_rate": sizes.learning_rate}, indent=0)
    has_validation = plan.roles.fractions[0] > 0.0
    if plan.roles.splits is not None:
        has_validation = "validation" in plan.roles.splits.values
    if has_validation:
        page.say(
            f"An epoch shows the network every training row once. Training ends after {sizes.epochs} epochs, "
            f"or when the loss over the validation rows has not fallen for {sizes.patience}, and keeps the "
            "weights of the best epoch.",
            indent=0,
        )
    else:
        page.say("An epoch shows the network every training row once.", indent=0)
    page.lines.append("training:")
    page.put("epochs", sizes.epochs)
    page.put("batch_size", sizes.batch_size)
    if has_validation:
        stopping: dict[str, Value] = {"monitor": "validation/loss", "patience": sizes.patience}
        page.put_section("early_stopping", stopping, indent=2)


def _commented(lines: Sequence[str]) -> list[str]:
    """Lines of the second level, as comments that can be uncommented as they are."""
    return [f"  # {line[2:]}" for line in lines]
