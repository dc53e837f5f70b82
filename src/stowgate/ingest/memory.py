"""Both sides of the contract of sources in memory: an intake that collects, and a source that is handed instances."""

from __future__ import annotations

import io
import os
import queue
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from threading import Event, Lock

from stowgate.ingest.peek import FIRST, peek
from stowgate.ingest.source import Accepted, Announced, Arrival, BrokenOff, Duplicate, Intake, Outcome, Refused

_STEP = 1 << 16


@dataclass(frozen=True, slots=True)
class Taken:
    """One instance that was accepted."""

    item: str
    announced: Announced
    peer: str
    data: bytes = field(repr=False)


class MemoryIntake:
    """See `ingest.source.Intake`: keeps what comes, knows what it has, and refuses when it is told to.

    closed -- a code that `may_accept` refuses everything with, "" for open
    refuse -- looks at the whole of an instance: a code to refuse it with, or ""
    """

    def __init__(self, closed: str = "", refuse: Callable[[bytes], str] = lambda _: "") -> None:
        self.closed, self.refuse = closed, refuse
        self.taken: list[Taken] = []
        self.duplicates = self.broken_off = 0
        self._lock = Lock()

    def may_accept(self, announced: Announced) -> Refused | None:  # noqa: ARG002 - it is closed to all or open to all
        """See `Intake.may_accept`."""
        return Refused(self.closed) if self.closed else None

    def receive(self, arrival: Arrival) -> Outcome:
        """See `Intake.receive`."""
        data = bytearray()
        try:
            while part := arrival.read(_STEP):
                data += part
        except BrokenOff:
            with self._lock:
                self.broken_off += 1
            raise
        code = self.closed or self.refuse(bytes(data))
        if code:
            return Refused(code)
        with self._lock:
            known = any(one.data == data for one in self.taken)
            item = os.urandom(16).hex()
            if known:
                self.duplicates += 1
                return Duplicate(item)
            self.taken.append(Taken(item, arrival.announced, arrival.peer, bytes(data)))
        return Accepted(item)


def _broken(data: bytes) -> Callable[[int], bytes]:
    stream = io.BytesIO(data)

    def read(size: int) -> bytes:
        part = stream.read(size)
        if not part:
            raise BrokenOff
        return part

    return read


class HandedSource:
    """See `ingest.source.Source`: takes in what another thread hands over."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._handed: queue.Queue[tuple[Arrival, Future[Outcome]]] = queue.Queue()

    def hand_over(self, data: bytes, peer: str = "", broken_at: int | None = None) -> Future[Outcome]:
        """One PS3.10 file; the future is what its sender is told.

        broken_at -- number of bytes after which the sender goes away, None if it stays
        """
        found = peek(data[:FIRST])
        announced = Announced(self.name, found.sop_class, found.transfer_syntax, len(data))
        future: Future[Outcome] = Future()
        read = io.BytesIO(data).read if broken_at is None else _broken(data[:broken_at])
        self._handed.put((Arrival(announced, read, peer), future))
        return future

    def run(self, intake: Intake, stop: Event) -> None:
        """See `Source.run`."""
        while True:
            try:
                arrival, future = self._handed.get(timeout=0.02)
            except queue.Empty:
                if stop.is_set():
                    return
                continue
            try:
                future.set_result(intake.may_accept(arrival.announced) or intake.receive(arrival))
            except Exception as error:  # noqa: BLE001 - whoever handed it over is told, and the next one is served
                future.set_exception(error)
