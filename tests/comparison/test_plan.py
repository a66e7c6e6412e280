"""The plan: what differs in knobs alone is one stack, as large as memory allows; the rest says why not."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from mlx_runner.comparison.members import Member, spread_seeds
from mlx_runner.comparison.plan import (
    CONVOLUTION_REASON,
    has_convolution,
    member_bytes,
    plan_stacks,
)
from mlx_runner.comparison.settings import Setting
from mlx_runner.specs.experiment import Experiment
from mlx_runner.training.footprint import Footprint, optimizer_slots

Load = Callable[..., Experiment]

GIB = 2**30
SIZE = Footprint(parameters=1000, activations=50)


def _members(load: Load, settings: dict[str, list[str]], seeds: int = 2) -> list[Member]:
    given = [Setting(name, {}, load(*overrides)) for name, overrides in settings.items()]
    return spread_seeds(given, seeds, dict.fromkeys(settings, SIZE))


def _names(load: Load, settings: dict[str, list[str]]) -> list[list[str]]:
    plan = plan_stacks(_members(load, settings, seeds=1), device="cpu", cores=4, memory_bytes=GIB)
    return [[member.setting for member in stack.members] for stack in plan.stacks]


def test_knobs_are_stacked(load: Load) -> None:
    settings = {
        "base": [],
        "weight": ["losses.digit.weight=0.1"],
        "smoothing": ["losses.attributes.label_smoothing=0.1", "losses.digit.label_smoothing=0.2"],
        "rate": ["optimizer.learning_rate=0.01"],
        "name and seed": ["name=other", "seed=9"],
    }
    assert _names(load, settings) == [list(settings)]


@pytest.mark.parametrize(
    ("override", "shown"),
    [
        ("training.batch_size=50", "training.batch_size (50, not 100)"),
        ("training.epochs=7", "training.epochs (7, not 1)"),
        ("training.precision=float64", "training.precision (float64, not float32)"),
        ("model.layers.hidden.units=7", "model.layers.hidden.units (7, not 6)"),
        ("data.samples=500", "data.samples (500, not 600)"),
        ("numerics=torch", "numerics (torch, not keras)"),
        ("optimizer.type=sgd", "optimizer.type (sgd, not adam)"),
        ("optimizer.beta_1=0.8", "optimizer.beta_1 (0.8, not 0.9)"),
        ("losses.attributes.reduction=sum", "losses.attributes.reduction (sum, not sum_over_batch_size)"),
    ],
)
def test_what_changes_the_program_is_not(load: Load, override: str, shown: str) -> None:
    members = _members(load, {"base": [], "other": [override], "knob": ["losses.digit.weight=0"]})
    plan = plan_stacks(members, device="cpu", cores=4, memory_bytes=GIB)
    assert [sorted({each.setting for each in stack.members}) for stack in plan.stacks] == [
        ["base", "knob"],
        ["other"],
    ]
    assert plan.stacks[0].reason is None
    assert plan.stacks[1].reason == f"differs from stack 1 in {shown}"


def test_memory_splits_evenly(load: Load) -> None:
    members = _members(load, {"a": []}, seeds=10)
    each = member_bytes(members[0])
    plan = plan_stacks(members, device="cuda", cores=4, memory_bytes=2 * 4 * each + 2)
    assert plan.budget_bytes == 4 * each + 1
    assert [len(stack.members) for stack in plan.stacks] == [3, 3, 4]
    assert [each.name for each in plan.members] == [each.name for each in members]
    assert all(stack.memory_bytes <= plan.budget_bytes for stack in plan.stacks)
    assert all("at most 4 members fit" in str(stack.reason) for stack in plan.stacks)


@pytest.mark.parametrize(
    ("settings", "seeds", "sizes"),
    [(16, 1, [8, 8]), (4, 3, [4, 4, 4]), (3, 2, [3, 3]), (5, 1, [2, 3]), (1, 4, [1, 1, 1, 1])],
)
def test_a_seed_s_members_stay_together_and_every_core_has_a_stack(
    load: Load, settings: int, seeds: int, sizes: list[int]
) -> None:
    given = {f"s{index}": [f"losses.digit.weight={index}"] for index in range(settings)}
    plan = plan_stacks(_members(load, given, seeds=seeds), device="cpu", cores=2, memory_bytes=GIB)
    (stack,) = plan.stacks
    assert (stack.engine, stack.workers) == ("processes", 2)
    assert [len(part) for part in stack.parts] == sizes
    assert all(len({member.experiment.seed for member in part}) == 1 for part in stack.parts)
    assert sorted(each.name for part in stack.parts for each in part) == sorted(
        each.name for each in stack.members
    )
    assert stack.reason == "a stack per seed and core: members of one seed share their batches"
    assert stack.memory_bytes == 2 * max(sizes) * member_bytes(stack.members[0])


def test_parts_fit_into_memory_together(load: Load) -> None:
    given = {f"s{index}": [f"losses.digit.weight={index}"] for index in range(12)}
    members = _members(load, given, seeds=1)
    each = member_bytes(members[0])
    plan = plan_stacks(members, device="cpu", cores=2, memory_bytes=2 * 6 * each)
    assert [len(part) for part in plan.stacks[0].parts] == [3, 3, 3, 3]
    assert plan.stacks[0].memory_bytes == plan.budget_bytes


def test_a_weighting_that_cannot_be_stacked_goes_one_by_one(load: Load) -> None:
    given = {"a": ["weighting={type: pcgrad}"], "b": ["weighting={type: pcgrad}", "losses.digit.weight=0.5"]}
    for device, engines in (("cpu", ["processes"]), ("cuda", ["single"] * 4)):
        plan = plan_stacks(_members(load, given), device=device, cores=2, memory_bytes=GIB)
        assert [stack.engine for stack in plan.stacks] == engines
        assert "weighting pcgrad takes every member by itself" in str(plan.stacks[0].reason)


def test_one_is_always_tried(load: Load) -> None:
    plan = plan_stacks(_members(load, {"a": []}), device="cpu", cores=4, memory_bytes=10)
    assert [(stack.engine, len(stack.members)) for stack in plan.stacks] == [("single", 1), ("single", 1)]


def test_memory_by_hand(load: Load) -> None:
    """Adam keeps two numbers per parameter; with values, gradients and best copy that makes five."""
    [member] = _members(load, {"a": []}, seeds=1)
    assert member_bytes(member) == (1000 * 5 + 2 * 100 * 50) * 4
    [double] = _members(load, {"a": ["training.precision=float64"]}, seeds=1)
    assert member_bytes(double) == 2 * member_bytes(member)


@pytest.mark.parametrize(
    ("optimizer", "slots"),
    [
        ("{type: sgd}", 0),
        ("{type: sgd, momentum: 0.9}", 1),
        ("{type: adagrad}", 1),
        ("{type: adadelta}", 2),
        ("{type: rmsprop}", 1),
        ("{type: rmsprop, momentum: 0.5, centered: true}", 3),
        ("{type: adamw}", 2),
    ],
)
def test_slots(load: Load, optimizer: str, slots: int) -> None:
    assert optimizer_slots(load(f"optimizer={optimizer}")) == slots


CONVOLUTION = [
    "data.shape=null",
    "model.layers.hidden={type: conv2d, filters: 2, kernel_size: 3}",
    "model.layers.attributes.of=hidden",
]


def test_convolutions_go_one_by_one_on_a_cpu(load: Load) -> None:
    members = _members(load, {"a": CONVOLUTION, "b": [*CONVOLUTION, "losses.digit.weight=0"]}, seeds=3)
    [stack] = plan_stacks(members, device="cpu", cores=4, memory_bytes=GIB).stacks
    assert (stack.engine, stack.workers, stack.reason) == ("processes", 4, CONVOLUTION_REASON)
    assert stack.memory_bytes == 4 * member_bytes(members[0])
    [tight] = plan_stacks(members, device="cpu", cores=4, memory_bytes=4 * member_bytes(members[0])).stacks
    assert tight.workers == 2
    [together] = plan_stacks(members, device="cuda:0", cores=4, memory_bytes=GIB).stacks
    assert (together.engine, len(together.members)) == ("stack", 6)
    [alone] = plan_stacks(members[:1], device="cpu", cores=4, memory_bytes=GIB).stacks
    assert alone.engine == "single"


def test_convolutions_inside_of_layers_count(load: Load) -> None:
    inner = "{conv: {type: conv2d, filters: 2, kernel_size: 3}, flat: {type: flatten}}"
    replicated = f"model.layers.hidden={{type: replicate, n: 2, layers: {inner}}}"
    assert has_convolution(load(replicated))
    assert not has_convolution(load())


def test_the_document_is_plain(load: Load) -> None:
    plan = plan_stacks(_members(load, {"a": []}), device="cpu", cores=4, memory_bytes=GIB)
    document = plan.document()
    assert document["stacks"] == [
        {
            "engine": "stack",
            "members": ["a_seed0", "a_seed1"],
            "workers": 1,
            "memory_bytes": 2 * member_bytes(plan.members[0]),
            "reason": None,
        }
    ]
    assert (document["device"], document["cores"], document["memory_bytes"]) == ("cpu", 4, GIB)
