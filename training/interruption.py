"""A wish from outside that training stops: heeded between two steps, at once where nothing is to be saved."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager


class Interrupted(KeyboardInterrupt):
    """Stopped by a signal. `outcome` is what is left of what it stopped, as a sentence."""

    def __init__(self, signal: int) -> None:
        super().__init__(signal)
        self.signal = signal
        self.outcome: str | None = None


class Interruption:
    """What a handler of signals calls. Outside `deferred` every signal raises `Interrupted` where it
    arrives, and is kept in `raised`; inside, the first one waits in `signal` until training has saved, and
    a second one raises."""

    def __init__(self) -> None:
        self.signal: int | None = None
        self.raised: int | None = None
        self._is_deferred = False
        self._is_closing = False

    def receive(self, signal: int) -> None:
        """Take in a signal. Raises Interrupted unless it is to wait."""
        if self._is_closing:
            return
        if self._is_deferred and self.signal is None:
            self.signal = signal
            return
        self.signal = self.raised = signal
        raise Interrupted(signal)

    def heed(self) -> None:
        """All is saved: raises Interrupted if a signal waits."""
        if self.signal is not None:
            raise Interrupted(self.signal)

    @contextmanager
    def ignored(self) -> Generator[None]:
        """Signals have no effect inside, for the moment in which a run is closed."""
        self._is_closing = True
        try:
            yield
        finally:
            self._is_closing = False

    @contextmanager
    def deferred(self) -> Generator[None]:
        """Signals wait inside, for whoever calls `heed`; one that nobody did is heeded at the end."""
        self._is_deferred = True
        try:
            yield
        finally:
            self._is_deferred = False
        self.heed()
