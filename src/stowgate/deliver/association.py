"""An association as its requestor: negotiated with pynetdicom's PDUs, then one thread that writes and reads the socket.

Nothing here holds a data set: it goes from the shelf to the socket a step at a time, and waits where the socket does.
"""

from __future__ import annotations

import select
import socket
import ssl
import struct
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress

from stowgate.deliver.connection import ANSWER, NEGOTIATE, Peer, connected
from stowgate.deliver.pdu import HEAD, LARGEST, BrokeOff, read_pdu
from stowgate.errors import Misconfigured, Temporary

IMPLICIT = "1.2.840.10008.1.2"
VERIFICATION = "1.2.840.10008.1.1"
FIND = "1.2.840.10008.5.1.4.1.2.2.1"
"""Study Root Query/Retrieve Information Model - FIND (PS3.4 C.6.2)."""

MOST_CONTEXTS = 128
_MAX_PDU = 131_072

_ASSOCIATE_AC, _ASSOCIATE_RJ, _DATA, _RELEASE_RQ, _RELEASE_RP, _ABORT = 2, 3, 4, 5, 6, 7
_COMMAND, _LAST = 1, 2
_MOST_PARTS = 512
"""Of one call of the system, which takes 1,024."""
_item = struct.Struct(">BBIIBB")

Context = tuple[str, str]
"""Abstract syntax and transfer syntax."""


class Association:
    """One association. Made by `associate`; one thread at a time is in it."""

    def __init__(
        self, connection: socket.socket, accepted: Mapping[Context, int], refused: frozenset[Context], most: int
    ):
        self._socket = connection
        self.accepted, self.refused = accepted, refused
        self._fragment = most
        self._message = 0
        self._heard = self._values_heard()

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

    def says_something(self, seconds: float) -> bool:
        """Whether something comes within so many seconds."""
        with suppress(OSError, ValueError):
            return bool(select.select([self._socket], [], [], seconds)[0])
        return True  # its end is something, too

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
        _, command, pieces = self.hear()
        data = bytearray()
        for piece in pieces:
            data += piece
            if len(data) > LARGEST:
                raise BrokeOff
        return command, bytes(data)

    def hear(self) -> tuple[int, bytes, Iterator[bytes]]:
        """The next message: its presentation context, its command, and its data set as it comes, which has to be heard.

        Raises BrokeOff, also out of the iterator.
        """
        command, ended = bytearray(), False
        while not ended:
            context, control, value = self._next_value(_COMMAND)
            command += value
            if len(command) > LARGEST:
                raise BrokeOff
            ended = bool(control & _LAST)
        whole = bytes(command)
        return context, whole, self._data_set() if _has_data_set(whole) else iter(())

    def _data_set(self) -> Iterator[bytes]:
        ended = False
        while not ended:
            _, control, value = self._next_value(0)
            ended = bool(control & _LAST)
            yield value

    def _next_value(self, kind: int) -> tuple[int, int, bytes]:
        found = next(self._heard, None)  # it has an end only where it broke before
        if found is None or found[1] & _COMMAND != kind:
            raise BrokeOff
        return found

    def release(self) -> None:
        """End it in order, or let go of it."""
        with suppress(OSError, BrokeOff):
            self._socket.settimeout(2.0)
            self._socket.sendall(HEAD.pack(_RELEASE_RQ, 0, 4) + bytes(4))
            read_pdu(self._socket)
        self.close()

    def abort(self) -> None:
        """End it at once; what was half sent is no instance."""
        with suppress(OSError):
            self._socket.settimeout(0.5)
            self._socket.sendall(HEAD.pack(_ABORT, 0, 4) + bytes(4))
        self.close()

    def close(self) -> None:
        """Let go of the connection."""
        with suppress(OSError):
            self._socket.close()

    def _values_heard(self) -> Iterator[tuple[int, int, bytes]]:
        """Context, control header and value of each presentation data value that comes (PS3.8 9.3.5)."""
        while True:
            kind, body = read_pdu(self._socket)
            if kind != _DATA:
                raise BrokeOff
            at = 0
            while at + 6 <= len(body):
                (length,) = struct.unpack_from(">I", body, at)
                if length < 2 or at + 4 + length > len(body):
                    raise BrokeOff
                yield body[at + 4], body[at + 5], body[at + 6 : at + 4 + length]
                at += 4 + length
            if at != len(body):
                raise BrokeOff


def associate(peer: Peer, contexts: Iterable[Context], stored_here: str = "") -> Association:
    """Connect and negotiate. Of each abstract syntax and transfer syntax the peer says whether it takes it.

    stored_here -- SOP class that the peer is to send to us over this association (PS3.7 D.3.3.4)

    Temporary: "peer_unreachable", "peer_busy", "peer_not_dicom"; Misconfigured: "peer_unauthorised",
    "peer_certificate".
    """
    wanted = list(dict.fromkeys(contexts))[:MOST_CONTEXTS]
    connection = connected(peer)
    try:
        connection.settimeout(NEGOTIATE)
        connection.sendall(_request(peer, wanted, stored_here))
        kind, body = read_pdu(connection)
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


def _request(peer: Peer, contexts: list[Context], stored_here: str) -> bytes:
    """A-ASSOCIATE-RQ (PS3.8 9.3.2): one context for each pair, so that each is answered for itself."""
    from pynetdicom import PYNETDICOM_IMPLEMENTATION_UID, PYNETDICOM_IMPLEMENTATION_VERSION
    from pynetdicom.pdu import A_ASSOCIATE_RQ
    from pynetdicom.pdu_primitives import (
        A_ASSOCIATE,
        ImplementationClassUIDNotification,
        ImplementationVersionNameNotification,
        MaximumLengthNotification,
    )
    from pynetdicom.presentation import build_context, build_role

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
    roles = [build_role(stored_here, scp_role=True)] if stored_here else []
    asked.user_information = [most, uid, name, *roles]
    proposed = [build_context(abstract, transfer) for abstract, transfer in contexts]
    for number, one in enumerate(proposed):
        one.context_id = 2 * number + 1
    asked.presentation_context_definition_list = proposed
    return bytes(A_ASSOCIATE_RQ(asked).encode())


def _agreed(connection: socket.socket, kind: int, body: bytes, wanted: list[Context], peer: Peer) -> Association:
    from pynetdicom.pdu import A_ASSOCIATE_AC

    answer = A_ASSOCIATE_AC()
    try:
        answer.decode(HEAD.pack(kind, 0, len(body)) + body)
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


def _has_data_set(command: bytes) -> bool:
    from stowgate.deliver.dimse_command import numbers

    return numbers(command).get(0x0800, 0x0101) != 0x0101
