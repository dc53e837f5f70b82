"""A wait for the network ends with bytes, with the bell, or with its time, and costs nothing meanwhile."""

from __future__ import annotations

import resource
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from stowgate.ingest import bell as bells
from stowgate.ingest.bell import Bell

LONG = 20.0


@pytest.fixture
def bell() -> Iterator[Bell]:
    made = Bell()
    made.hang()
    yield made
    made.take_down()


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, peer = socket.socketpair()
    yield ours, peer
    ours.close()
    peer.close()


Pair = tuple[socket.socket, socket.socket]


def test_a_byte_ends_the_wait(bell: Bell, pair: Pair) -> None:
    threading.Timer(0.05, pair[1].sendall, (b"x",)).start()
    began = time.monotonic()
    assert bell.readable(pair[0], LONG)
    assert time.monotonic() - began < LONG / 2


def test_a_peer_that_hangs_up_ends_the_wait(bell: Bell, pair: Pair) -> None:
    pair[1].close()
    assert bell.readable(pair[0], LONG)


def test_the_bell_ends_the_wait_with_nothing_to_read(bell: Bell, pair: Pair) -> None:
    threading.Timer(0.05, bell.ring).start()
    began = time.monotonic()
    assert not bell.readable(pair[0], LONG)
    assert time.monotonic() - began < LONG / 2


def test_a_ring_before_the_wait_counts_once(bell: Bell, pair: Pair) -> None:
    for _ in range(3):
        bell.ring()
    began = time.monotonic()
    assert not bell.readable(pair[0], LONG)
    assert time.monotonic() - began < LONG / 2
    began = time.monotonic()
    assert not bell.readable(pair[0], 0.05)
    assert time.monotonic() - began >= 0.04


def test_bytes_and_bell_at_once_are_both_noticed(bell: Bell, pair: Pair) -> None:
    pair[1].sendall(b"x")
    bell.ring()
    assert bell.readable(pair[0], LONG)


def test_a_closed_connection_is_an_error(bell: Bell, pair: Pair) -> None:
    pair[0].close()
    with pytest.raises((OSError, ValueError)):
        bell.readable(pair[0], LONG)


def test_without_a_descriptor_nobody_waits(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    monkeypatch.setattr(bells, "_MADE", True)
    bell = Bell()
    resource.setrlimit(resource.RLIMIT_NOFILE, (1, hard))
    try:
        bell.hang()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    began = time.monotonic()
    assert not bell.readable(pair[0], LONG)
    assert time.monotonic() - began < LONG / 2
    bell.ring()
    bell.take_down()


def test_it_gives_its_descriptor_back_once(bell: Bell) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    bell.take_down()
    bell.take_down()
    bell.ring()
    assert len(list(Path("/proc/self/fd").iterdir())) == before - 1
