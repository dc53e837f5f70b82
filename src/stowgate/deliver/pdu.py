"""Reads PDUs off a connection (PS3.8 9.3), never longer than a peer may send them nor for longer than it may take."""

from __future__ import annotations

import socket
import ssl
import struct
import time

from stowgate.deliver.connection import ANSWER

LARGEST = 1 << 20
"""Bytes of a PDU that a peer may send us: we announced fewer."""

HEAD = struct.Struct(">BBI")
"""Type, reserved, length."""


class BrokeOff(Exception):
    """The connection is gone, or the peer ended the association."""


def read_pdu(connection: socket.socket) -> tuple[int, bytes]:
    """Type and body of the next PDU. Raises BrokeOff, OSError."""
    try:
        kind, _, length = HEAD.unpack(_exactly(connection, HEAD.size))
        if length > LARGEST:
            raise BrokeOff
        return kind, _exactly(connection, length)
    except ssl.SSLError:
        raise
    except OSError:
        raise BrokeOff from None


def _exactly(connection: socket.socket, size: int) -> bytes:
    data, until = bytearray(), time.monotonic() + ANSWER
    while len(data) < size:
        part = connection.recv(size - len(data))
        if not part or time.monotonic() > until:
            raise BrokeOff
        data += part
    return bytes(data)
