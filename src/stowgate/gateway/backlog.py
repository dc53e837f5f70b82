"""How much work waits: wakes workers when something came, and slows sources down when too much did."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

MOST = 400
"""Received objects from which on sources wait: what comes for long comes no faster than it is cleaned."""

LONGEST_WAIT = 5.0
"""Seconds a source waits at most: a scanner is slowed down, never turned away for this alone."""


QUIET, LONGEST_BURST, ENOUGH = 0.15, 3.0, 200
"""Seconds without an arrival that end a burst; seconds and objects after which it is no burst but what comes for long.

An answer to a scanner is a few milliseconds of the interpreter's; a worker that begins in the middle of a burst doubles
them, and has nothing of it that it could not have a moment later.
"""


class Backlog:
    """A count of items in received, shared by intake and workers."""

    def __init__(self, waiting: int = 0, most: int = MOST, clock: Callable[[], float] = time.monotonic) -> None:
        self._changed = threading.Condition()
        self._waiting, self._most, self._clock = waiting, most, clock
        self._closed = False
        self._began = self._last = float("-inf")

    @property
    def waiting(self) -> int:
        """Items that were received and not ended yet, about."""
        return self._waiting

    def came(self, number: int = 1) -> None:
        """Something was received: a worker may begin."""
        with self._changed:
            now = self._clock()
            self._began = now if now - self._last >= QUIET else self._began
            self._last = now
            self._waiting += number
            self._changed.notify_all()

    def ended(self, number: int = 1) -> None:
        """Work ended: a source may go on."""
        with self._changed:
            self._waiting -= number  # below 0 for a moment where a worker was faster than `came`
            self._changed.notify_all()

    def is_now(self, waiting: int) -> None:
        """What the ledger says: items that a person gave back, or another count that went astray."""
        with self._changed:
            self._waiting = waiting
            self._changed.notify_all()

    def wait_for_work(self, seconds: float) -> None:
        """Return when something waits, or after so many seconds, because the ledger may know of more than this does."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting > 0 or self._closed, seconds)

    def wait_for_room(self, seconds: float = LONGEST_WAIT) -> None:
        """Return when the backlog is short enough, or after so many seconds."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting < self._most or self._closed, seconds)

    def wait_for_lull(self) -> None:
        """Return when a sender has said what it had to say, for now; soon in any case."""
        with self._changed:
            while (seconds := self._left_of_burst()) > 0:
                self._changed.wait(seconds)

    def _left_of_burst(self) -> float:
        """Seconds for which a burst of arrivals may still go on."""
        if self._closed or self._waiting >= ENOUGH:
            return 0.0
        return min(self._last + QUIET, self._began + LONGEST_BURST) - self._clock()

    def close(self) -> None:
        """Nobody waits any more."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
