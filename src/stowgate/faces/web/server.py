"""Runs the application in a thread of its own: where it may listen, how long anybody may take, how it stops."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stowgate.errors import Misconfigured
from stowgate.settings_gateway import is_loopback
from stowgate.vault.secret import Secret

if TYPE_CHECKING:
    import uvicorn
    from starlette.types import ASGIApp

_EVERYWHERE = frozenset(("0.0.0.0", "::"))  # noqa: S104 - looked for, not bound
_LOOPBACK = frozenset(("localhost", "127.0.0.1", "::1"))


@dataclass(frozen=True, slots=True)
class Listen:
    """Where and how the web server is reached.

    address     -- "HOST:PORT" or "[HOST]:PORT"; port 0 takes a free one
    token       -- what callers have to know
    certificate, private_key -- PEM files for TLS; both or none
    hosts       -- further names under which it is reached
    head_seconds -- for a request's header fields, from the beginning of the connection on
    drain_seconds -- that uploads under way may take when the server stops
    """

    address: str
    token: Secret | None = None
    certificate: Path | None = None
    private_key: Path | None = field(default=None, repr=False)
    hosts: tuple[str, ...] = ()
    head_seconds: float = 10.0
    connections: int = 512
    drain_seconds: int = 25

    @property
    def host(self) -> str:
        """Name or address without brackets."""
        return self.address.rpartition(":")[0].strip("[]")

    @property
    def port(self) -> int:
        """Misconfigured("web_unavailable") where there is none."""
        port = self.address.rpartition(":")[2]
        if not (port.isascii() and port.isdigit() and int(port) < 65536):
            raise Misconfigured("web_unavailable", "web.listen")
        return int(port)

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach it; a name other than localhost does not count."""
        return is_loopback(self.host)

    @property
    def names(self) -> frozenset[str]:
        """What a Host field may say; empty for anything, where every address of the machine is listened on.

        That opens nothing: a page that rebinds its name to this machine does not know the token, which then is needed.
        """
        if self.host in _EVERYWHERE and not self.hosts:
            return frozenset()
        own = frozenset(name.lower() for name in (self.host, *self.hosts))
        return own | _LOOPBACK if self.is_loopback else own


def check(listen: Listen) -> ssl.SSLContext | None:
    """The TLS context, None without TLS.

    Raises Misconfigured("web_exposed") for an address that others can reach without TLS and a token,
    Misconfigured("web_certificate") for files that are none or do not belong together.
    """
    encrypted = listen.certificate is not None and listen.private_key is not None
    if not listen.is_loopback and not (encrypted and listen.token):
        raise Misconfigured("web_exposed", "web.listen")
    if listen.certificate is None and listen.private_key is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(listen.certificate or "", listen.private_key, password=_no_password)
    except (OSError, ValueError):
        raise Misconfigured("web_certificate", "web.certificate") from None
    return context


def _no_password() -> str:
    """A key with a password would make a service wait at a prompt that nobody sees."""
    return ""


class WebServer:
    """One listening socket and the thread behind it."""

    def __init__(self, listen: Listen) -> None:
        """Checks and binds, so that what is wrong is said before anything starts; see `check`."""
        self.listen = listen
        self._tls = check(listen)
        self._socket = _bound(listen)
        self._thread: threading.Thread | None = None
        self._stop: Callable[[], None] = lambda: None

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self._socket.getsockname()[1])

    def start(self, app: ASGIApp) -> None:
        """Serve until `stop`."""
        import uvicorn

        server = uvicorn.Server(_config(app, self.listen, self._tls))

        def stop() -> None:
            server.should_exit = True

        self._stop = stop
        self._thread = threading.Thread(
            target=_serve, args=(server, self._socket, self.listen), name="web", daemon=True
        )
        self._thread.start()

    def drain(self) -> None:
        """Take no new request from now on, and let those under way finish; `stop` waits for them."""
        self._stop()

    def stop(self, seconds: float = 40.0) -> bool:
        """Take no new request, let those under way finish; whether it was over in time."""
        self.drain()
        if self._thread:
            self._thread.join(seconds)
        self._socket.close()
        return not (self._thread and self._thread.is_alive())


def _serve(server: uvicorn.Server, bound: socket.socket, listen: Listen) -> None:
    class Loop(asyncio.SelectorEventLoop):
        """An event loop that waits no longer for a TLS handshake than for header fields."""

        async def create_server(self, *args: Any, **how: Any) -> asyncio.Server:
            """As its base class."""
            if how.get("ssl"):
                how["ssl_handshake_timeout"] = listen.head_seconds
            return await super().create_server(*args, **how)

    with asyncio.Runner(loop_factory=Loop) as runner:
        runner.run(server.serve(sockets=[bound]))


def _bound(listen: Listen) -> socket.socket:
    try:
        found = socket.getaddrinfo(listen.host, listen.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, address = found[0]
        bound = socket.socket(family, kind, protocol)
        try:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            bound.bind(address)
            bound.listen(512)
        except OSError:
            bound.close()
            raise
    except OSError:
        raise Misconfigured("web_unavailable", "web.listen") from None
    return bound


def _config(app: ASGIApp, listen: Listen, tls: ssl.SSLContext | None) -> uvicorn.Config:
    """Everything that could echo, trust or wait for a stranger is off."""
    import uvicorn

    from stowgate.faces.web.connection import protocol

    config = uvicorn.Config(
        app,
        http=protocol(listen.head_seconds, listen.connections),
        ws="none",
        lifespan="off",
        loop="asyncio",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        date_header=False,
        h11_max_incomplete_event_size=16 * 1024,
        timeout_keep_alive=5,
        timeout_graceful_shutdown=listen.drain_seconds,
        backlog=512,
    )
    config.load()
    config.ssl = tls
    return config
