"""Where peers report storage commitments by associations of their own (PS3.4 J.3.3); nothing else is taken here."""

from __future__ import annotations

import socket
import ssl
from typing import Any

from stowgate.deliver.commitment import PUSH_MODEL, UNKNOWN_TRANSACTION, heard
from stowgate.deliver.reports import REPORTS, Reports
from stowgate.errors import Misconfigured

_MOST, _PATIENCE = 16, 30
"""Associations at the same time, and seconds without a word after which one ends."""


class ReportListener:
    """Listens from the start until it is closed."""

    def __init__(
        self, host: str, port: int, titles: list[str], reports: Reports = REPORTS, tls: ssl.SSLContext | None = None
    ) -> None:
        """titles -- our AE titles, as peers call us. Misconfigured("port_unavailable") where nobody can listen."""
        from pynetdicom import AE, _config, evt

        _config.LOG_HANDLER_LEVEL = "none"
        self._reports = reports
        entity = AE(titles[0] if titles else "STOWGATE")
        entity.add_supported_context(PUSH_MODEL, scu_role=True, scp_role=True)
        entity.maximum_associations = _MOST
        entity.network_timeout = entity.acse_timeout = entity.dimse_timeout = _PATIENCE
        handlers: Any = [(evt.EVT_N_EVENT_REPORT, self._heard)]
        try:
            secured: Any = _Shaking(tls) if tls else None
            server: Any = entity.start_server((host, port), block=False, evt_handlers=handlers, ssl_context=secured)
        except OSError:
            raise Misconfigured("port_unavailable", f"{host}:{port}") from None
        self._server = server
        self.port = int(server.socket.getsockname()[1])

    def close(self) -> None:
        """Hear no more."""
        self._server.shutdown()

    def _heard(self, event: Any) -> tuple[int, None]:
        try:
            return heard(event.event_information, self._reports), None
        except Exception:  # noqa: BLE001 - whatever a stranger sent; its text is not passed on
            return UNKNOWN_TRANSACTION, None


class _Shaking:
    """Hands are shaken in the thread of each association, not where calls are taken: one that is slow delays nobody."""

    def __init__(self, tls: ssl.SSLContext) -> None:
        self._tls = tls

    def wrap_socket(self, connection: socket.socket, server_side: bool) -> ssl.SSLSocket:
        """As pynetdicom calls it; the first read shakes hands."""
        connection.settimeout(_PATIENCE)
        return self._tls.wrap_socket(connection, server_side=server_side, do_handshake_on_connect=False)
