"""A program that imports what `mlx` needs once and forks a real process for every run that is asked of it.

Requests come on stdin and answers go to stdout, a JSON document a line; `processes.py` is the other side:

    {"run": {...}}    a child begins: {"pid": 123}
    {"wait": 123}     {"code": null} while it runs; its exit code, or minus the signal that ended it, once

Nothing is computed before a fork, so that a child has one thread, and no lock that another thread held. A
child leaves `serve` and goes on as the program: `main` meets a real `sys.argv`, and the interpreter ends as
it does for a user, with its hooks, exit handlers and flushes. It is killed and reaped as any process is: a
child that has ended keeps its pid until it was waited for, so no signal can reach a stranger.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import pkgutil
import resource
import signal
import sys
from pathlib import Path
from typing import Any

LATE_IMPORTS = (
    *("matplotlib.figure", "matplotlib.backends.backend_agg", "matplotlib.backends.backend_svg"),
    *("safetensors.torch", "tokenizers", "rich.table", "rich.progress"),
    "torch.fx.experimental.symbolic_shapes",
)
"""What `mlx` imports while it runs; polars is left out, which begins threads of its own."""

FOLDERS = ("cli", "comparison", "inspection", "training", "models", "losses", "data", "records", "specs")


def prepare() -> None:
    """Import everything, and see that this process still has one thread."""
    import torch

    torch.set_num_threads(1)
    for folder in FOLDERS:
        package = importlib.import_module(f"mlx_runner.{folder}")
        for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            if not module.name.endswith("__main__"):
                importlib.import_module(module.name)
    for name in LATE_IMPORTS:
        importlib.import_module(name)
    threads = list(Path("/proc/self/task").iterdir())
    assert len(threads) == 1, f"{len(threads)} threads: a fork would copy their locks and not them"
    # What is there now stays as it is in every child: collecting it would copy its pages.
    gc.collect()
    gc.freeze()


def serve() -> dict[str, Any]:
    """Answer requests until stdin ends, which ends the program; returns, in a child, what it is to run."""
    _answer({"ready": os.getpid()})
    for line in iter(sys.stdin.readline, ""):
        request = json.loads(line)
        if "wait" in request:
            _answer({"code": _exit_code(request["wait"])})
            continue
        pid = os.fork()
        if pid == 0:
            return request["run"]
        _answer({"pid": pid})
    sys.exit()


def become(run: dict[str, Any]) -> None:
    """Make of this process the one that a shell would have started for the command."""
    os.setsid()
    # A shell that starts a job in the background has it ignore these.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGQUIT):
        signal.signal(number, signal.SIG_DFL)
    os.chdir(run["folder"])
    writing = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    for number, (path, flags) in enumerate(
        ((os.devnull, os.O_RDONLY), (run["out"], writing), (run["err"], writing))
    ):
        opened = os.open(path, flags, 0o644)
        os.dup2(opened, number)
        os.close(opened)
    if run["one_core"]:
        os.sched_setaffinity(0, {os.getpid() % (os.cpu_count() or 1)} & os.sched_getaffinity(0) or {0})
    if run["largest_file"] is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (run["largest_file"], run["largest_file"]))
    sys.argv = ["mlx", *run["arguments"]]


def _exit_code(pid: int) -> int | None:
    ended, status = os.waitpid(pid, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if ended else None


def _answer(document: dict[str, int | None]) -> None:
    sys.stdout.write(json.dumps(document) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    # The folder of this file holds modules of tests, none of which `mlx` may meet.
    sys.path.remove(str(Path(__file__).parent))
    prepare()
    become(serve())
    from mlx_runner.cli.entry import main

    main()
