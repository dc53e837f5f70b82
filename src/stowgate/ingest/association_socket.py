"""The socket of one association: no PDU is read before its length is known to be sane, none may take for ever."""

from __future__ import annotations

import select
import socket
import ssl
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pynetdicom.transport import AssociationSocket

HEADER = 6
"""Bytes of a PDU header: type, reserved, length of 32 bits big endian (PS3.8 9.3.1)."""

A_ASSOCIATE_RQ, P_DATA = 0x01, 0x04
LARGEST_ASSOCIATE = 1 << 20
SLACK = 1024
_OTHERS = 4096
"""Bytes of the largest PDU that only ends or refuses an association."""

SECONDS = 30.0
"""For one PDU from its first byte to its last."""
_STEP = 1 << 18
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


def quick(connection: socket.socket) -> None:
    """Acknowledge at once: a sender that keeps Nagle's algorithm on would wait 40 ms for each object otherwise."""
    if _QUICKACK is not None:
        connection.setsockopt(socket.IPPROTO_TCP, _QUICKACK, 1)


def guarded(plain: AssociationSocket, before: bytes, max_pdu: int) -> AssociationSocket:
    """The same connection behind our own reading.

    before  -- bytes that were read from it already, the whole A-ASSOCIATE-RQ for one
    max_pdu -- bytes of variable fields that we announced as the most of a P-DATA-TF
    """
    from pynetdicom.transport import AssociationSocket as Plain

    class Guarded(Plain):
        """See the module."""

        _before: bytearray
        _due = 0.0
        _left = 0
        """Bytes of the PDU under way that its header announced."""

        @property
        def ready(self) -> bool:
            """As pynetdicom's, for any number of descriptors; what was read before counts."""
            if self._before:
                return True
            if self.socket is None or not self._is_connected:
                return False
            if isinstance(self.socket, ssl.SSLSocket) and self.socket.pending():
                return True
            waiting = select.poll()
            try:
                waiting.register(self.socket, select.POLLIN)
                return bool(waiting.poll(0))
            except (OSError, ValueError):
                self.event_queue.put("Evt17")
                return False

        def recv(self, nr_bytes: int) -> bytearray:
            """Exactly `nr_bytes` unless the peer closes; OSError for a PDU that is too long or takes too long."""
            if nr_bytes == HEADER and not self._left:
                self._due = time.monotonic() + SECONDS
                head = self._exactly(HEADER)
                if len(head) == HEADER:
                    self._left = int.from_bytes(head[2:], "big")
                    if self._left > largest(head[0], max_pdu):
                        raise ConnectionAbortedError
                return head
            if nr_bytes != self._left:
                raise ConnectionAbortedError
            self._left = 0
            return self._exactly(nr_bytes)

        def _exactly(self, size: int) -> bytearray:
            data = self._before[:size]
            del self._before[:size]
            if len(data) == size or self.socket is None:
                return data
            have = len(data)
            data.extend(bytes(size - have))
            view = memoryview(data)
            while have < size:
                self.socket.settimeout(max(0.001, self._due - time.monotonic()))
                count = self.socket.recv_into(view[have : have + _STEP])
                quick(self.socket)
                if not count:
                    break
                have += count
            view.release()
            del data[have:]
            self.socket.settimeout(SECONDS)
            return data

    made = Guarded.__new__(Guarded)
    made.__dict__.update(plain.__dict__)
    made._before = bytearray(before)
    return made
