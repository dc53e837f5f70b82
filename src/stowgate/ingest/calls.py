"""The associations of one DIMSE source: who is let in, how a C-STORE becomes an arrival, what it is answered with."""

from __future__ import annotations

import socket
import time
import warnings
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as Late
from contextlib import suppress
from threading import BoundedSemaphore, Thread, Timer
from typing import TYPE_CHECKING, Any

from stowgate import events
from stowgate.errors import StowgateError
from stowgate.ingest.cstore_status import status_of
from stowgate.ingest.dimse_settings import TRIAL, VERIFICATION, Dimse
from stowgate.ingest.fragments import Announcement, Fragments
from stowgate.ingest.peek import FIRST, peek
from stowgate.ingest.source import Announced, Arrival, BrokenOff, Intake, Outcome, Refused
from stowgate.ingest.waiting_room import Admitted

if TYPE_CHECKING:
    from pynetdicom.association import Association

MAX_PDU = 131_072
_ANSWER = 120.0
"""Seconds an answer may take before the association is given up."""
_IDLE = 120.0
_LAST_WORDS = 2.0
"""Seconds that ending an association may take."""

_REJECTED = 32
"""Connections more than twice the associations that may be there, because a rejected caller has to hang up first."""

_UNRECOGNISED = (1, 1, 3)
"""A-ASSOCIATE-RJ: permanent, by the service user, calling AE title not recognised (PS3.8 9.3.4)."""
_CALLED_UNRECOGNISED = (1, 1, 7)
_TOO_MANY = (2, 3, 2)

_MOST_TO_LIST = 256
"""Strangers who may wait for being listed; a flood beyond that is counted only."""

TurnedAway = Callable[[str, str, str], None]
"""(source, calling AE title, address): somebody who is not on the list."""


class Calls:
    """The associations of one source."""

    def __init__(self, settings: Dimse, intake: Intake, turned_away: TurnedAway, tell: events.Watcher) -> None:
        from pynetdicom import AE, _config

        _config.UNRESTRICTED_STORAGE_SERVICE = True  # every storage SOP class, private ones and those to come
        _config.LOG_HANDLER_LEVEL = "none"
        self.settings, self._intake, self._turned_away, self._tell = settings, intake, turned_away, tell
        warnings.filterwarnings("ignore", module=r"(pydicom|pynetdicom)(\.|$)")  # they quote values to standard error
        self._pool = ThreadPoolExecutor(settings.max_associations, f"cstore-{settings.name}")
        self._list = ThreadPoolExecutor(1, f"strangers-{settings.name}")
        self._to_list = BoundedSemaphore(_MOST_TO_LIST)
        self._entity = AE(settings.ae)
        self._entity.maximum_pdu_size = MAX_PDU
        self._entity.maximum_associations = 10_000  # counted here, once they are associations
        self._entity.acse_timeout, self._entity.network_timeout, self._entity.dimse_timeout = 10, _IDLE, 60
        self._entity.add_supported_context(VERIFICATION)
        self._running: list[Association] = []

    def take(self, admitted: Admitted) -> None:
        """Begin an association with somebody who asked for one."""
        from stowgate.ingest.acceptor import accept
        from stowgate.ingest.dimse_stream import Streaming
        from stowgate.ingest.guarded_socket import guarded

        self._running = [one for one in self._running if one.is_alive()]
        if len(self._running) >= 2 * self.settings.max_associations + _REJECTED:
            admitted.connection.close()
            return
        handlers = self._handlers()
        try:
            association = accept(self._entity, self.settings, admitted, handlers, self._full, self._gone)
            plain = association.dul.socket
            association.dul.socket = guarded(plain, association.upper_layer, admitted.request, MAX_PDU)  # type: ignore[arg-type]
            association.dimse = Streaming(association, self._begin)
            association.start()
        except (OSError, RuntimeError):  # it is gone already, or there is no thread left
            admitted.connection.close()
            return
        self._running.append(association)

    def finish(self, seconds: float) -> None:
        """Let those who are sending finish the instance at hand, then end all associations."""
        deadline = time.monotonic() + seconds
        ended: set[Association] = set()
        while self._running:
            late = time.monotonic() >= deadline
            for one in self._running:
                if one not in ended and (late or not getattr(one.dimse, "is_receiving", False)):
                    ended.add(one)
                    Thread(target=_end, args=(one,), daemon=True).start()
            self._running = [one for one in self._running if one.is_alive()]
            if late and time.monotonic() >= deadline + _LAST_WORDS:
                break
            time.sleep(0.02)
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._list.shutdown(wait=False)

    def _gone(self, association: Any) -> None:
        association.dimse.break_off()
        if association.is_accepted_by_us:
            self._tell(events.Association(self.settings.name, opened=False))

    def judge(self, calling: str, called: str, address: str) -> tuple[int, int, int] | None:
        """See `waiting_room.Judge`. Whoever is on the list and calls us is welcome, nobody else; it never waits."""
        if not self.settings.allows(calling, address):
            if calling != TRIAL and self._to_list.acquire(blocking=False):
                self._list.submit(self._listed, calling, address)
            self._tell(events.CallerTurnedAway(self.settings.name))
            return _UNRECOGNISED
        if called != self.settings.ae.strip():
            self._tell(events.CallerTurnedAway(self.settings.name, "called_otherwise"))
            return _CALLED_UNRECOGNISED
        return None

    def _listed(self, calling: str, address: str) -> None:
        """In a thread of its own, because a ledger waits for the disk."""
        try:
            self._turned_away(self.settings.name, calling, address)
        except StowgateError:  # a full disk makes nobody welcome
            pass
        finally:
            self._to_list.release()

    def _full(self) -> tuple[int, int, int] | None:
        established = sum(one.is_established for one in self._running)
        return _TOO_MANY if established >= self.settings.max_associations else None

    def _handlers(self) -> list[tuple[Any, Callable[[Any], Any]]]:
        from pynetdicom import evt

        name, tell = self.settings.name, self._tell

        def broken_off(event: Any) -> None:
            event.assoc.dimse.break_off()

        def established(event: Any) -> None:
            event.assoc.is_accepted_by_us = True
            tell(events.Association(name, opened=True))

        return [
            (evt.EVT_C_STORE, self._answer),
            (evt.EVT_C_ECHO, lambda _: 0x0000),
            (evt.EVT_ESTABLISHED, established),
            (evt.EVT_ABORTED, broken_off),
            (evt.EVT_CONN_CLOSE, broken_off),
        ]

    def _begin(self, told: Announcement, fragments: Fragments) -> Future[Outcome]:
        """Called by the network's thread when a command is whole; the data set follows."""
        settings = self.settings
        code = ""
        if settings.sop_classes and told.sop_class not in settings.sop_classes:
            code = "sop_class_not_taken"
        elif settings.transfer_syntaxes and told.transfer_syntax not in settings.transfer_syntaxes:
            code = "transfer_syntax_not_taken"
        announced = Announced(settings.name, told.sop_class, told.transfer_syntax)
        refusal = Refused(code) if code else self._intake.may_accept(announced)
        if refusal:
            fragments.close()
            self._tell(events.Refused(settings.name, refusal.code))
            return _refused(refusal.code)
        return self._pool.submit(self._take, announced, told, fragments)  # its own thread: ours feeds it

    def _take(self, announced: Announced, told: Announcement, fragments: Fragments) -> Outcome:
        checked = _Checked(told, fragments)
        try:
            return self._intake.receive(Arrival(announced, checked.read))
        except BrokenOff:
            code = "announced_differs" if checked.differs else "truncated"
            self._tell(events.Refused(announced.source, code))
            return Refused(code)
        finally:
            fragments.close()

    def _answer(self, event: Any) -> int:
        """The handler of EVT_C_STORE, in the association's thread: 0000 only after custody."""
        future: Future[Outcome] | None = event.assoc.dimse.outcome()
        try:
            return status_of(future.result(_ANSWER) if future else Refused("internal_error"))
        except (Late, Exception):  # noqa: BLE001 - whatever went wrong, the sender must keep its object
            return status_of(Refused("internal_error"))


def _end(association: Association) -> None:
    """Abort, and cut the connection of a peer that does not even let us say so."""
    cut = Timer(_LAST_WORDS / 2, _cut, (association,))
    cut.daemon = True
    cut.start()
    association.dul.to_user_queue.put(None)  # one whose request made no sense waits for another
    association.abort()
    cut.cancel()


def _cut(association: Association) -> None:
    plain = association.dul.socket and association.dul.socket.socket
    if plain:
        with suppress(OSError):
            plain.shutdown(socket.SHUT_RDWR)


class _Checked:
    """Reads fragments, and breaks off where the data set is not the instance that was announced (PS3.4 B.2.3)."""

    def __init__(self, told: Announcement, fragments: Fragments) -> None:
        self._told, self._fragments = told, fragments
        self._head: bytes | None = b""
        self.differs = False

    def read(self, size: int) -> bytes:
        """See `Arrival.read`."""
        data = self._fragments.read(size)
        if self._head is not None:
            self._head += data
            if len(self._head) >= FIRST or not data:
                self._compare(self._head)
                self._head = None
        return data

    def _compare(self, head: bytes) -> None:
        found = peek(head)
        pairs = ((found.sop_class, self._told.sop_class), (found.sop_instance, self._told.sop_instance))
        if any(said and said != told for said, told in pairs):
            self.differs = True
            raise BrokenOff


def _refused(code: str) -> Future[Outcome]:
    """The outcome of an instance that nobody begins to take in."""
    future: Future[Outcome] = Future()
    future.set_result(Refused(code))
    return future
