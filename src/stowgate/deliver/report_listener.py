"""Where peers report storage commitments by associations of their own (PS3.4 J.3.3); nothing else is taken here."""

from __future__ import annotations

from typing import Any

from stowgate.deliver.commitment import PUSH_MODEL, UNKNOWN_TRANSACTION, heard
from stowgate.deliver.reports import REPORTS, Reports
from stowgate.errors import Misconfigured

_MOST = 16


class ReportListener:
    """Listens from the start until it is closed."""

    def __init__(self, host: str, port: int, titles: list[str], reports: Reports = REPORTS) -> None:
        """titles -- our AE titles, as peers call us. Misconfigured("port_unavailable") where nobody can listen."""
        from pynetdicom import AE, _config, evt

        _config.LOG_HANDLER_LEVEL = "none"
        self._reports = reports
        entity = AE(titles[0] if titles else "STOWGATE")
        entity.add_supported_context(PUSH_MODEL, scu_role=True, scp_role=True)
        entity.maximum_associations = _MOST
        entity.network_timeout = entity.acse_timeout = entity.dimse_timeout = 30
        handlers: Any = [(evt.EVT_N_EVENT_REPORT, self._heard)]
        try:
            server: Any = entity.start_server((host, port), block=False, evt_handlers=handlers)
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
