"""A DIMSE storage SCP with verification: one listening port, a waiting room, and the associations behind it."""

from __future__ import annotations

import resource
import socket
import ssl
from threading import Event

from stowgate import events
from stowgate.errors import Misconfigured
from stowgate.ingest.calls import Calls, TurnedAway
from stowgate.ingest.dimse_settings import Dimse, DimseTls
from stowgate.ingest.source import Intake
from stowgate.ingest.waiting_room import MOST, WaitingRoom

_LOOK = 0.1
"""Seconds between looks at whether it is time to stop."""

_DRAIN = 20.0
"""Seconds that associations get to finish the instance at hand when the gateway stops."""


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
        if self._listening.fileno() < 0:  # it ran before, and failed
            self._listening = _bound(self.settings)
        calls = Calls(self.settings, intake, self._turned_away, self._tell)
        room = WaitingRoom(
            self._listening, self._tls, _places(), most_per_address=self.settings.max_per_ip, judge=calls.judge
        )
        try:
            while not stop.is_set():
                for admitted in room.admit(_LOOK):
                    calls.take(admitted)
        finally:
            room.close()
            self._listening.close()
            calls.finish(_DRAIN)


def _places() -> int:
    """How many may wait: a quarter of the descriptors at most, so that those who are let in find some."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return min(MOST, soft // 4) if soft != resource.RLIM_INFINITY else MOST


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
