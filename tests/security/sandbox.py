"""A folder that a command works deep inside of, so that all it leaves anywhere near is seen; and its cost."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

Mlx = Callable[..., tuple[int, str, str]]

CODES = {0, 2, 3, 4, 5, 6}
"""How a command may end on whatever a stranger wrote: never by a fault of ours (1), never by a signal."""

MOST_SECONDS = 2.0
MOST_MEGABYTES = 200.0
_MIB = 1024.0

# A line feed ends lines; all else that is shown has a shape of its own.
_HIDDEN = re.compile(r"[^\n\x20-\x7e]")


@dataclass
class Outcome:
    """What a command did: its exit code, what it said, and what it took."""

    code: int
    out: str
    err: str
    seconds: float
    megabytes: float


@dataclass
class Sandbox:
    """`work` is where commands run; nothing above or beside it may change but what `may_change` names."""

    mlx: Mlx
    root: Path
    work: Path = field(init=False)

    def __post_init__(self) -> None:
        self.work = self.root / "a" / "b" / "c"
        self.work.mkdir(parents=True)

    def write(self, name: str, content: str | bytes) -> Path:
        """A file of the stranger's."""
        path = self.work / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass"))
        return path

    def run(self, *arguments: str) -> Outcome:
        """The command, and that it ended as it should and said nothing that a terminal would obey."""
        before_bytes = _resident()
        _forget_peak()
        started = time.process_time()
        code, out, err = self.mlx(*arguments, folder=self.work)
        seconds = time.process_time() - started
        outcome = Outcome(code, out, err, seconds, _peak() - before_bytes)
        assert code in CODES, (arguments, code, err)
        assert "Traceback" not in err, err
        assert not hidden_characters(out), (arguments, hidden_characters(out))
        assert not hidden_characters(err), (arguments, hidden_characters(err))
        assert (code == 0) or err or "--json" in arguments, "a failure says why"
        return outcome

    def read(self, *arguments: str) -> Outcome:
        """A command that only reads: not a file is another one after it."""
        before = self.files()
        outcome = self.run(*arguments)
        assert self.files() == before, arguments
        return outcome

    def files(self) -> dict[str, str]:
        """Every file, link and folder by its path, with what tells its content."""
        return {path.relative_to(self.root).as_posix(): _content(path) for path in self.root.rglob("*")}


def hidden_characters(text: str) -> set[str]:
    """Those that a terminal would obey, or that turn or hide what stands beside them."""
    return {each for each in _HIDDEN.findall(text) if not each.isprintable()}


def _content(path: Path) -> str:
    if path.is_symlink():
        return f"link to {path.readlink()}"
    return hashlib.md5(path.read_bytes()).hexdigest() if path.is_file() else "folder"


def _resident() -> float:
    return _status("VmRSS")


def _peak() -> float:
    return _status("VmHWM")


def _status(name: str) -> float:
    """A line of /proc/self/status, in MiB."""
    for line in Path("/proc/self/status").read_text("utf-8").splitlines():
        key, _, rest = line.partition(":")
        if key == name:
            return int(rest.split()[0]) / _MIB
    raise AssertionError(f"the system does not tell {name}")


def _forget_peak() -> None:
    """The highest resident size counts from now on (man 5 proc, clear_refs)."""
    Path("/proc/self/clear_refs").write_text("5", "utf-8")
