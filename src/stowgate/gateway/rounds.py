"""A thread that takes one step after the other and waits in between, until somebody rings or its time has come."""

from __future__ import annotations

from collections.abc import Callable
from threading import Condition, Thread


class Rounds:
    """Calls `step` in a thread of its own; what it returns are the seconds until the next one, 0 for at once."""

    def __init__(self, name: str, step: Callable[[], float], ended: Callable[[], None] = lambda: None) -> None:
        """ended -- called by the thread when it is told to stop"""
        self._step, self._ended = step, ended
        self._bell = Condition()
        self._rung = self._stopping = False
        self._thread = Thread(target=self._run, name=name, daemon=True)

    @property
    def stopping(self) -> bool:
        """Whether a step that takes long should end."""
        return self._stopping

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def ring(self) -> None:
        """End the wait of now, or the next one."""
        with self._bell:
            self._rung = True
            self._bell.notify_all()

    def stop(self, seconds: float) -> None:
        """End after the step at hand, and wait for that so long."""
        with self._bell:
            self._stopping = True
            self._bell.notify_all()
        if self._thread.ident is not None:
            self._thread.join(seconds)

    def wait(self, seconds: float) -> None:
        """Within a step: as between two of them."""
        with self._bell:
            self._bell.wait_for(lambda: self._rung or self._stopping, seconds)
            self._rung = False

    def _run(self) -> None:
        while not self._stopping:
            seconds = self._step()
            if seconds:
                self.wait(seconds)
        self._ended()
