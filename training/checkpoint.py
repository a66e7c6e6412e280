"""Weights and all that moves them on disk: one sealed safetensors file, replaced in one step."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import cast

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from ..data.available_memory import check_memory
from ..records.atomic import link_file, read_bytes, write_bytes
from ..records.sealed import BLANK, is_intact, seal
from ..specs.errors import DataError
from ..specs.machine_failures import FREE_SOME

FORMAT = 2

_COPIES = 3
"""How often the tensors are held beside themselves while they are written: copied, packed and sealed."""

Facts = dict[str, object]
"""What a checkpoint says beside its tensors, as plain JSON values."""


def save_checkpoint(
    path: Path, tensors: Mapping[str, Tensor], facts: Mapping[str, object], *, previous: Path | None = None
) -> None:
    """Write tensors and facts (JSON) in the place of what was there before, which goes to `previous`.

    Raises:
        MachineError: the file cannot be written; the one before it stays.
    """
    num_bytes = sum(each.numel() * each.element_size() for each in tensors.values())
    # Asked before: safetensors aborts where memory runs out.
    check_memory(_COPIES * num_bytes, f"saving {path.name}", path=(), fix=FREE_SOME)
    contiguous = {name: tensor.detach().cpu().clone().contiguous() for name, tensor in tensors.items()}
    # The checksum first: nothing that a config names comes before it. See records/sealed.py.
    document = json.dumps({"sha256": BLANK, "format": FORMAT, **facts})
    data = seal(save(contiguous, metadata={"mlx": document}))
    if previous is not None and path.exists():
        link_file(path, previous)
    write_bytes(path, data)


def load_checkpoint(path: Path) -> tuple[dict[str, Tensor], Facts]:
    """The tensors (on the CPU) and facts of a checkpoint.

    Raises:
        DataError: no such file, or not a checkpoint of ours, whole. MachineError: it cannot be read.
    """
    data = read_bytes(path)
    if data is None:
        raise DataError(f"no checkpoint at {str(path)!r}")
    if not is_intact(data):
        raise DataError(f"{str(path)!r} is not an intact checkpoint: {_damage(data)}")
    try:
        # The header is JSON, its length before it: https://github.com/huggingface/safetensors#format
        header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
        facts = json.loads(header["__metadata__"]["mlx"])
        tensors = load(data)
    except (SafetensorError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise DataError(f"{str(path)!r} is not an intact checkpoint: {error}") from None
    if not isinstance(facts, dict):
        raise DataError(f"{str(path)!r} is not an intact checkpoint: its facts are no mapping")
    facts = cast("Facts", facts)
    if facts.get("format") != FORMAT:
        raise DataError(f"{str(path)!r} has format {facts.get('format')!r}; this mlx reads format {FORMAT}")
    return tensors, facts


def member_state(network: torch.nn.Module, member: int | None) -> dict[str, Tensor]:
    """A copy of one member's weights and moving averages, by name, as a single network has them."""
    state = network.state_dict()
    return {name: (each if member is None else each[member]).detach().clone() for name, each in state.items()}


def load_member_state(network: torch.nn.Module, member: int | None, state: Mapping[str, Tensor]) -> None:
    """Put a member's weights and moving averages back, in place."""
    with torch.no_grad():
        for name, each in network.state_dict().items():
            (each if member is None else each[member]).copy_(state[name])


def _damage(data: bytes) -> str:
    if not data:
        return "it is empty"
    return "its checksum is not that of its bytes" if b"sha256" in data else "it carries no checksum"
