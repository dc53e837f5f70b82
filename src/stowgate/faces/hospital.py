"""A pretend hospital: takes objects by C-STORE, can be asked by C-FIND, and keeps all of it in memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydicom import Dataset

TITLE = "HOSPITAL"


class Hospital:
    """It listens on a port of its own until it is closed. `held`: data sets as they came, by SOP Instance UID."""

    def __init__(self) -> None:
        from pynetdicom import AE, AllStoragePresentationContexts, _config, evt
        from pynetdicom.sop_class import StudyRootQueryRetrieveInformationModelFind, Verification  # type: ignore[attr-defined]

        _config.LOG_HANDLER_LEVEL = "none"
        self.held: dict[str, bytes] = {}
        self.again = 0
        """How often an object came that was here already."""
        entity = AE(TITLE)
        entity.maximum_pdu_size = 65_536
        for context in AllStoragePresentationContexts:
            entity.add_supported_context(context.abstract_syntax or "", _syntaxes())
        entity.add_supported_context(StudyRootQueryRetrieveInformationModelFind)
        entity.add_supported_context(Verification)
        handlers: Any = [(evt.EVT_C_STORE, self._store), (evt.EVT_C_FIND, self._find)]
        server: Any = entity.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
        self._server = server
        self.port: int = server.socket.getsockname()[1]

    def close(self) -> None:
        """Go away, with every association."""
        for one in list(self._server.active_associations):
            one.abort()
        self._server.shutdown()

    def _store(self, event: Any) -> int:
        uid = str(event.request.AffectedSOPInstanceUID)
        self.again += uid in self.held
        self.held.setdefault(uid, event.request.DataSet.getvalue())
        return 0x0000

    def _find(self, event: Any) -> Iterator[tuple[int, Dataset | None]]:
        from pydicom import Dataset

        asked = event.identifier
        uids = asked.SOPInstanceUID
        for uid in [uids] if isinstance(uids, str) else list(uids):
            if uid in self.held:
                found = Dataset()
                found.QueryRetrieveLevel, found.SOPInstanceUID, found.RetrieveAETitle = "IMAGE", uid, TITLE
                found.StudyInstanceUID, found.SeriesInstanceUID = asked.StudyInstanceUID, asked.SeriesInstanceUID
                yield 0xFF00, found


def _syntaxes() -> list[str]:
    from pynetdicom import ALL_TRANSFER_SYNTAXES

    return [str(one) for one in ALL_TRANSFER_SYNTAXES]
