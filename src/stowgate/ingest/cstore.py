"""A DIMSE storage SCP: the settings of such a source, who may call, and how an association becomes instances."""

from __future__ import annotations

import ipaddress
import socket
import ssl
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as Late
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from stowgate import events
from stowgate.errors import Misconfigured
from stowgate.ingest.association_socket import guarded
from stowgate.ingest.cstore_status import status_of
from stowgate.ingest.dimse_stream import Announcement, refused, streaming
from stowgate.ingest.fragments import Fragments
from stowgate.ingest.peek import FIRST, peek
from stowgate.ingest.source import Announced, Arrival, BrokenOff, Intake, Outcome, Refused
from stowgate.ingest.waiting_room import Admitted, WaitingRoom

if TYPE_CHECKING:
    from pynetdicom.association import Association

MAX_PDU = 131_072
VERIFICATION = "1.2.840.10008.1.1"
_ANSWER = 120.0
"""Seconds an answer may take before the association is given up."""
_IDLE = 120.0
_DRAIN = 20.0
"""Seconds that associations get to finish the instance at hand when the gateway stops."""

_UNRECOGNISED = (1, 1, 3)
"""A-ASSOCIATE-RJ: permanent, by the service user, calling AE title not recognised (PS3.8 9.3.4)."""
_CALLED_UNRECOGNISED = (1, 1, 7)
_TOO_MANY = (2, 3, 2)


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


AETitle = Annotated[str, Field(min_length=1, max_length=16, pattern=r"^[ -\[\]-~]+$")]


class Caller(_Section):
    """Somebody who may send: application entity title and address together."""

    ae: AETitle = Field(description="Calling AE title, exactly as the sender gives it.")
    ip: str = Field(description='Address or network of the sender, such as "192.168.5.20" or "192.168.5.0/24".')

    @field_validator("ip")
    @classmethod
    def _is_network(cls, ip: str) -> str:
        try:
            ipaddress.ip_network(ip, strict=False)
        except ValueError:
            raise ValueError("must be an IP address or network") from None
        return ip


class DimseTls(_Section):
    """TLS for a DIMSE source (PS3.15 B.12); such a source has a port of its own, 2762 by custom."""

    certificate: Path = Field(description="PEM file of the certificate.")
    key: Path = Field(description="PEM file of its private key.")
    ca: Path | None = Field(default=None, description="PEM file of the authorities that senders' certificates are by.")
    mutual: bool = Field(default=True, description="Whether senders have to show a certificate, too.")


class Dimse(_Section):
    """A [[source]] of kind "dimse": scanners send by C-STORE."""

    kind: Literal["dimse"] = Field(description="Scanners send by C-STORE.")
    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,31}$")] = Field(
        description="Name of the source in counts and logs: small letters, digits, - and _."
    )
    listen: Annotated[str, Field(pattern=r"^.+:\d{1,5}$")] = Field(description='Where it listens, "HOST:PORT".')
    ae: AETitle = Field(default="STOWGATE", description="Our AE title; calls to another one are rejected.")
    allow: tuple[Caller, ...] = Field(
        default=(), description="Who may send. Others are rejected, and `stowgate source list` shows them."
    )
    sop_classes: tuple[str, ...] = Field(default=(), description="SOP Class UIDs that are taken; empty for all.")
    transfer_syntaxes: tuple[str, ...] = Field(
        default=(), description="Transfer Syntax UIDs that are taken; empty for all."
    )
    tls: DimseTls | None = Field(default=None, description="TLS; without it the source speaks in clear.")
    max_associations: int = Field(default=50, ge=1, le=1000, description="Associations at the same time.")
    max_per_ip: int = Field(default=64, ge=1, le=1000, description="Connections of one address that may wait.")
    complete_after: float = Field(
        default=600.0, gt=0, description="Seconds without a new object after which a study counts as complete."
    )
    issuer: str = Field(
        default="", max_length=64, description="Who issued the patient IDs of this source, where objects do not say."
    )

    @property
    def address(self) -> tuple[str, int]:
        """Host and port."""
        host, _, port = self.listen.rpartition(":")
        return host.strip("[]"), int(port)

    def allows(self, calling: str, address: str) -> bool:
        """Whether this caller is on the list."""
        found = ipaddress.ip_address(address.partition("%")[0])
        return any(one.ae == calling and found in ipaddress.ip_network(one.ip, strict=False) for one in self.allow)


TurnedAway = Callable[[str, str, str], None]
"""(source, calling AE title, address): somebody who is not on the list."""


class CStoreSource:
    """See `ingest.source.Source`. The port is bound at once, so that a wrong one is said before anything starts."""

    def __init__(
        self, settings: Dimse, turned_away: TurnedAway = lambda *_: None, tell: events.Watcher = lambda _: None
    ) -> None:
        self.settings = settings
        self._turned_away, self._tell = turned_away, tell
        self._tls = _context(settings.tls) if settings.tls else None
        self._listening = _bound(settings)

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self._listening.getsockname()[1])

    def run(self, intake: Intake, stop: Event) -> None:
        """See `Source.run`."""
        room = WaitingRoom(self._listening, self._tls, most_per_address=self.settings.max_per_ip)
        calls = _Calls(self.settings, intake, self._turned_away, self._tell)
        try:
            while not stop.is_set():
                for admitted in room.admit(0.25):
                    calls.take(admitted)
        finally:
            room.close()
            self._listening.close()
            calls.finish(_DRAIN)


class _Calls:
    """The associations of one source."""

    def __init__(self, settings: Dimse, intake: Intake, turned_away: TurnedAway, tell: events.Watcher) -> None:
        from pynetdicom import AE, _config

        _config.UNRESTRICTED_STORAGE_SERVICE = True  # every storage SOP class, private ones and those to come
        _config.LOG_HANDLER_LEVEL = "none"
        self.settings, self._intake, self._turned_away, self._tell = settings, intake, turned_away, tell
        self._pool = ThreadPoolExecutor(settings.max_associations, f"cstore-{settings.name}")
        self._entity = AE(settings.ae)
        self._entity.maximum_pdu_size = MAX_PDU
        self._entity.maximum_associations = 10_000  # counted here, once they are associations
        self._entity.acse_timeout, self._entity.network_timeout, self._entity.dimse_timeout = 10, _IDLE, 60
        self._entity.add_supported_context(VERIFICATION)
        self._running: list[Association] = []

    def take(self, admitted: Admitted) -> None:
        """Begin an association with somebody who asked for one."""
        from stowgate.ingest.acceptor import accept

        self._running = [one for one in self._running if one.is_alive()]
        handlers = self._handlers()
        association = accept(self._entity, self.settings.ae, admitted, handlers, self._rejection, self._listen_name)
        plain = association.dul.socket
        association.dul.socket = guarded(plain, admitted.request, MAX_PDU)  # type: ignore[arg-type]
        association.dimse = streaming(association, self._begin)
        self._running.append(association)
        association.start()

    def finish(self, seconds: float) -> None:
        """Let those who are sending finish the instance at hand, then end all associations."""
        deadline = time.monotonic() + seconds
        while self._running:
            late = time.monotonic() >= deadline
            for one in self._running:
                if late or not getattr(one.dimse, "is_receiving", False):
                    one.abort()
            self._running = [one for one in self._running if one.is_alive()]
            if late and time.monotonic() >= deadline + 2:
                break
            time.sleep(0.02)
        self._pool.shutdown(wait=False, cancel_futures=True)

    @property
    def _listen_name(self) -> tuple[str, int]:
        return self.settings.address

    def _rejection(self, calling: str, called: str, address: str) -> tuple[int, int, int] | None:
        """Result, source and reason of the A-ASSOCIATE-RJ; None for a caller who is welcome."""
        if not self.settings.allows(calling, address):
            self._turned_away(self.settings.name, calling, address)
            self._tell(events.CallerTurnedAway(self.settings.name))
            return _UNRECOGNISED
        if called != self.settings.ae.strip():
            return _CALLED_UNRECOGNISED
        established = sum(one.is_established for one in self._running)
        return _TOO_MANY if established >= self.settings.max_associations else None

    def _handlers(self) -> list[tuple[Any, Callable[[Any], Any]]]:
        from pynetdicom import evt

        name, tell = self.settings.name, self._tell

        def gone(event: Any) -> None:
            event.assoc.dimse.break_off()

        def closed(event: Any) -> None:
            gone(event)
            if event.assoc.is_accepted_by_us:
                event.assoc.is_accepted_by_us = False
                tell(events.Association(name, opened=False))

        def established(event: Any) -> None:
            event.assoc.is_accepted_by_us = True
            tell(events.Association(name, opened=True))

        return [
            (evt.EVT_C_STORE, self._answer),
            (evt.EVT_C_ECHO, lambda _: 0x0000),
            (evt.EVT_ESTABLISHED, established),
            (evt.EVT_ABORTED, gone),
            (evt.EVT_CONN_CLOSE, closed),
        ]

    def _begin(self, told: Announcement, fragments: Fragments) -> Future[Outcome]:
        """Called by the network's thread when a command is whole; the data set follows."""
        settings = self.settings
        code = ""
        if settings.sop_classes and told.sop_class not in settings.sop_classes:
            code = "sop_class_not_taken"
        elif settings.transfer_syntaxes and told.transfer_syntax not in settings.transfer_syntaxes:
            code = "transfer_syntax_not_taken"
        announced = Announced(settings.name, told.sop_class, told.transfer_syntax)
        refusal = Refused(code) if code else self._intake.may_accept(announced)
        if refusal:
            fragments.close()
            self._tell(events.Refused(settings.name, refusal.code))
            return refused(refusal.code)
        return self._pool.submit(self._take, announced, told, fragments)

    def _take(self, announced: Announced, told: Announcement, fragments: Fragments) -> Outcome:
        checked = _Checked(told, fragments)
        try:
            return self._intake.receive(Arrival(announced, checked.read))
        except BrokenOff:
            return Refused("announced_differs" if checked.differs else "truncated")
        finally:
            fragments.close()

    def _answer(self, event: Any) -> int:
        """The handler of EVT_C_STORE, in the association's thread: 0000 only after custody."""
        future: Future[Outcome] | None = event.assoc.dimse.outcome()
        try:
            return status_of(future.result(_ANSWER) if future else Refused("internal_error"))
        except (Late, Exception):  # noqa: BLE001 - whatever went wrong, the sender must keep its object
            return status_of(Refused("internal_error"))


class _Checked:
    """Reads fragments, and breaks off where the data set is not the instance that was announced (PS3.4 B.2.3)."""

    def __init__(self, told: Announcement, fragments: Fragments) -> None:
        self._told, self._fragments = told, fragments
        self._head: bytes | None = b""
        self.differs = False

    def read(self, size: int) -> bytes:
        """See `Arrival.read`."""
        data = self._fragments.read(size)
        if self._head is not None:
            self._head += data
            if len(self._head) >= FIRST or not data:
                self._compare(self._head)
                self._head = None
        return data

    def _compare(self, head: bytes) -> None:
        found = peek(head)
        pairs = ((found.sop_class, self._told.sop_class), (found.sop_instance, self._told.sop_instance))
        if any(said and said != told for said, told in pairs):
            self.differs = True
            raise BrokenOff


def _bound(settings: Dimse) -> socket.socket:
    host, port = settings.address
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        bound = socket.socket(family, kind, protocol)
        try:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            bound.bind(address)
            bound.listen(512)
        except BaseException:
            bound.close()
            raise
    except (OSError, OverflowError):
        raise Misconfigured("port_unavailable", f"source {settings.name}: {settings.listen}") from None
    return bound


def _context(tls: DimseTls) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(tls.certificate, tls.key, password=lambda: b"")
        if tls.mutual:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(tls.ca)
    except (OSError, ValueError, TypeError):
        raise Misconfigured("web_certificate", str(tls.certificate)) from None
    return context
