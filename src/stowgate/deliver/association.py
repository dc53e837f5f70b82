"""An association as its requestor: negotiated with pynetdicom's PDUs, then one thread that writes and reads the socket.

Nothing here holds a data set: it goes from the shelf to the socket a step at a time, and waits where the socket does.
"""

from __future__ import annotations

import select
import socket
import ssl
import struct
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress

from stowgate.deliver.connection import ANSWER, NEGOTIATE, Peer, connected
from stowgate.errors import Misconfigured, Temporary

IMPLICIT = "1.2.840.10008.1.2"
VERIFICATION = "1.2.840.10008.1.1"
FIND = "1.2.840.10008.5.1.4.1.2.2.1"
"""Study Root Query/Retrieve Information Model - FIND (PS3.4 C.6.2)."""

MOST_CONTEXTS = 128
_MAX_PDU = 131_072
_LARGEST = 1 << 20
"""Bytes of a PDU that a peer may send us: we announced fewer."""

_ASSOCIATE_AC, _ASSOCIATE_RJ, _DATA, _RELEASE_RQ, _RELEASE_RP, _ABORT = 2, 3, 4, 5, 6, 7
_COMMAND, _LAST = 1, 2
_MOST_PARTS = 512
"""Of one call of the system, which takes 1,024."""
_head = struct.Struct(">BBI")
_item = struct.Struct(">BBIIBB")

Context = tuple[str, str]
"""Abstract syntax and transfer syntax."""


class BrokeOff(Exception):
    """The connection is gone, or the peer ended the association."""


class Association:
    """One association. Made by `associate`; one thread at a time is in it."""

    def __init__(
        self, connection: socket.socket, accepted: Mapping[Context, int], refused: frozenset[Context], most: int
    ):
        self._socket = connection
        self.accepted, self.refused = accepted, refused
        self._fragment = most
        self._message = 0

    def next_message(self) -> int:
        """A Message ID of its own."""
        self._message = self._message % 0xFFFF + 1
        return self._message

    def is_usable(self) -> bool:
        """Whether nothing came unasked: a peer that has something to say now is ending it."""
        with suppress(OSError, ValueError):
            readable, _, _ = select.select([self._socket], [], [], 0)
            return not readable
        return False

    def send(self, context: int, command: bytes, data: Iterable[bytes] | None = None, size: int = 0) -> None:
        """A message: its command, and `size` bytes of data set in pieces. Raises BrokeOff."""
        try:
            self._send(_values(context, command, self._fragment, _COMMAND, last=True))
            left = size
            for piece in data or ():
                left -= len(piece)
                self._send(_values(context, piece, self._fragment, 0, last=left == 0))
        except OSError:
            raise BrokeOff from None

    def _send(self, parts: list[bytes | memoryview]) -> None:
        """All of it, and without a copy where the socket takes a list."""
        if isinstance(self._socket, ssl.SSLSocket):
            self._socket.sendall(b"".join(parts))
            return
        for at in range(0, len(parts), _MOST_PARTS):
            left = parts[at : at + _MOST_PARTS]
            sent = self._socket.sendmsg(left)
            for part in left:
                if sent < len(part):
                    self._socket.sendall(memoryview(part)[max(0, sent) :])
                sent -= len(part)

    def receive(self) -> tuple[bytes, bytes]:
        """The next message: command and data set. Raises BrokeOff; so does whatever makes no sense."""
        parts = {_COMMAND: bytearray(), 0: bytearray()}
        expected = _COMMAND
        while True:
            for control, value in self._presentation_values():
                kind = control & _COMMAND
                if kind != expected or len(parts[kind]) + len(value) > _LARGEST:
                    raise BrokeOff
                parts[kind] += value
                if control & _LAST:
                    command = bytes(parts[_COMMAND])
                    if kind == 0 or not _has_data_set(command):
                        return command, bytes(parts[0])
                    expected = 0

    def release(self) -> None:
        """End it in order, or let go of it."""
        with suppress(OSError, BrokeOff):
            self._socket.settimeout(2.0)
            self._socket.sendall(_head.pack(_RELEASE_RQ, 0, 4) + bytes(4))
            _read_pdu(self._socket)
        self.close()

    def abort(self) -> None:
        """End it at once; what was half sent is no instance."""
        with suppress(OSError):
            self._socket.settimeout(0.5)
            self._socket.sendall(_head.pack(_ABORT, 0, 4) + bytes(4))
        self.close()

    def close(self) -> None:
        """Let go of the connection."""
        with suppress(OSError):
            self._socket.close()

    def _presentation_values(self) -> Iterator[tuple[int, bytes]]:
        kind, body = _read_pdu(self._socket)
        if kind != _DATA:
            raise BrokeOff
        at = 0
        while at + 6 <= len(body):
            (length,) = struct.unpack_from(">I", body, at)
            if length < 2 or at + 4 + length > len(body):
                raise BrokeOff
            yield body[at + 5], body[at + 6 : at + 4 + length]
            at += 4 + length
        if at != len(body):
            raise BrokeOff


def associate(peer: Peer, contexts: Iterable[Context]) -> Association:
    """Connect and negotiate. Of each abstract syntax and transfer syntax the peer says whether it takes it.

    Temporary: "peer_unreachable", "peer_busy", "peer_not_dicom"; Misconfigured: "peer_unauthorised",
    "peer_certificate".
    """
    wanted = list(dict.fromkeys(contexts))[:MOST_CONTEXTS]
    connection = connected(peer)
    try:
        connection.settimeout(NEGOTIATE)
        connection.sendall(_request(peer, wanted))
        kind, body = _read_pdu(connection)
        connection.settimeout(ANSWER)
    except ssl.SSLError:  # with TLS 1.3 a server says only now that it wants another certificate
        connection.close()
        raise Misconfigured("peer_certificate", f"{peer.host}:{peer.port}") from None
    except (OSError, BrokeOff):
        connection.close()
        raise Temporary("peer_unreachable", f"{peer.host}:{peer.port}") from None
    try:
        if kind == _ASSOCIATE_RJ and len(body) == 4:
            raise _rejected(body, peer)
        if kind != _ASSOCIATE_AC:
            raise Temporary("peer_not_dicom", f"{peer.host}:{peer.port}")
        return _agreed(connection, kind, body, wanted, peer)
    except BaseException:
        connection.close()
        raise


def _request(peer: Peer, contexts: list[Context]) -> bytes:
    """A-ASSOCIATE-RQ (PS3.8 9.3.2): one context for each pair, so that each is answered for itself."""
    from pynetdicom import PYNETDICOM_IMPLEMENTATION_UID, PYNETDICOM_IMPLEMENTATION_VERSION
    from pynetdicom.pdu import A_ASSOCIATE_RQ
    from pynetdicom.pdu_primitives import (
        A_ASSOCIATE,
        ImplementationClassUIDNotification,
        ImplementationVersionNameNotification,
        MaximumLengthNotification,
    )
    from pynetdicom.presentation import build_context

    most, uid, name = (
        MaximumLengthNotification(),
        ImplementationClassUIDNotification(),
        ImplementationVersionNameNotification(),
    )
    most.maximum_length_received = _MAX_PDU
    uid.implementation_class_uid = PYNETDICOM_IMPLEMENTATION_UID
    name.implementation_version_name = PYNETDICOM_IMPLEMENTATION_VERSION
    asked = A_ASSOCIATE()
    asked.application_context_name = "1.2.840.10008.3.1.1.1"
    asked.calling_ae_title, asked.called_ae_title = peer.calling, peer.called
    asked.user_information = [most, uid, name]
    proposed = [build_context(abstract, transfer) for abstract, transfer in contexts]
    for number, one in enumerate(proposed):
        one.context_id = 2 * number + 1
    asked.presentation_context_definition_list = proposed
    return bytes(A_ASSOCIATE_RQ(asked).encode())


def _agreed(connection: socket.socket, kind: int, body: bytes, wanted: list[Context], peer: Peer) -> Association:
    from pynetdicom.pdu import A_ASSOCIATE_AC

    answer = A_ASSOCIATE_AC()
    try:
        answer.decode(_head.pack(kind, 0, len(body)) + body)
        results = {one.context_id: one.result for one in answer.presentation_context}
        user = answer.user_information
        most = int((user and user.maximum_length) or 0)
    except Exception:  # noqa: BLE001 - whatever a stranger wrote there; its text is not passed on
        raise Temporary("peer_not_dicom", f"{peer.host}:{peer.port}") from None
    if results.keys() != {2 * n + 1 for n in range(len(wanted))}:  # each is answered for itself (PS3.8 9.3.3.2)
        raise Temporary("peer_not_dicom", f"{peer.host}:{peer.port}")
    accepted = {pair: 2 * n + 1 for n, pair in enumerate(wanted) if results.get(2 * n + 1) == 0}
    fragment = min(most or _MAX_PDU, _MAX_PDU) - 6
    if fragment < 64:
        raise Temporary("peer_not_dicom", f"{peer.host}:{peer.port}")
    return Association(connection, accepted, frozenset(wanted) - accepted.keys(), fragment // 2 * 2)


def _rejected(body: bytes, peer: Peer) -> Misconfigured | Temporary:
    """A-ASSOCIATE-RJ (PS3.8 9.3.4): for good, which a person has to mend, or for now."""
    _, result, source, _ = body
    place = f"{peer.calling} at {peer.called}"
    return Misconfigured("peer_unauthorised", place) if (result, source) == (1, 1) else Temporary("peer_busy", place)


def _values(context: int, data: bytes, fragment: int, control: int, *, last: bool) -> list[bytes | memoryview]:
    """P-DATA-TF PDUs of one presentation data value each (PS3.8 9.3.5), in parts; `last` is true of the data's end."""
    whole = memoryview(data)
    parts: list[bytes | memoryview] = []
    for at in range(0, len(data), fragment):
        piece = whole[at : at + fragment]
        end = _LAST if last and at + fragment >= len(data) else 0
        parts += (_item.pack(_DATA, 0, len(piece) + 6, len(piece) + 2, context, control | end), piece)
    return parts


def _read_pdu(connection: socket.socket) -> tuple[int, bytes]:
    """Type and body of the next PDU. Raises BrokeOff, OSError."""
    try:
        kind, _, length = _head.unpack(_exactly(connection, _head.size))
        if length > _LARGEST:
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


def _has_data_set(command: bytes) -> bool:
    from stowgate.deliver.dimse_command import numbers

    return numbers(command).get(0x0800, 0x0101) != 0x0101
