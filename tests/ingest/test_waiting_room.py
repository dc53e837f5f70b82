"""Who asks for an association whole is let in; the silent, the slow and the rest cost an entry and no thread."""

from __future__ import annotations

import os
import resource
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from stowgate.ingest.waiting_room import Admitted, WaitingRoom
from tests.ingest.dimse import associate, pdu

REQUEST = associate()


@dataclass
class Place:
    """A room with a clock that is told."""

    most: int = 512
    per_address: int = 64
    now: float = 0.0
    peers: list[socket.socket] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.listening = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.room = WaitingRoom(self.listening, None, self.most, self.per_address, 5.0, lambda: self.now)

    def come(self, data: bytes = b"") -> socket.socket:
        peer = socket.create_connection(self.listening.getsockname(), 5)
        self.peers.append(peer)
        if data:
            peer.sendall(data)
        return peer

    def admitted(self, rounds: int = 6) -> list[Admitted]:
        return [one for _ in range(rounds) for one in self.room.admit(0.02)]

    @property
    def waiting(self) -> int:
        return len(self.room._waiting)

    def close(self) -> None:
        self.room.close()
        self.listening.close()
        for peer in self.peers:
            peer.close()


@pytest.fixture
def place() -> Iterator[Place]:
    found = Place()
    yield found
    found.close()


def gone(peer: socket.socket) -> bool:
    """Whether the other side has hung up."""
    peer.settimeout(2)
    try:
        return peer.recv(1) == b""
    except ConnectionResetError:
        return True


def test_a_whole_request_is_handed_on_byte_for_byte_and_nothing_behind_it(place: Place) -> None:
    peer = place.come(REQUEST + b"behind")
    (one,) = place.admitted()
    assert (one.request, one.address) == (REQUEST, "127.0.0.1")
    assert one.connection.recv(100) == b"behind"
    one.connection.sendall(b"answer")
    assert peer.recv(6) == b"answer"
    one.connection.close()


def test_a_request_may_come_in_pieces_but_not_for_ever(place: Place) -> None:
    slow, dripping = place.come(), place.come()
    for at in range(0, len(REQUEST), 40):
        slow.sendall(REQUEST[at : at + 40])
        found = place.admitted(1)
    assert [one.request for one in found or place.admitted()] == [REQUEST]
    for _ in range(4):
        dripping.sendall(REQUEST[:1])
        assert place.admitted(1) == []
        place.now += 1.3
    assert place.admitted(1) == []
    assert gone(dripping)
    assert place.waiting == 0


def test_the_silent_are_shown_out_after_five_seconds(place: Place) -> None:
    silent = [place.come() for _ in range(20)]
    place.admitted()
    assert place.waiting == 20
    place.now = 4.9
    place.admitted(1)
    assert place.waiting == 20
    place.now = 5.1
    place.admitted(1)
    assert place.waiting == 0
    assert all(gone(one) for one in silent)


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        pdu(4, b"data"),
        b"\x01\x00\xff\xff\xff\xff",
        b"\x01\x00\x00\x20\x00\x00",
    ],
    ids=["http", "tls", "p-data", "4 GiB", "2 MiB"],
)
def test_what_asks_for_no_association_is_shown_out_at_its_first_bytes(place: Place, data: bytes) -> None:
    peer = place.come(data)
    assert place.admitted() == []
    assert gone(peer)
    assert place.waiting == 0


def test_128_presentation_contexts_are_let_in_and_10_000_are_not(place: Place) -> None:
    def many(count: int) -> bytes:
        return associate(contexts=[(n * 2 % 256 + 1, "1.2.840.10008.1.1", ["1.2.840.10008.1.2"]) for n in range(count)])

    place.come(many(128))
    (one,) = place.admitted()
    one.connection.close()
    for count in (129, 10_000):
        peer = place.come(many(count))
        assert place.admitted(20) == []
        assert gone(peer)


def test_items_whose_lengths_make_no_sense_do_not_disturb_the_count(place: Place) -> None:
    for body in (bytes(68) + b"\x20\x00", bytes(68) + b"\x20\x00\xff\xff" * 300, b""):
        place.come(pdu(1, body))
    for one in place.admitted():
        one.connection.close()
    assert place.waiting == 0


def test_a_peer_that_hangs_up_or_is_unplugged_leaves_nothing(place: Place) -> None:
    place.come(REQUEST[:30]).close()
    place.come().close()
    assert place.admitted() == []
    assert place.waiting == 0
    assert not place.room._by_address


def test_of_too_many_from_one_address_the_oldest_has_to_go() -> None:
    place = Place(per_address=10)
    try:
        silent = [place.come() for _ in range(30)]
        place.admitted()
        assert place.waiting == 10
        assert all(gone(one) for one in silent[:20])
        place.come(REQUEST)
        (one,) = place.admitted()
        assert one.request == REQUEST
        one.connection.close()
    finally:
        place.close()


def test_a_full_room_makes_place_for_who_comes_next() -> None:
    place = Place(most=5)
    try:
        for _ in range(12):
            place.come()
        place.admitted()
        place.come(REQUEST)
        (one,) = place.admitted()
        one.connection.close()
        assert place.waiting <= 5
    finally:
        place.close()


def test_without_a_free_descriptor_it_waits_and_goes_on_by_itself(place: Place) -> None:
    peers = [socket.socket() for _ in range(3)]
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(int(one.name) for one in Path("/proc/self/fd").iterdir())
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 1, hard))
    taken = []
    try:
        while True:
            try:
                taken.append(os.dup(0))
            except OSError:
                break
        for peer in peers:
            peer.connect(place.listening.getsockname())
            peer.sendall(REQUEST)
        assert place.admitted() == []
    finally:
        for one in taken:
            os.close(one)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert place.admitted() == []  # it leaves the port alone for a moment
    place.now += 0.3
    found = place.admitted()
    assert len(found) == 3
    for one in found:
        one.connection.close()
    for peer in peers:
        peer.close()


def test_it_starts_no_thread(place: Place) -> None:
    before = threading.active_count()
    for _ in range(50):
        place.come()
    place.admitted()
    assert place.waiting == 50
    assert threading.active_count() == before
