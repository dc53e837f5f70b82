"""Deletes what is proved to have arrived: by its age, for room, or because a person says so; rows stay and count."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from stowgate import events
from stowgate.errors import StowgateError
from stowgate.gateway.rounds import Rounds
from stowgate.lifecycle import State
from stowgate.store.custody import Custody
from stowgate.store.room import Room
from stowgate.store.spool import CleanShelf, RawShelf

GROUP = 50
"""Items that go together: one record of the audit log names them all."""

LOOK = 60.0
"""Seconds between looks."""

_EVER = float("inf")


@dataclass(frozen=True, slots=True)
class Keeping:
    """How long things are kept that are proved to have arrived, in seconds since the last of it was; None: for ever.

    payload   -- of all of it
    originals -- of the original, where that is to go earlier
    pressure  -- whether the oldest go when the disk's reserve is reached
    """

    payload: float | None = None
    originals: float | None = None
    pressure: bool = False


class Shelves(Protocol):
    """What it is deleted from; `store.spool_folder.Spool` is one."""

    @property
    def raw(self) -> RawShelf:
        """Originals."""

    @property
    def clean(self) -> CleanShelf:
        """Clean objects."""

    def room(self, coming: int = 0) -> Room:
        """Whether there is room left."""

    def destroy_unused_epochs(self) -> int:
        """Make what was deleted unreadable for good."""


class Purge:
    """One of a gateway. The ledger alone decides what may go, and is asked for each item (`Custody.move`)."""

    def __init__(
        self,
        keeping: Keeping,
        ledger: Custody,
        spool: Shelves,
        tell: events.Watcher = lambda _: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._keeping, self._ledger, self._spool, self._tell, self._clock = keeping, ledger, spool, tell, clock
        self._rounds = Rounds("purge", self._round)

    def start(self) -> None:
        """Begin; first with what a dead process did not end."""
        self._rounds.start()

    def stop(self, seconds: float = 2.0) -> None:
        """End after the group at hand."""
        self._rounds.stop(seconds)

    def watch(self, event: events.GatewayEvent) -> None:
        """Room is wanted."""
        if isinstance(event, events.Reserve) and event.reached:
            self._rounds.ring()

    def _round(self) -> float:
        with suppress(StowgateError):  # the disk is what is wrong; what was begun is ended at the next look
            self.step()
        return LOOK

    def step(self) -> int:
        """One look; how many items lost something."""
        gone = self.ended()
        keeping, now = self._keeping, self._clock()
        if keeping.originals is not None:
            gone += self._originals(now - keeping.originals)
        if keeping.payload is not None:
            gone += self._purged(now - keeping.payload)
        if keeping.pressure:
            gone += self._purged(_EVER, lambda: self._spool.room() is not Room.OPEN)
        return self._erased(gone)

    def now(self, ids: Sequence[str]) -> list[str]:
        """A person wants these to go; the ids of those that may, and did."""
        groups = (ids[at : at + GROUP] for at in range(0, len(ids), GROUP))
        gone = [id for group in groups for id in self._delete(group)]
        self._erased(len(gone))
        return gone

    def ended(self) -> int:
        """End what is being purged: files first, then the rows say so. Done again, it does nothing."""
        number = 0
        while page := self._ledger.deliveries.purging(most=GROUP):
            ids = [id for _, id in page]
            for id in ids:
                for clean in self._ledger.made_of_item(id):
                    self._spool.clean.delete(clean)
                self._spool.raw.delete(id)
            self._ledger.forget_payload(ids, raw=True, clean=True)
            self._ledger.move(ids, State.PURGED)
            number += len(ids)
        return number

    def _purged(self, before: float, wanted: Callable[[], bool] = lambda: True) -> int:
        """Delete pages of what may go, the oldest first, while it is wanted."""
        number = after = 0
        while not self._rounds.stopping and wanted():
            page = self._ledger.deliveries.purgeable(before, after, GROUP)
            if not page:
                break
            after = page[-1][0]
            number += len(self._delete([id for _, id in page]))
        return number

    def _delete(self, ids: Sequence[str]) -> list[str]:
        """The row says it first, then it is told, then the files go (DESIGN 6)."""
        left = self._ledger.move(ids, State.PURGING)
        going = [id for id in ids if id not in left]
        if going:
            self._tell(events.Purged(tuple(going), len(going)))
            self.ended()
        return going

    def _originals(self, before: float) -> int:
        number = after = 0
        while page := self._ledger.deliveries.purgeable(before, after, GROUP, original=True):
            after, ids = page[-1][0], [id for _, id in page]
            self._tell(events.Purged(tuple(ids), len(ids), originals=True))
            self._ledger.forget_payload(ids, raw=True, clean=False)
            for id in self._ledger.unpayloaded(ids):  # somebody may have asked for one more object of it meanwhile
                self._spool.raw.delete(id)
            number += len(ids)
        return number

    def _erased(self, gone: int) -> int:
        if gone:
            self._spool.destroy_unused_epochs()
        return gone
