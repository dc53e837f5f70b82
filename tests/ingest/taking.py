"""A small intake in memory, and a web server around a STOW source: what the tests of uploads stand on."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from stowgate import events
from stowgate.faces.web.app import build
from stowgate.faces.web.server import Listen, WebServer
from stowgate.ingest.source import Accepted, Announced, Arrival, Duplicate, Intake, Outcome, Refused
from stowgate.ingest.stow import Stow
from stowgate.ingest.stow_routes import StowRoutes


@dataclass
class Taking:
    """Keeps the digest of what it is given; `refuse` decides by size and number of arrivals."""

    closed: str = ""
    refuse: Callable[[int, bytes], str] = lambda _number, _data: ""
    digests: list[str] = field(default_factory=list)
    broken_off: int = 0
    largest_read: int = 0
    hold: threading.Event | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def may_accept(self, announced: Announced) -> Refused | None:  # noqa: ARG002
        return Refused(self.closed) if self.closed else None

    def receive(self, arrival: Arrival) -> Outcome:
        digest, first, number = hashlib.sha256(), b"", len(self.digests)
        try:
            while data := arrival.read(65536):
                self.largest_read = max(self.largest_read, len(data))
                first = first or data
                digest.update(data)
                if self.hold:
                    self.hold.wait(10)
        except BaseException:
            self.broken_off += 1
            raise
        code = self.refuse(number, first)
        if code:
            return Refused(code)
        with self._lock:
            known = digest.hexdigest() in self.digests
            self.digests.append(digest.hexdigest())
        return Duplicate(f"{number:032x}") if known else Accepted(f"{number:032x}")


class ServedStow:
    """A STOW source as the contract of sources sees it: `run` until `stop` is set, on a web server of its own."""

    def __init__(self, source: Stow | None = None, listen: Listen | None = None, **told: Any) -> None:
        self.source = source or Stow(kind="stow", name="upload")
        self.server = WebServer(listen or Listen("127.0.0.1:0"))
        self.told = told
        self.events: list[events.GatewayEvent] = []
        self.watch: events.Watcher = self.events.append

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.port}"

    def tell(self, event: events.GatewayEvent) -> None:
        self.watch(event)

    def run(self, intake: Intake, stop: threading.Event) -> None:
        routes = StowRoutes(self.source, intake, self.tell)
        told = {"tell": self.tell, "hosts": self.server.listen.names, "token": self.server.listen.token}
        self.server.start(build(routes.routes(), **{**told, **self.told}))
        stop.wait()
        assert self.server.stop()
        routes.close()

    def send(self, data: bytes) -> int:
        """The contract's way to hand over one instance; the Failure Reason or HTTP status, 0 for success."""
        kind = {"Content-Type": "application/dicom"}
        response = httpx.post(f"{self.url}{self.source.path}/studies", content=data, headers=kind)
        if response.status_code not in (200, 202, 409):
            return response.status_code
        answer = response.json()
        failed = [*answer.get("00081198", {}).get("Value", []), *answer.get("0008119A", {}).get("Value", [])]
        return failed[0]["00081197"]["Value"][0] if failed else 0


@contextmanager
def served(intake: Intake, **how: Any) -> Iterator[ServedStow]:
    """A server that runs for the length of a block; limits of the source by name."""
    told = {name: how.pop(name) for name in ("ready", "metrics") if name in how}
    listen = how.pop("listen", None)
    stow = ServedStow(Stow(kind="stow", name="upload", **how), listen, **told)
    stop = threading.Event()
    thread = threading.Thread(target=stow.run, args=(intake, stop))
    thread.start()
    try:
        yield stow
    finally:
        stop.set()
        thread.join(20)
        assert not thread.is_alive()


def multipart(*parts: bytes, boundary: str = "8c1f", head: str = "Content-Type: application/dicom") -> bytes:
    """A body of instances as senders write it."""
    pieces = [f"--{boundary}\r\n{head}\r\n\r\n".encode() + part + b"\r\n" for part in parts]
    return b"".join(pieces) + f"--{boundary}--\r\n".encode()


RELATED = {"Content-Type": 'multipart/related; type="application/dicom"; boundary=8c1f'}
