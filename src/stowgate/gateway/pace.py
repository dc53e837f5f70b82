"""How fast the way to a destination is, as its parcels show, and how many workers it is worth."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock

from stowgate.outbox.crew import Crew, crowded, interrupted, looked
from stowgate.outbox.policy import UNBROKEN

ASSUMED = float(1 << 18)
"""Bytes each second that a line is taken to have before it was measured."""

_EVERY = 10.0
"""Seconds between notes of the rate."""

_NEWEST = 0.3
"""How much the latest parcel counts for."""

CROWDED = frozenset(("peer_busy", "peer_unreachable"))
"""How a place says that it takes no further caller."""


class Pace:
    """That of one destination; all its workers share it."""

    def __init__(
        self,
        most: int,
        taken: Callable[[], int],
        clock: Callable[[], float],
        note: Callable[[float], None],
        known: float | None = None,
    ) -> None:
        """taken -- bytes that ever went out; note -- writes a rate down; known -- what was written down before"""
        self._crew, self._taken, self._clock, self._note = Crew(most), taken, clock, note
        self._each, self._noted, self._turn = known, float("-inf"), Lock()
        self._holds, self._whole_since = UNBROKEN, clock()

    @property
    def each(self) -> float:
        """Bytes each second that one worker gets through."""
        return self._each or ASSUMED

    @property
    def holds(self) -> float:
        """Seconds that the way holds between two breaks, as far as is known: at least as long as it has held now."""
        return max(self._holds, self._clock() - self._whole_since)

    def broke(self) -> None:
        """It worked, and works no more."""
        with self._turn:
            self._holds = (self._holds + max(0.0, self._clock() - self._whole_since)) / 2

    def returned(self) -> None:
        """It works again."""
        with self._turn:
            self._whole_since = self._clock()

    @property
    def workers(self) -> int:
        """How many may be at work."""
        return self._crew.size

    def admits(self, index: int) -> bool:
        """Whether this worker may take something; each question is a look at the line, too."""
        with self._turn:
            self._crew = looked(self._crew, self._clock(), self._taken())
            return index < self._crew.size

    def sent(self, size: int, seconds: float) -> None:
        """A parcel of so many bytes went well."""
        if size <= 0 or seconds <= 0:
            return
        with self._turn:
            rate = size / seconds
            self._each = rate if self._each is None else (1 - _NEWEST) * self._each + _NEWEST * rate
            now, all_of_them = self._clock(), self._each * self._crew.size
            if now - self._noted < _EVERY:
                return
            self._noted = now
        self._note(all_of_them)

    def interrupted(self) -> None:
        """The way broke, or somebody found nothing to do."""
        with self._turn:
            self._crew = interrupted(self._crew)

    def is_crowded(self, index: int, code: str) -> bool:
        """Whether this failure of a further worker only says that there are too many; then there is one fewer."""
        if index == 0 or code not in CROWDED:
            return False
        with self._turn:
            self._crew = crowded(self._crew, self._clock())
        return True
