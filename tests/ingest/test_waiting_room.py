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

from stowgate.ingest.waiting_room import HELD, Admitted, Judge, WaitingRoom
from tests.builder import CT
from tests.ingest.dimse import associate, pdu

REQUEST = associate()


@dataclass
class Place:
    """A room with a clock that is told."""

    most: int = 512
    per_address: int = 64
    now: float = 0.0
    judge: Judge = lambda *_: None
    most_held: int = HELD
    peers: list[socket.socket] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.listening = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.room = WaitingRoom(
            self.listening, None, self.most, self.per_address, 5.0, lambda: self.now, self.judge, self.most_held
        )

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


class TestStrangers:
    @pytest.fixture
    def place(self) -> Iterator[Place]:
        found = Place(judge=lambda calling, _called, _address: (1, 1, 3) if calling != "STORESCU" else None)
        yield found
        found.close()

    REJECTED = bytes((3, 0, 0, 0, 0, 4, 0, 1, 1, 3))

    def test_they_are_rejected_when_they_have_said_everything_and_shown_out_when_they_hang_up(
        self, place: Place
    ) -> None:
        stranger = place.come(associate(calling="STRANGER"))
        assert place.admitted() == []
        assert stranger.recv(100) == self.REJECTED
        assert place.waiting == 1
        stranger.close()
        place.admitted(2)
        assert place.waiting == 0

    def test_they_are_read_past_and_nothing_of_them_is_held(self, place: Place) -> None:
        request = pdu(1, associate(calling="STRANGER")[6:] + bytes(900_000))
        stranger = place.come(request[:-1])
        for _ in range(200):
            assert place.admitted(1) == []
        assert place.room._held == 0
        stranger.setblocking(False)
        with pytest.raises(BlockingIOError):
            stranger.recv(1)
        stranger.setblocking(True)
        stranger.sendall(request[-1:])
        place.admitted(4)
        assert stranger.recv(100) == self.REJECTED

    def test_one_that_does_not_hang_up_or_goes_on_talking_is_shown_out_in_time(self, place: Place) -> None:
        quiet, chatty = (place.come(associate(calling="STRANGER")) for _ in range(2))
        place.admitted()
        chatty.sendall(bytes(100_000))
        place.admitted()
        place.now = 5.1
        place.admitted(1)
        assert place.waiting == 0
        assert quiet.recv(100) == self.REJECTED
        assert gone(quiet)

    def test_the_judge_hears_titles_as_they_are_compared(self) -> None:
        heard: list[tuple[str, str, str]] = []
        place = Place(judge=lambda *who: heard.append(who))
        try:
            for calling, called in (("A B", "STOWGATE"), ("\x1b[2J", "X\0")):
                place.come(associate(calling=calling, called=called))
                for one in place.admitted():
                    one.connection.close()
        finally:
            place.close()
        assert heard == [("A B", "STOWGATE", "127.0.0.1"), ("\ufffd[2J", "X", "127.0.0.1")]

    def test_a_request_too_short_to_say_who_calls_is_no_way_around_the_list(self, place: Place) -> None:
        for length in (0, 10, 60, 67):
            peer = place.come(pdu(1, associate(calling="STORESCU")[6 : 6 + length]))
            assert place.admitted() == []
            assert gone(peer)
        assert place.waiting == 0


def test_requests_that_never_end_hold_a_bounded_number_of_bytes_and_the_largest_goes() -> None:
    place = Place(most_held=100_000)
    try:
        endless = [place.come(pdu(1, REQUEST[6:] + bytes(size))[:-1]) for size in (90_000, 5_000, 70_000)]
        place.admitted(20)
        assert place.waiting == 2
        assert place.room._held < 100_000
        place.come(REQUEST)
        (one,) = place.admitted()
        one.connection.close()
        for peer in endless:
            peer.close()
        place.admitted()
        assert (place.waiting, place.room._held) == (0, 0)
    finally:
        place.close()


@pytest.mark.parametrize("kind", [0x10, 0x20, 0x40, 0x50, 0x51, 0x54, 0x57, 0xFF])
def test_a_request_of_very_many_small_items_is_not_handed_to_a_decoder(place: Place, kind: int) -> None:
    small = bytes((kind, 0, 0, 0))
    context = bytes((0x20, 0, 0xFF, 0xFF, 1, 0, 0, 0)) + small * 16_382 + bytes(3)
    user = bytes((0x50, 0, 0xFF, 0xFC)) + small * 16_383
    for items in (small * 11_000, context, user):
        peer = place.come(pdu(1, REQUEST[6:] + items))
        assert place.admitted(20) == []
        assert gone(peer)


def test_lists_within_an_item_count_as_well(place: Place) -> None:
    related = bytes((0x57, 0, 0x7F, 0xF0)) + bytes(0x7FF0)
    peer = place.come(pdu(1, REQUEST[6:] + (bytes((0x50, 0, 0x7F, 0xF4)) + related) * 2))
    assert place.admitted(20) == []
    assert gone(peer)


def test_every_context_with_every_transfer_syntax_and_role_is_let_in(place: Place) -> None:
    syntaxes = [f"1.2.840.10008.1.2.4.{n}" for n in range(60)]
    place.come(associate(contexts=[(2 * n + 1, CT, syntaxes) for n in range(128)]))
    (one,) = place.admitted(20)
    one.connection.close()


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
