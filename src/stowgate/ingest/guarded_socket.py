"""The socket of one association: no PDU is read before its length is known to be sane, none may take for ever.

Imported only when an association begins, because pynetdicom is.
"""

from __future__ import annotations

import socket
import ssl
import time

from pynetdicom.transport import AssociationSocket

from stowgate.ingest.association_socket import HEADER, SECONDS, largest, patient, quick
from stowgate.ingest.upper_layer import UpperLayer


class GuardedSocket(AssociationSocket):
    """Replaces pynetdicom's: every read passes `recv`, the header of a PDU first."""

    upper_layer: UpperLayer
    _before: bytearray
    _max_pdu: int
    _due = 0.0
    _left = 0
    """Bytes of the PDU under way that its header announced."""

    @property
    def ready(self) -> bool:
        """As pynetdicom's, but it waits a little, and for any number of descriptors; what was read before counts."""
        if self._before:
            return True
        if self.socket is None or not self._is_connected:
            return False
        if isinstance(self.socket, ssl.SSLSocket) and self.socket.pending():
            return True
        try:
            return self.upper_layer.bell.readable(self.socket, self.upper_layer.patience)
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
                if self._left > largest(head[0], self._max_pdu):
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
        whole = patient(self.socket, self._due - time.monotonic())
        while have < size:
            count = _read(self.socket, view[have:], whole)
            quick(self.socket)
            if not count:
                break
            have += count
            if have < size:
                left = self._due - time.monotonic()
                if left <= 0:
                    raise TimeoutError
                patient(self.socket, left)
        view.release()
        del data[have:]
        if not whole:
            self.socket.settimeout(SECONDS)
        return data


def _read(connection: socket.socket, into: memoryview, whole: int) -> int:
    try:
        return connection.recv_into(into, 0, whole)
    except BlockingIOError:  # what the kernel says where Python would say
        raise TimeoutError from None


def guarded(plain: AssociationSocket, upper_layer: UpperLayer, before: bytes, max_pdu: int) -> GuardedSocket:
    """The same connection behind our own reading.

    upper_layer -- of the same association
    before  -- bytes that were read from it already, the whole A-ASSOCIATE-RQ for one
    max_pdu -- bytes of variable fields that we announced as the most of a P-DATA-TF
    """
    made = GuardedSocket.__new__(GuardedSocket)
    made.__dict__.update(plain.__dict__)
    made.upper_layer = upper_layer
    made._before, made._max_pdu = bytearray(before), max_pdu
    return made
