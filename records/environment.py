"""What a run ran on: versions, machine, code, seed. Nothing secret, no environment variables."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from collections.abc import Sequence
from datetime import datetime
from importlib import metadata
from pathlib import Path

_DISTRIBUTIONS = (
    "mlx-runner",
    "torch",
    "torchvision",
    "numpy",
    "pydantic",
    "pyyaml",
    "safetensors",
    "matplotlib",
)
_TIMEOUT_SECONDS = 2.0


def describe_environment(
    *,
    seed: int,
    device: str,
    threads: int,
    command: Sequence[str],
    fingerprint: str | None,
    precision: str,
) -> dict[str, object]:
    """The document of environment.json.

    `device` and `precision` as training names them, `threads` of one process, `command` the words of
    the command line, `fingerprint` of the data. Versions are read from the installed packages'
    metadata, without importing them; what cannot be found out is None.
    """
    return {
        "started_at": datetime.now().astimezone().isoformat(timespec="milliseconds"),
        "command": list(command),
        "seed": seed,
        "device": device,
        "threads": threads,
        "precision": precision,
        "data_fingerprint": fingerprint,
        "versions": _versions(),
        "machine": {
            "platform": platform.platform(),
            "processor": _processor(),
            "processors": os.cpu_count(),
        },
        "code": describe_code(Path.cwd()),
    }


def describe_code(folder: Path) -> dict[str, object]:
    """The git commit of `folder` and whether it has changes, untracked files among them.

    Both are None without git or outside a repository. Ignored files are no changes.
    """
    # --no-optional-locks: looking must not get in the way of a git command at work there;
    # core.fsmonitor: a repository must not be able to start a program of its own.
    git = ["git", "--no-optional-locks", "-c", "core.fsmonitor=false", "-C", str(folder)]
    commit = _output_of([*git, "rev-parse", "HEAD"])
    if commit is None or _has_filters(git):
        return {"commit": commit, "dirty": None}
    changes = _output_of([*git, "status", "--porcelain"])
    return {"commit": commit, "dirty": None if changes is None else bool(changes)}


def _has_filters(git: Sequence[str]) -> bool:
    """Whether the repository's own settings name programs that `git status` would run over its files."""
    wanted = r"^filter\..*\.(clean|process)$"
    found = _output_of([*git, "config", "--includes", "--show-scope", "--get-regexp", wanted]) or ""
    return any(line.split("\t")[0] in ("local", "worktree") for line in found.splitlines())


def _versions() -> dict[str, str | None]:
    versions: dict[str, str | None] = {"python": platform.python_version()}
    for distribution in _DISTRIBUTIONS:
        try:
            versions[distribution] = metadata.version(distribution)
        except metadata.PackageNotFoundError:
            versions[distribution] = None
    return versions


def _processor() -> str | None:
    if sys.platform == "darwin":
        return _output_of(["sysctl", "-n", "machdep.cpu.brand_string"])
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or None


def _output_of(command: list[str]) -> str | None:
    """What a program printed; None where it is absent, fails, or takes longer than two seconds."""
    try:
        finished = subprocess.run(
            command,
            capture_output=True,
            timeout=_TIMEOUT_SECONDS,
            check=True,
            text=True,
            errors="replace",
            stdin=subprocess.DEVNULL,
            # A repository may lack objects, and say by what program they are to be fetched.
            env={**os.environ, "GIT_ALLOW_PROTOCOL": "none"},
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return finished.stdout.strip()
