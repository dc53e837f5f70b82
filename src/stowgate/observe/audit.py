"""The audit log: who did what and what the gateway did, each record durable and chained to the one before."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Lock

from stowgate import events
from stowgate.errors import Temporary, disk_code
from stowgate.observe import anchor as anchors
from stowgate.observe.anchor import Anchor
from stowgate.observe.record import LONGEST, MOST_IDS, Entry, Moment, Sealed, open_line, seal

LOG, ANCHOR = "audit.log", "audit.anchor"
_TAIL = 8 * LONGEST
_QUIET = 60.0
"""Seconds in which further callers of a source that were turned away are only counted."""


def now() -> Moment:
    """This moment, on this machine and boot."""
    return Moment(time.time(), _boot(), time.clock_gettime(time.CLOCK_BOOTTIME))


def _boot() -> str:
    with suppress(OSError), open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
        return file.read(64).strip().replace("-", "")
    return "0" * 32


class AuditLog:
    """Appends to the log of one spool. Several threads and processes may: each takes the file's lock for one record."""

    def __init__(self, folder: Path, key: bytes, moment: Callable[[], Moment] = now) -> None:
        """folder -- the spool's, on the identified side; key -- `project.sub(b"audit")`; see `append` for errors"""
        self._path, self._anchor, self._key, self._moment = folder / LOG, folder / ANCHOR, key, moment
        self._lock = Lock()
        self._last, self._size = Anchor(), -1
        self._turned_away: dict[str, tuple[float, int]] = {}
        with self._opened():
            pass

    def append(self, entry: Entry) -> int:
        """Write one record and wait until it is durable; its number.

        Raises Temporary("disk_full") or Temporary("audit_unwritable"): then what it says must not be done.
        """
        with self._opened() as handle:
            return self._write(handle, entry)

    def watch(self, event: events.GatewayEvent) -> None:
        """Record what the gateway tells of itself. Only an act of a person fails when it cannot be recorded."""
        entry = self._entry(event)
        if entry is None:
            return
        try:
            self.append(entry)
        except Temporary:
            if isinstance(event, events.Act):
                raise
            if isinstance(event, events.CallerTurnedAway):
                self._count(event.source, entry.count)

    def _entry(self, event: events.GatewayEvent) -> Entry | None:
        match event:
            case events.Act():
                ids, count = event.ids[:MOST_IDS], event.count or len(event.ids)
                return Entry(event.kind, event.actor, code=event.code, ids=ids, count=count)
            case events.Started():
                return Entry("started")
            case events.Stopping():
                return Entry("stopping")
            case events.IntakeStopped():
                return Entry("intake_stopped", code=event.code)
            case events.Reserve():
                return Entry("reserve_reached" if event.reached else "reserve_left", code="spool_reserve")
            case events.PayloadLost():
                return Entry("payload_lost", code="payload_lost", ids=(event.item,), count=1)
            case events.Purged():
                kind = "originals_purged" if event.originals else "purged"
                return Entry(kind, ids=event.ids[:MOST_IDS], count=event.count)
            case events.CallerTurnedAway():
                return self._turned(event)
            case events.DestinationPaused():
                return Entry("destination_paused", source=event.destination, code=event.code)
            case _:
                return None

    def _turned(self, event: events.CallerTurnedAway) -> Entry | None:
        """One record a minute and source: whoever knocks all day must not fill the disk."""
        moment = self._moment().since_boot
        with self._lock:
            since, count = self._turned_away.get(event.source, (-_QUIET, 0))
            if moment - since < _QUIET:
                self._turned_away[event.source] = since, count + 1
                return None
            self._turned_away[event.source] = moment, 0
        return Entry("turned_away", source=event.source, code=event.code, count=count + 1)

    def _count(self, source: str, count: int) -> None:
        """Have the next record of this source count these callers, too."""
        with self._lock:
            since, more = self._turned_away[source]
            self._turned_away[source] = since, more + count

    @contextmanager
    def _opened(self) -> Iterator[int]:
        """The log, locked, with `_last` and `_size` true."""
        with self._lock:
            try:
                handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX)
                    if os.fstat(handle).st_size != self._size:
                        self._find_end(handle)
                    yield handle
                finally:
                    os.close(handle)
            except OSError as error:
                self._size = -1  # whatever is there is looked at anew
                raise Temporary(disk_code(error, "audit_unwritable")) from None

    def _write(self, handle: int, entry: Entry) -> int:
        number = self._last.number + 1
        line = seal(self._key, number, self._last.digest, self._moment(), entry)
        try:
            data = memoryview(line + b"\n")
            at = self._size
            while data:
                done = os.pwrite(handle, data, at)
                data, at = data[done:], at + done
            os.fsync(handle)
        except OSError:
            with suppress(OSError):
                os.ftruncate(handle, self._size)
            raise
        sealed = open_line(self._key, line)
        assert sealed is not None  # noqa: S101 - what was sealed just now
        self._last, self._size = Anchor(number, sealed.digest), at
        anchors.write(self._key, self._anchor, self._last)
        return number

    def _find_end(self, handle: int) -> None:
        """Where the chain goes on. A line that a crash tore is cut off, and that is recorded.

        Where the anchor is further than the log, or is gone, records were cut off: the chain goes on behind the gap,
        and `verify` names it for ever.
        """
        size = os.fstat(handle).st_size
        tail = os.pread(handle, _TAIL, max(0, size - _TAIL))
        last = _last_sealed(self._key, tail[: tail.rfind(b"\n") + 1])
        end = Anchor(last.number, last.digest) if last else Anchor()
        noted = anchors.read(self._key, self._anchor)
        torn = _torn(self._key, tail, noted is not None and noted.number <= end.number)
        if noted is None:
            noted = Anchor(end.number + 1, end.digest) if size else self._begin()
        self._last = noted if noted.number > end.number else end
        self._size = size - torn
        if torn:
            os.ftruncate(handle, self._size)
            self._write(handle, Entry("repaired", count=torn))

    def _begin(self) -> Anchor:
        """An anchor before the first record, so that a log without one has lost it; both names are durable then."""
        anchors.write(self._key, self._anchor, Anchor())
        folder = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
        return Anchor()


def _last_sealed(key: bytes, tail: bytes) -> Sealed | None:
    found = (open_line(key, line) for line in reversed(tail.split(b"\n")))
    return next((sealed for sealed in found if sealed), None)


def _torn(key: bytes, tail: bytes, all_known: bool) -> int:
    """How many bytes at the end a crash left of a record nobody relied on; `all_known` -- the anchor misses nothing.

    Pages reach a disk in any order: the end of the last line may be there and what stands before it may not.
    """
    whole, _, torn = tail.rpartition(b"\n")
    line = whole[whole.rfind(b"\n") + 1 :]
    if torn or not line or not all_known or len(line) > LONGEST or open_line(key, line):
        return len(torn)
    return len(line) + 1
