"""What the tests of DIMSE sources stand on: a source that runs, DCMTK's senders, and a peer that may send anything."""

from __future__ import annotations

import os
import shutil
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from stowgate import events
from stowgate.ingest.cstore import CStoreSource
from stowgate.ingest.dimse_settings import Caller, Dimse
from stowgate.ingest.source import Intake
from tests.builder import CT, EXPLICIT, IMPLICIT

STORESCU, ECHOSCU = "/usr/bin/storescu", "/usr/bin/echoscu"
"""Debian's: pynetdicom brings programs of the same names."""

needs_dcmtk = pytest.mark.skipif(
    shutil.which(STORESCU) is None or shutil.which(ECHOSCU) is None, reason="dcmtk is absent: no real sender"
)
ALLOWED = (Caller(ae="STORESCU", ip="127.0.0.1"), Caller(ae="ECHOSCU", ip="127.0.0.0/8"))
CONTEXT, VERIFICATION = "1.2.840.10008.3.1.1.1", "1.2.840.10008.1.1"


def settings(**more: Any) -> Dimse:
    """Of a source on a free port of the loopback interface."""
    return Dimse(**({"kind": "dimse", "name": "ct", "listen": "127.0.0.1:0", "allow": ALLOWED} | more))


class Served:
    """A running DIMSE source on a free port of the loopback interface."""

    def __init__(self, intake: Intake, **told: Any) -> None:
        self.events: list[events.GatewayEvent] = []
        self.turned_away: list[tuple[str, str, str]] = []
        self.source = CStoreSource(settings(**told), lambda *who: self.turned_away.append(who), self.events.append)
        self.port = self.source.port
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self.source.run, args=(intake, self._stop))
        self._thread.start()

    def stop(self, seconds: float = 10) -> float:
        """Seconds it took."""
        began = time.monotonic()
        self._stop.set()
        self._thread.join(seconds)
        assert not self._thread.is_alive()
        return time.monotonic() - began


@contextmanager
def served(intake: Intake, **settings: Any) -> Iterator[Served]:
    found = Served(intake, **settings)
    try:
        yield found
    finally:
        found.stop(40)


def storescu(
    port: int,
    *files: Path,
    more: Sequence[str] = (),
    nagle: bool = False,
    called: str = "STOWGATE",
    seconds: float = 60,
) -> subprocess.CompletedProcess[str]:
    """Send by DCMTK; `nagle` as it does by itself, otherwise with TCP_NODELAY."""
    environment = {name: value for name, value in os.environ.items() if name != "TCP_NODELAY"}
    line = [STORESCU, "-v", "-aec", called, *more, "127.0.0.1", str(port), *map(str, files)]
    return subprocess.run(
        line,
        env=environment | ({} if nagle else {"TCP_NODELAY": "1"}),
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )


def pdu(kind: int, body: bytes) -> bytes:
    return struct.pack(">BBI", kind, 0, len(body)) + body


def _item(kind: int, body: bytes) -> bytes:
    return struct.pack(">BBH", kind, 0, len(body)) + body


def associate(
    calling: str = "STORESCU",
    called: str = "STOWGATE",
    contexts: Sequence[tuple[int, str, Sequence[str]]] = ((1, CT, (EXPLICIT, IMPLICIT)),),
) -> bytes:
    """An A-ASSOCIATE-RQ (PS3.8 9.3.2)."""
    items = [_item(0x10, CONTEXT.encode())]
    for number, abstract, syntaxes in contexts:
        inner = _item(0x30, abstract.encode()) + b"".join(_item(0x40, one.encode()) for one in syntaxes)
        items.append(_item(0x20, bytes((number, 0, 0, 0)) + inner))
    user = _item(0x51, struct.pack(">I", 16384)) + _item(0x52, b"1.2.3.4") + _item(0x55, b"TEST")
    items.append(_item(0x50, user))
    fixed = struct.pack(">HH16s16s32x", 1, 0, called.ljust(16).encode(), calling.ljust(16).encode())
    return pdu(1, fixed + b"".join(items))


def pdv(control: int, data: bytes, context: int = 1) -> bytes:
    """One presentation data value item; control: 1 command, 2 last."""
    return struct.pack(">IBB", len(data) + 2, context, control) + data


def _element(element: int, value: bytes) -> bytes:
    return struct.pack("<HHI", 0, element, len(value)) + value


def command(
    uid: str = "1.2.3.4.5.6.7",
    sop_class: str = CT,
    message: int = 1,
    data_set: bool = True,
    field: int = 1,
    without: Sequence[int] = (),
) -> bytes:
    """The command set of a C-STORE-RQ (PS3.7 9.3.1.1), or of another by its command field."""

    def text(value: str) -> bytes:
        return value.encode() + b"\0" * (len(value) % 2)

    parts = {
        0x0002: text(sop_class),
        0x0100: struct.pack("<H", field),
        0x0110: struct.pack("<H", message),
        0x0700: struct.pack("<H", 0),
        0x0800: struct.pack("<H", 1 if data_set else 0x0101),
        0x1000: text(uid),
    }
    body = b"".join(_element(element, value) for element, value in parts.items() if element not in without)
    return _element(0, struct.pack("<I", len(body))) + body


class Peer:
    """A connection that sends whatever a test wants, and reads PDUs."""

    accepted = b""
    """Body of the A-ASSOCIATE-AC."""

    def __init__(self, port: int, request: bytes | None = None) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), 10)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if request is not None:
            self.send(request)

    @classmethod
    def associated(cls, port: int, **how: Any) -> Peer:
        peer = cls(port, associate(**how))
        kind, peer.accepted = peer.answer()
        assert kind == 2, kind
        return peer

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def values(self, *values: bytes) -> None:
        """Send one P-DATA-TF."""
        self.send(pdu(4, b"".join(values)))

    def store(self, data_set: bytes, uid: str = "1.2.3.4.5.6.7", message: int = 1, size: int = 16_000) -> int:
        """A whole C-STORE; its status."""
        self.values(pdv(3, command(uid, message=message)))
        parts = [data_set[at : at + size] for at in range(0, len(data_set), size)] or [b""]
        for number, part in enumerate(parts, 1):
            self.values(pdv(2 * (number == len(parts)), part))
        return self.status()

    def status(self) -> int:
        """The status of the next answer."""
        kind, body = self.answer()
        assert kind == 4, kind
        at = body.index(struct.pack("<HHI", 0, 0x0900, 2))
        return int.from_bytes(body[at + 8 : at + 10], "little")

    def answer(self) -> tuple[int, bytes]:
        """Type and body of the next PDU; type 0 when the other side has hung up."""
        head = self._exactly(6)
        if len(head) < 6:
            return 0, b""
        return head[0], self._exactly(int.from_bytes(head[2:], "big"))

    def _exactly(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            try:
                part = self.socket.recv(size - len(data))
            except ConnectionResetError:
                return b""
            if not part:
                break
            data += part
        return data

    def close(self) -> None:
        self.socket.close()

    def reset(self) -> None:
        """Pull the plug: RST instead of FIN."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()


def data_set_of(file: bytes) -> bytes:
    """What follows the file meta information."""
    length = int.from_bytes(file[140:144], "little")
    return file[144 + length :]


def eventually(true: Any, seconds: float = 10) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it never came to be"
        time.sleep(0.01)
