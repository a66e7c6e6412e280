"""Weights and optimizer state on disk: one safetensors file, replaced in one step."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol, cast

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from ..records.atomic import write_bytes
from ..specs.errors import DataError

FORMAT = 1


class _OpenFile(Protocol):
    """What safetensors leaves untyped."""

    def metadata(self) -> dict[str, str]: ...

    def keys(self) -> list[str]: ...

    def get_tensor(self, name: str) -> Tensor: ...


def save_checkpoint(path: Path, tensors: Mapping[str, Tensor], facts: Mapping[str, object]) -> None:
    """Write tensors and facts (JSON) in the place of what was there before.

    Raises:
        MachineError: the file cannot be written; the one before it stays.
    """
    contiguous = {name: tensor.detach().cpu().clone().contiguous() for name, tensor in tensors.items()}
    document = json.dumps({"format": FORMAT, **facts})
    write_bytes(path, save(contiguous, metadata={"mlx": document}))


def load_checkpoint(path: Path) -> tuple[dict[str, Tensor], dict[str, object]]:
    """The tensors (on the CPU) and facts of a checkpoint.

    Raises:
        DataError: no such file, or not a checkpoint of ours.
    """
    try:
        with cast("AbstractContextManager[_OpenFile]", safe_open(path, framework="pt", device="cpu")) as file:
            facts = json.loads(file.metadata()["mlx"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except FileNotFoundError:
        raise DataError(f"no checkpoint at {str(path)!r}") from None
    except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
        raise DataError(f"{str(path)!r} is not an intact checkpoint: {error}") from None
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
