"""No PDU is read before its length is known to be sane; slow ones end, and any number of descriptors will do."""

from __future__ import annotations

import os
import resource
import socket
import threading
import time
import tracemalloc
from collections.abc import Iterator
from typing import Any

import pytest

from stowgate.ingest import guarded_socket
from stowgate.ingest.association_socket import LARGEST_ASSOCIATE, SLACK, largest, prepare
from stowgate.ingest.bell import Bell
from stowgate.ingest.guarded_socket import guarded

MAX_PDU = 16_384


class Association:
    """As much of one as its socket asks for."""

    def __init__(self) -> None:
        import queue
        from types import SimpleNamespace

        self.dul = SimpleNamespace(event_queue=queue.Queue(), bell=Bell(), patience=0.0)


@pytest.fixture
def pair() -> Iterator[tuple[Any, socket.socket]]:
    from pynetdicom.transport import AssociationSocket

    listening = socket.create_server(("127.0.0.1", 0))
    peer = socket.create_connection(listening.getsockname())
    ours, _ = listening.accept()
    prepare(ours)
    association: Any = Association()
    yield guarded(AssociationSocket(association, client_socket=ours), association.dul, b"", MAX_PDU), peer
    ours.close()
    peer.close()
    listening.close()


def test_a_pdu_is_read_as_pynetdicom_reads_it_header_first(pair: tuple[Any, socket.socket]) -> None:
    ours, peer = pair
    for body in (b"", b"123456", os.urandom(MAX_PDU + SLACK)):
        threading.Thread(target=peer.sendall, args=(b"\x04\0" + len(body).to_bytes(4, "big") + body,)).start()
        head = ours.recv(6)
        assert head == b"\x04\0" + len(body).to_bytes(4, "big")
        assert ours.recv(len(body)) == body


def test_what_was_read_before_comes_first_and_counts_as_ready(pair: tuple[Any, socket.socket]) -> None:
    plain, peer = pair
    ours = guarded(plain, plain.upper_layer, b"\x01\0\0\0\0\x05abc", MAX_PDU)
    assert ours.ready
    assert ours.recv(6) == b"\x01\0\0\0\0\x05"
    peer.sendall(b"de")
    assert ours.recv(5) == b"abcde"
    assert not ours.ready
    peer.sendall(b"x")
    assert association_wait(ours)


def association_wait(ours: Any) -> bool:
    deadline = time.monotonic() + 2
    while not ours.ready and time.monotonic() < deadline:
        time.sleep(0.001)
    return bool(ours.ready)


@pytest.mark.parametrize(
    ("kind", "length"),
    [
        (4, 0xFFFFFFFF),
        (4, MAX_PDU + SLACK + 1),
        (1, LARGEST_ASSOCIATE + 1),
        (5, 4097),
        (7, 1 << 20),
        (0, 1),
        (8, 1),
        (255, 4),
    ],
)
def test_a_claim_that_is_too_large_costs_nothing(pair: tuple[Any, socket.socket], kind: int, length: int) -> None:
    ours, peer = pair
    peer.sendall(bytes((kind, 0)) + length.to_bytes(4, "big"))
    tracemalloc.start()
    with pytest.raises(ConnectionAbortedError):
        ours.recv(6)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 100_000


def test_a_body_of_another_length_than_was_announced_is_never_read(pair: tuple[Any, socket.socket]) -> None:
    ours, peer = pair
    peer.sendall(b"\x04\0\0\0\0\x08")
    ours.recv(6)
    with pytest.raises(ConnectionAbortedError):
        ours.recv(1 << 30)


@pytest.mark.parametrize("pause", [0.05, 0.0005])
def test_a_pdu_has_a_deadline_from_its_first_byte_to_its_last(
    pair: tuple[Any, socket.socket], monkeypatch: pytest.MonkeyPatch, pause: float
) -> None:
    ours, peer = pair
    monkeypatch.setattr(guarded_socket, "SECONDS", 0.4)
    peer.sendall(b"\x04\0\0\0\x40\0")
    stop = threading.Event()

    def drip() -> None:
        while not stop.wait(pause):
            peer.send(b"x")

    thread = threading.Thread(target=drip)
    thread.start()
    began = time.monotonic()
    ours.recv(6)
    try:
        with pytest.raises(TimeoutError):
            ours.recv(MAX_PDU)
    finally:
        stop.set()
        thread.join()
    assert time.monotonic() - began < 2


def test_a_peer_that_closes_in_the_middle_gives_a_short_answer(pair: tuple[Any, socket.socket]) -> None:
    ours, peer = pair
    peer.sendall(b"\x04\0\0\0\0\x64half")
    peer.close()
    ours.recv(6)
    assert ours.recv(100) == b"half"


def test_a_dead_peer_is_noticed_within_a_minute(pair: tuple[Any, socket.socket]) -> None:
    ours = pair[0].socket
    tcp = {name: ours.getsockopt(socket.IPPROTO_TCP, getattr(socket, name)) for name in (
        "TCP_NODELAY", "TCP_KEEPIDLE", "TCP_KEEPINTVL", "TCP_KEEPCNT", "TCP_USER_TIMEOUT")}  # fmt: skip
    assert ours.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
    assert tcp["TCP_NODELAY"]
    assert tcp["TCP_KEEPIDLE"] + tcp["TCP_KEEPINTVL"] * tcp["TCP_KEEPCNT"] <= 60
    assert 0 < tcp["TCP_USER_TIMEOUT"] <= 60_000


def test_a_descriptor_above_a_thousand_is_as_good_as_any(pair: tuple[Any, socket.socket]) -> None:
    """select(2) cannot look at those; pynetdicom would end the association."""
    ours, peer = pair
    if resource.getrlimit(resource.RLIMIT_NOFILE)[0] <= 2100:
        pytest.skip("this process may not have that many descriptors")
    os.dup2(ours.socket.fileno(), 2048)
    ours.socket = socket.socket(fileno=2048)
    try:
        assert not ours.ready
        peer.sendall(b"x")
        assert association_wait(ours)
    finally:
        ours.socket.close()


def test_every_type_has_a_largest_size() -> None:
    assert [largest(kind, MAX_PDU) for kind in range(9)] == [
        0, LARGEST_ASSOCIATE, LARGEST_ASSOCIATE, 4096, MAX_PDU + SLACK, 4096, 4096, 4096, 0,
    ]  # fmt: skip
