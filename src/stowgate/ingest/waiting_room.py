"""Where connections wait until their A-ASSOCIATE-RQ is whole: the silent, the slow and strangers cost no thread."""

from __future__ import annotations

import selectors
import socket
import ssl
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from stowgate.ingest.associate_items import calling_and_called, count_items, rejection
from stowgate.ingest.association_socket import A_ASSOCIATE_RQ, HEADER, LARGEST_ASSOCIATE, prepare, quick

PATIENCE = 5.0
"""Seconds from the connection to the last byte of the A-ASSOCIATE-RQ (ARTIM, PS3.8 9.1.5)."""

MOST = 512
"""Connections that wait at the same time."""

HELD = 32 << 20
"""Bytes of requests that are held at the same time, whoever sends them."""

Judge = Callable[[str, str, str], tuple[int, int, int] | None]
"""(calling AE title, called AE title, address) -> result, source and reason of an A-ASSOCIATE-RJ, None: welcome."""

_STEP = 1 << 16
_PAUSE = 0.25
"""Seconds to leave the listening socket alone when no descriptor is free."""


@dataclass(slots=True, eq=False)
class _Waiting:
    connection: socket.socket
    address: str
    due: float
    shaking: bool
    data: bytearray = field(default_factory=bytearray)
    judged: bool = False
    unwelcome: bool = False
    rejected: bytes = b""
    """The A-ASSOCIATE-RJ that is due when the rest of the request has come."""
    unwanted: int = 0
    """Bytes of that rest."""


@dataclass(frozen=True, slots=True)
class Admitted:
    """A connection with the whole of its A-ASSOCIATE-RQ."""

    connection: socket.socket
    address: str
    request: bytes


class WaitingRoom:
    """Accepts from one listening socket; serves from one thread."""

    def __init__(
        self,
        listening: socket.socket,
        tls: ssl.SSLContext | None = None,
        most: int = MOST,
        most_per_address: int = 64,
        patience: float = PATIENCE,
        clock: Callable[[], float] = time.monotonic,
        judge: Judge = lambda *_: None,
        most_held: int = HELD,
    ) -> None:
        self._listening, self._tls = listening, tls
        self._judge, self._held, self._most_held = judge, 0, most_held
        self._most, self._per_address, self._patience, self._clock = most, most_per_address, patience, clock
        self._waiting: dict[int, _Waiting] = {}
        self._by_address: Counter[str] = Counter()
        self._selector = selectors.DefaultSelector()
        self._resume = 0.0
        listening.setblocking(False)
        self._selector.register(listening, selectors.EVENT_READ)

    def admit(self, seconds: float) -> Iterator[Admitted]:
        """Those who become ready within so many seconds; whoever waits too long is shown out."""
        now = self._clock()
        if self._resume and now >= self._resume:
            self._resume = 0.0
            self._selector.register(self._listening, selectors.EVENT_READ)
        for key, _ in self._selector.select(seconds):
            if key.fileobj is self._listening:
                self._let_in()
                continue
            waiting = self._waiting.get(key.fd)
            if waiting is not None and self._read(waiting):
                self._leave(waiting)
                waiting.connection.setblocking(True)
                yield Admitted(waiting.connection, waiting.address, bytes(waiting.data))
        now = self._clock()
        for waiting in [one for one in self._waiting.values() if one.due <= now]:
            self._show_out(waiting)

    def close(self) -> None:
        """Show everybody out."""
        for waiting in list(self._waiting.values()):
            self._show_out(waiting)
        self._selector.close()

    def _let_in(self) -> None:
        for _ in range(64):
            try:
                connection, address = self._listening.accept()
            except BlockingIOError:
                return
            except OSError:  # no descriptor is free: let others finish first
                self._selector.unregister(self._listening)
                self._resume = self._clock() + _PAUSE
                return
            self._take(connection, str(address[0]))

    def _take(self, connection: socket.socket, address: str) -> None:
        if len(self._waiting) >= self._most or self._by_address[address] >= self._per_address:
            oldest = next((one for one in self._waiting.values() if one.address == address), None)
            self._show_out(oldest or next(iter(self._waiting.values())))
        try:
            prepare(connection)
            connection.setblocking(False)
            if self._tls:
                connection = self._tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
            waiting = _Waiting(connection, address, self._clock() + self._patience, self._tls is not None)
            self._selector.register(connection, selectors.EVENT_READ)
        except (OSError, ValueError):
            connection.close()
            return
        self._waiting[connection.fileno()] = waiting
        self._by_address[address] += 1

    def _read(self, waiting: _Waiting) -> bool:
        """Take what there is; whether the request is complete. Whoever sends something else is shown out."""
        try:
            if waiting.shaking and isinstance(waiting.connection, ssl.SSLSocket):
                waiting.connection.do_handshake()
                waiting.shaking = False
            while not waiting.unwelcome and (wanted := _missing(waiting.data)) > 0:
                self._hold(waiting, _received(waiting.connection, min(wanted, _STEP)))
            if waiting.unwelcome:
                self._turn_away(waiting)
                return False
            if not waiting.judged:
                raise ValueError("too short to say who calls")
            count_items(waiting.data)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return False
        except (OSError, ValueError):
            self._show_out(waiting)
            return False
        return True

    def _hold(self, waiting: _Waiting, data: bytes) -> None:
        """Keep a part of a request, unless its caller is nobody's; when too much is held, the largest has to go."""
        waiting.data += data
        self._held += len(data)
        titles = None if waiting.judged else calling_and_called(waiting.data)
        if titles:
            waiting.judged = True
            reason = self._judge(*titles, waiting.address)
            if reason:
                waiting.unwelcome = True
                waiting.rejected, waiting.unwanted = rejection(*reason), _missing(waiting.data)
                self._held -= len(waiting.data)
                waiting.data.clear()
        if self._held > self._most_held:
            largest = max(self._waiting.values(), key=lambda one: len(one.data))
            if largest is waiting:
                raise ConnectionAbortedError
            self._show_out(largest)

    def _turn_away(self, waiting: _Waiting) -> None:
        """Read past the rest of the request, say no, and let the other side hang up: its patience or ours ends it."""
        if waiting.unwanted > 0 or not waiting.rejected:
            waiting.unwanted -= len(_received(waiting.connection, _STEP))
        if waiting.unwanted <= 0 and waiting.rejected:
            waiting.connection.send(waiting.rejected)
            waiting.rejected = b""

    def _leave(self, waiting: _Waiting) -> None:
        self._selector.unregister(waiting.connection)
        del self._waiting[waiting.connection.fileno()]
        self._held -= len(waiting.data)
        self._by_address[waiting.address] -= 1
        if not self._by_address[waiting.address]:
            del self._by_address[waiting.address]

    def _show_out(self, waiting: _Waiting) -> None:
        self._leave(waiting)
        waiting.connection.close()


def _missing(data: bytearray) -> int:
    """How many bytes of the A-ASSOCIATE-RQ are missing; ValueError for what is none or too long (PS3.8 9.3.2)."""
    if data and data[0] != A_ASSOCIATE_RQ:
        raise ValueError("no association is asked for")
    if len(data) < HEADER:
        return HEADER - len(data)
    length = int.from_bytes(data[2:HEADER], "big")
    if length > LARGEST_ASSOCIATE:
        raise ValueError("nobody asks for that much")
    return HEADER + length - len(data)


def _received(connection: socket.socket, size: int) -> bytes:
    """Some bytes; BlockingIOError and its kin when there are none, ConnectionResetError when there will be none."""
    data = connection.recv(size)
    quick(connection)
    if not data:
        raise ConnectionResetError
    return data
