"""What signals do to a command: the first is heeded when all is saved, a second one at once."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress
from types import FrameType

from ..training.interruption import Interruption

_STOPPING: tuple[signal.Signals, ...] = (signal.SIGINT, signal.SIGTERM)
_HANGUPS: tuple[signal.Signals, ...] = (signal.SIGHUP,) if sys.platform != "win32" else ()


@contextmanager
def handled_signals(interruption: Interruption) -> Generator[None]:
    """Hand SIGINT and SIGTERM to `interruption`, and let SIGHUP, the end of a terminal, do no harm.

    What the caller's shell has switched off (`nohup`, a job in the background) stays so. Outside the main
    thread, where Python handles no signals, nothing is changed.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def receive(number: int, _: FrameType | None) -> None:
        was_waiting = interruption.signal is not None
        interruption.receive(number)
        if not was_waiting:
            # Not sys.stderr: the signal may have come in the middle of a write to it.
            name = signal.Signals(number).name
            with suppress(OSError):
                os.write(2, f"mlx: {name}: stopping after this step; once more stops at once\n".encode())

    before = {number: signal.getsignal(number) for number in (*_STOPPING, *_HANGUPS)}
    taken = [number for number, handler in before.items() if handler is not signal.SIG_IGN]
    for number in taken:
        signal.signal(number, receive if number in _STOPPING else signal.SIG_IGN)
    try:
        yield
    finally:
        for number in taken:
            signal.signal(number, before[number])
