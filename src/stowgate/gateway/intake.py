"""Takes an instance into custody: encrypted, synced, named, in the ledger, and only then answered (DESIGN 6)."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import replace
from threading import Lock
from typing import Protocol

from stowgate import events
from stowgate.errors import Rejected, Temporary
from stowgate.gateway.backlog import Backlog
from stowgate.gateway.examine import Examined, Examiner, coming
from stowgate.gateway.originals import GoesFurther, Originals, from_elsewhere
from stowgate.ingest.source import LATER, Accepted, Announced, Arrival, BrokenOff, Duplicate, Outcome, Refused
from stowgate.store.custody import Coming, Custody
from stowgate.store.room import Free, Room
from stowgate.store.spool import CleanShelf, Facts, RawShelf, Writing

STEP = 1 << 18
"""Bytes read from a sender at a time."""

_ROOM_EVERY = 16 << 20
"""Bytes of one object after which the room is looked at again."""

_PASSING = LATER - {"spool_failed"}
"""Refusals that end by themselves; anything else that the disk says ends intake."""


class Place(Protocol):
    """What intake needs of the spool."""

    @property
    def raw(self) -> RawShelf:
        """The shelf of identified objects."""

    @property
    def clean(self) -> CleanShelf:
        """The shelf of clean objects."""

    def room(self, coming: int = 0) -> Room:
        """See `store.spool_folder.Spool.room`."""

    def free(self) -> Free:
        """See `store.spool_folder.Spool.free`."""


class SpoolIntake:
    """See `ingest.source.Intake`. The return value is the acknowledgement, and nothing else is."""

    def __init__(
        self,
        spool: Place,
        ledger: Custody,
        examiner: Examiner,
        backlog: Backlog,
        tell: events.Watcher = lambda _: None,
        clock: Callable[[], float] = time.monotonic,
        further: GoesFurther = from_elsewhere,
    ) -> None:
        self._spool, self._ledger, self._examiner, self._backlog = spool, ledger, examiner, backlog
        self._originals = Originals(spool.raw, spool.clean, ledger, further)
        self._tell, self._clock = tell, clock
        self._lock = Lock()
        self._stopped = ""
        self._reached = False

    @property
    def closed_by(self) -> tuple[str, ...]:
        """Codes of what keeps intake shut, for /readyz; empty when it is open."""
        if self._stopped:
            return (self._stopped,)
        return ("spool_reserve",) if self._reached else ()

    def may_accept(self, announced: Announced) -> Refused | None:
        """See `Intake.may_accept`."""
        code = self._shut(announced.size or 0)
        return Refused(code) if code else None

    def receive(self, arrival: Arrival) -> Outcome:
        """See `Intake.receive`."""
        source, began = arrival.announced.source, self._clock()
        self._backlog.wait_for_room()
        outcome = self._received(arrival)
        if isinstance(outcome, Refused):
            self._tell(events.Refused(source, outcome.code))
            return outcome
        size, duplicate = outcome[1], isinstance(outcome[0], Duplicate)
        self._tell(events.Received(source, outcome[0].item, size, self._clock() - began, duplicate))
        return outcome[0]

    def stop(self, code: str = "intake_stopped") -> None:
        """Take nothing more in; what is under way is finished."""
        with self._lock:
            if self._stopped in ("", "intake_stopped") and self._stopped != code:
                self._stopped = code
                if code != "intake_stopped":  # an orderly stop alarms nobody
                    self._tell(events.IntakeStopped(code))

    def _received(self, arrival: Arrival) -> Refused | tuple[Accepted | Duplicate, int]:
        code = self._shut(arrival.announced.size or 0)
        if code:
            return Refused(code)
        try:
            writing = self._spool.raw.new(Facts(arrival.announced.source, arrival.peer))
            try:
                return self._taken(arrival, writing)
            finally:
                writing.abort()
        except Temporary as error:
            return self._failed(error.code)
        except OSError:
            return self._failed("spool_failed")

    def _taken(self, arrival: Arrival, writing: Writing) -> Refused | tuple[Accepted | Duplicate, int]:
        content = self._examiner.content()
        size = 0
        looked = _ROOM_EVERY
        while data := _next(arrival):
            writing.write(data)
            content.see(data)
            size += len(data)
            if size > looked:
                looked = size + _ROOM_EVERY
                if self._spool.room() is Room.HARD:
                    return Refused("disk_full")
        writing.finish()
        try:
            seen = self._looked_at(writing)
        except Rejected as rejected:
            return self._refused(arrival, size, rejected.code)
        writing.keep()
        row = coming(writing.id, arrival.announced.source, size, content.alias(), seen, arrival.peer)
        row = replace(row, content="") if arrival.announced.apart else self._originals.copy_of_nothing_damaged(row)
        if same := self._recorded(row):
            self._originals.let_go_of_copy(row.id)
            return Duplicate(row.id, same), size
        self._backlog.came()
        return Accepted(row.id), size

    def _recorded(self, row: Coming) -> str:
        """The id of the item that it is a duplicate of, or "". A row that is surely not there leaves no object."""
        try:
            (same,) = self._ledger.receive([row])
        except Temporary as error:
            if error.code in _PASSING:
                self._spool.raw.delete(row.id)
            raise
        return same

    def _looked_at(self, writing: Writing) -> Examined:
        try:
            with writing.reread() as source:
                return self._examiner.examine(source)
        except Rejected as rejected:
            if rejected.code == "spool_damaged":  # it was written just now: our disk, not its sender's object
                raise Temporary("spool_failed") from None
            raise

    def _refused(self, arrival: Arrival, size: int, code: str) -> Refused:
        """Complete bytes that are no instance: the row counts them, the sender keeps them."""
        source = arrival.announced.source
        self._ledger.receive([Coming(os.urandom(16).hex(), source, size, peer=arrival.peer, code=code)])
        return Refused(code)

    def _failed(self, code: str) -> Refused:
        """A disk that fails is not trusted again; one that is full may have room later."""
        if code not in _PASSING:
            self.stop("spool_failed")
            code = "spool_failed"
        return Refused(code)

    def _shut(self, size: int) -> str:
        if self._stopped:
            return self._stopped
        try:
            room = self._spool.room(size)
        except Temporary:
            return self._failed("spool_failed").code
        if room is Room.OPEN:
            self._note_reserve(reached=False)
            return ""
        if self._spool.room() is not Room.OPEN:
            self._note_reserve(reached=True)
        return "spool_reserve"

    def _note_reserve(self, *, reached: bool) -> None:
        if self._reached is not reached:
            self._reached = reached
            self._tell(events.Reserve(reached, self._spool.free().bytes))


def _next(arrival: Arrival) -> bytes:
    """The next bytes; a share or a stick that fails is the sender's disk, not ours."""
    try:
        return arrival.read(STEP)
    except OSError:
        raise BrokenOff from None
