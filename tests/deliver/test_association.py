"""What an association writes is whole, however little of it the system takes at a time."""

from __future__ import annotations

import os
import socket
import struct
import threading
from collections.abc import Iterator

import pytest

from stowgate.deliver.association import Association


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    yield ours, theirs
    ours.close()
    theirs.close()


def fragments(stream: bytes) -> list[tuple[int, bytes]]:
    """Control header and value of each P-DATA-TF (PS3.8 9.3.5)."""
    found = []
    while stream:
        kind, _, length, size, context, control = struct.unpack_from(">BBIIBB", stream)
        assert (kind, context) == (4, 1) and length == size + 4
        found.append((control, stream[12 : 6 + length]))
        stream = stream[6 + length :]
    return found


@pytest.mark.parametrize("fragment", [64, 16_378, 131_066])
def test_a_message_arrives_byte_for_byte_through_a_socket_that_takes_little(
    ends: tuple[socket.socket, socket.socket], fragment: int
) -> None:
    ours, theirs = ends
    ours.settimeout(30.0)
    pieces = [os.urandom(262_144), os.urandom(100_001)]
    heard = bytearray()

    def listen() -> None:
        while data := theirs.recv(1000):
            heard.extend(data)

    listening = threading.Thread(target=listen)
    listening.start()
    Association(ours, {}, frozenset(), fragment).send(1, b"command", pieces, sum(map(len, pieces)))
    ours.close()
    listening.join()
    (control, command), *values = fragments(bytes(heard))
    assert (control, command) == (3, b"command")
    assert b"".join(value for _, value in values) == b"".join(pieces)
    assert [control for control, _ in values] == [0] * (len(values) - 1) + [2]
    assert max(len(value) for _, value in values) <= fragment
