"""The relay as a link: what passes is what was sent, as slow, late and broken as it was told to be."""

from __future__ import annotations

import hashlib
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest

from stowgate.link.profiles import Profile
from stowgate.link.relay import Relay
from stowgate.link.thread import relayed
from stowgate.link.trace import Span, State, Trace, cycle
from tests.ingest.dimse import eventually


class Echo:
    """A peer that gives back what it gets, and keeps it."""

    def __init__(self) -> None:
        self._server = socket.create_server(("127.0.0.1", 0))
        self.place: tuple[str, int] = self._server.getsockname()
        self.got, self.broken = bytearray(), 0
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                one, _ = self._server.accept()
                threading.Thread(target=self._hear, args=(one,), daemon=True).start()

    def _hear(self, one: socket.socket) -> None:
        with one:
            try:
                while data := one.recv(65536):
                    self.got += data
                    one.sendall(data)
            except OSError:
                self.broken += 1

    def close(self) -> None:
        self._server.close()


@pytest.fixture
def echo() -> Iterator[Echo]:
    made = Echo()
    yield made
    made.close()


def call(port: int, seconds: float = 20.0) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), seconds)


def exchanged(one: socket.socket, data: bytes) -> bytes:
    threading.Thread(target=lambda: (one.sendall(data), one.shutdown(socket.SHUT_WR)), daemon=True).start()
    back = bytearray()
    while part := one.recv(65536):
        back += part
    return bytes(back)


def test_every_byte_passes_both_ways_and_is_recorded_if_asked(echo: Echo) -> None:
    data = os.urandom(3_000_000)
    with relayed(echo.place, record=True) as relay, call(relay.port) as one:
        assert hashlib.sha256(exchanged(one, data)).digest() == hashlib.sha256(data).digest()
        (passed,) = relay.passed
        assert bytes(passed.up) == bytes(passed.down) == data
        assert (relay.counts.up, relay.counts.down, relay.counts.connections) == (len(data), len(data), 1)


def test_nothing_is_kept_that_nobody_asked_for(echo: Echo) -> None:
    with relayed(echo.place) as relay, call(relay.port) as one:
        assert exchanged(one, b"abc") == b"abc"
        assert relay.passed == []


def test_all_connections_share_the_rate(echo: Echo) -> None:
    rate, size = 200_000.0, 60_000
    profile = Profile(Trace((Span(0.0, rate),)))
    with relayed(echo.place, profile) as relay:
        began = time.monotonic()
        callers = [call(relay.port) for _ in range(3)]
        threads = [threading.Thread(target=exchanged, args=(one, os.urandom(size))) for one in callers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert time.monotonic() - began >= 3 * size / rate * 0.95


def test_a_piece_is_late_by_the_way_there_and_back(echo: Echo) -> None:
    with relayed(echo.place, Profile(Trace((Span(0.0, delay=0.3),)))) as relay, call(relay.port) as one:
        began = time.monotonic()
        one.sendall(b"x")
        assert one.recv(1) == b"x"
        assert time.monotonic() - began >= 0.29


def test_jitter_lets_no_piece_overtake_another(echo: Echo) -> None:
    profile = Profile(Trace((Span(0.0, 2_000_000.0, 0.02),)), jitter=0.02)
    data = os.urandom(200_000)
    with relayed(echo.place, profile) as relay, call(relay.port) as one:
        assert exchanged(one, data) == data


def test_a_link_that_is_down_keeps_what_it_holds_and_answers_nobody(echo: Echo) -> None:
    with relayed(echo.place) as relay, call(relay.port) as one:
        one.sendall(b"before")
        assert one.recv(6) == b"before"
        relay.cut(State.DOWN)
        eventually(lambda: relay.counts.outages == 1)
        time.sleep(0.1)
        one.sendall(b"during")
        one.settimeout(0.5)
        with pytest.raises(TimeoutError):
            one.recv(1)
        with pytest.raises(TimeoutError):
            call(relay.port, 0.5)
        relay.mend()
        one.settimeout(10)
        assert one.recv(6) == b"during", "nothing was lost, it was only late"
        with call(relay.port) as another:
            assert exchanged(another, b"y") == b"y"


def test_a_link_that_is_reset_ends_every_connection_and_refuses_callers(echo: Echo) -> None:
    with relayed(echo.place) as relay, call(relay.port) as one:
        one.sendall(b"x")
        assert one.recv(1) == b"x"
        relay.cut()
        with pytest.raises(ConnectionResetError):
            one.recv(1)
        eventually(lambda: _refused(relay.port))
        eventually(lambda: echo.broken == 1)
        relay.mend()
        eventually(lambda: not _refused(relay.port))
        assert relay.counts.resets == 1


def _refused(port: int) -> bool:
    try:
        call(port).close()
    except ConnectionRefusedError:
        return True
    return False


def test_a_trace_breaks_and_mends_the_link_by_itself(echo: Echo) -> None:
    with relayed(echo.place, Profile(cycle(None, 0.0, 0.8, 0.4, State.RESET))) as relay:
        eventually(lambda: relay.counts.outages >= 2)
        eventually(lambda: not _refused(relay.port))


def test_a_peer_that_is_not_there_ends_the_call(echo: Echo) -> None:
    echo.close()
    with relayed(("127.0.0.1", 1)) as relay, call(relay.port) as one:
        assert _ended(one)


def _ended(one: socket.socket) -> bool:
    try:
        return one.recv(1) == b""
    except ConnectionResetError:
        return True


def test_a_port_that_another_relay_has_is_an_error(echo: Echo) -> None:
    with relayed(echo.place) as relay, pytest.raises(OSError, match="in use"):
        Relay(echo.place, None, (relay.host, relay.port))
