"""A connection to a DIMSE node, in clear or by TLS, that notices when its link is dead."""

from __future__ import annotations

import socket
import ssl
from dataclasses import dataclass

from stowgate.deliver.sockets import options
from stowgate.errors import Misconfigured, Temporary

CONNECT, NEGOTIATE, ANSWER = 10.0, 30.0, 120.0
"""Seconds to connect, to agree on an association, and to wait for the answer to an object."""


@dataclass(frozen=True, slots=True)
class Peer:
    """Whom to call, as whom, and how: `tls` for a context that checks certificates."""

    host: str
    port: int
    called: str
    calling: str
    tls: ssl.SSLContext | None = None


def reachable(peer: Peer) -> bool:
    """Whether somebody listens there."""
    try:
        socket.create_connection((peer.host, peer.port), 5.0).close()
    except (OSError, OverflowError, UnicodeError):
        return False
    return True


def connected(peer: Peer) -> socket.socket:
    """Connected, and by TLS if the peer wants it. Temporary: "peer_unreachable"; Misconfigured: "peer_certificate"."""
    place = f"{peer.host}:{peer.port}"
    try:
        plain = socket.create_connection((peer.host, peer.port), CONNECT)
    except (OSError, OverflowError, UnicodeError):
        raise Temporary("peer_unreachable", place) from None
    try:
        _tuned(plain)
        if peer.tls is None:
            return plain
        return peer.tls.wrap_socket(plain, server_hostname=peer.host)
    except (ssl.SSLEOFError, ConnectionError, TimeoutError):
        plain.close()
        raise Temporary("peer_unreachable", place) from None
    except (ssl.SSLError, OSError):
        plain.close()
        raise Misconfigured("peer_certificate", place) from None


def _tuned(connection: socket.socket) -> None:
    """No waiting for delayed acknowledgements, and a dead link is noticed in half a minute, even while we only wait."""
    for level, name, value in options():
        connection.setsockopt(level, name, value)
    connection.settimeout(ANSWER)
