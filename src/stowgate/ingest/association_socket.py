"""What every connection of an association is held to: lengths of PDUs, seconds, options of its socket."""

from __future__ import annotations

import socket
import ssl
import struct

HEADER = 6
"""Bytes of a PDU header: type, reserved, length of 32 bits big endian (PS3.8 9.3.1)."""

A_ASSOCIATE_RQ, P_DATA = 0x01, 0x04
LARGEST_ASSOCIATE = 1 << 20
SLACK = 1024
_OTHERS = 4096
"""Bytes of the largest PDU that only ends or refuses an association."""

SECONDS = 30.0
"""For one PDU from its first byte to its last."""

_QUICKACK = getattr(socket, "TCP_QUICKACK", None)


def largest(kind: int, max_pdu: int) -> int:
    """Bytes that a PDU of this type may have, 0 for a type that does not exist (PS3.8 9.3)."""
    if not 1 <= kind <= 7:
        return 0
    if kind == P_DATA:
        return max_pdu + SLACK
    return LARGEST_ASSOCIATE if kind <= 2 else _OTHERS


def prepare(connection: socket.socket) -> None:
    """A dead peer is noticed within a minute, and small answers are not held back."""
    for level, option, value in (
        (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
        (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
        (socket.IPPROTO_TCP, getattr(socket, "TCP_KEEPIDLE", 0), 20),
        (socket.IPPROTO_TCP, getattr(socket, "TCP_KEEPINTVL", 0), 10),
        (socket.IPPROTO_TCP, getattr(socket, "TCP_KEEPCNT", 0), 3),
        (socket.IPPROTO_TCP, getattr(socket, "TCP_USER_TIMEOUT", 0), 30_000),
    ):
        if option:
            connection.setsockopt(level, option, value)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, _interval(SECONDS))


def quick(connection: socket.socket) -> None:
    """Acknowledge at once: a sender that keeps Nagle's algorithm on would wait 40 ms for each object otherwise."""
    if _QUICKACK is not None:
        connection.setsockopt(socket.IPPROTO_TCP, _QUICKACK, 1)


def patient(connection: socket.socket, seconds: float) -> int:
    """Let reads take so long and no longer; the flag that makes one read wait for all it asked for.

    The kernel waits, once for many segments: Python would look three times for each, and give its interpreter away each
    time. A TLS connection is read record by record.
    """
    seconds = max(0.001, seconds)
    if isinstance(connection, ssl.SSLSocket):
        connection.settimeout(seconds)
        return 0
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, _interval(seconds))
    return socket.MSG_WAITALL


def _interval(seconds: float) -> bytes:
    """A struct timeval."""
    return struct.pack("@ll", *divmod(int(seconds * 1_000_000), 1_000_000))
