"""Real processes of `mlx`, forked by `fork_server.py`: begun, signalled and waited for."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SERVER = Path(__file__).with_name("fork_server.py")
LONGEST_SECONDS = 300.0
"""What no run of these tests takes, however busy the machine is."""

_POOLS = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


def plain_environment() -> dict[str, str]:
    """The environment for a process of one thread, whose streams are buffered as they usually are."""
    return {**{key: value for key, value in os.environ.items() if key != "PYTHONUNBUFFERED"}, **_POOLS}


class ForkServer:
    """The program that forks, for as long as the block lasts."""

    def __enter__(self) -> ForkServer:
        # A session of its own: an interrupt of the tests must not become one of the server.
        self._program = subprocess.Popen(
            [sys.executable, str(SERVER)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=plain_environment(),
            text=True,
            start_new_session=True,
        )
        self._started: list[Process] = []
        assert self._read()["ready"] == self._program.pid
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._started:
            if process.code is None:
                process.signal(signal.SIGKILL)
        self._program.communicate()
        assert self._program.returncode == 0

    def start(
        self,
        *arguments: str,
        folder: Path,
        out: Path | None = None,
        err: Path | None = None,
        one_core: bool = False,
        largest_file: int | None = None,
    ) -> Process:
        """`mlx ARGUMENTS` in `folder`; its streams go to files beside it unless they are named.

        one_core: it sees a machine of one core. largest_file: in bytes, what the system lets it write.
        """
        number = len(self._started)
        out = out or folder / f".{number}.out"
        err = err or folder / f".{number}.err"
        run = {
            "arguments": arguments,
            "folder": str(folder),
            "out": str(out),
            "err": str(err),
            "one_core": one_core,
            "largest_file": largest_file,
        }
        process = Process(self, self.ask({"run": run})["pid"], out, err)
        self._started.append(process)
        return process

    def run(self, *arguments: str, **options: Any) -> Process:
        """`start`, and wait for its end."""
        process = self.start(*arguments, **options)
        process.wait()
        return process

    def ask(self, request: dict[str, object]) -> dict[str, Any]:
        """The answer to one request."""
        assert self._program.stdin is not None
        self._program.stdin.write(json.dumps(request) + "\n")
        self._program.stdin.flush()
        return self._read()

    def _read(self) -> dict[str, Any]:
        assert self._program.stdout is not None
        line = self._program.stdout.readline()
        assert line, "the server has ended"
        return json.loads(line)


@dataclass
class Process:
    """One forked process. `code`, once it has ended: its exit code, or minus the signal that ended it."""

    server: ForkServer
    pid: int
    out_path: Path
    err_path: Path
    code: int | None = None

    @property
    def out(self) -> str:
        """What it has written to stdout."""
        return self.out_path.read_text("utf-8")

    @property
    def err(self) -> str:
        """What it has written to stderr."""
        return self.err_path.read_text("utf-8")

    def signal(self, number: int) -> None:
        """Send a signal; one that has ended but was not waited for takes no notice."""
        assert self.code is None, "its pid may be another's by now"
        os.kill(self.pid, number)

    def signal_group(self, number: int) -> None:
        """Send a signal to it and all that it has started."""
        assert self.code is None, "its group may be another's by now"
        os.killpg(self.pid, number)

    def has_ended(self) -> bool:
        """Whether it has ended; `code` is known from then on."""
        if self.code is None:
            self.code = self.server.ask({"wait": self.pid})["code"]
        return self.code is not None

    def wait(self) -> int:
        """Its exit code, when it has ended."""
        patience = time.monotonic() + LONGEST_SECONDS
        while not self.has_ended():
            assert time.monotonic() < patience, f"it hangs; it said: {self.err}"
            time.sleep(0.002)
        assert self.code is not None
        return self.code
