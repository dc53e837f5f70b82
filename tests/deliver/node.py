"""A DIMSE node in the test's own process: stores, is asked, and does everything wrong that a peer can do."""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from hashlib import sha256
from io import BytesIO
from typing import Any

from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import UID
from pynetdicom import AE, _config, evt
from pynetdicom.dsutils import decode

from stowgate.deliver.association import FIND, IMPLICIT, VERIFICATION
from stowgate.deliver.cget import GET
from tests.builder import CT, EXPLICIT, MG

_config.LOG_HANDLER_LEVEL = "none"


class Node:
    """What it holds is the data set of each instance as it came first, by UID.

    status   -- what it answers a C-STORE with, by UID
    forgets  -- UIDs it says it stored, and did not
    versions -- digests of all that came under a UID
    aborts   -- UIDs at which it ends the association instead of answering
    busy     -- UIDs that it has no resources to give back
    lists    -- whether it understands a list of UIDs in a query
    """

    def __init__(
        self, *, queries: bool = True, gives_back: bool = True, tls: ssl.SSLContext | None = None, **limits: Any
    ) -> None:
        self.held: dict[str, bytes] = {}
        self.came: list[str] = []
        self.versions: dict[str, set[bytes]] = {}
        self.status: dict[str, int] = {}
        self.forgets: set[str] = set()
        self.aborts: set[str] = set()
        self.lists = True
        self.got: list[str] = []
        self.busy: set[str] = set()
        self.breaks_gets = False
        self.asked: list[str] = []
        self.associations = 0
        self._entity = AE("NODE")
        self._entity.maximum_pdu_size = 16_384
        for name, value in limits.items():
            setattr(self._entity, name, value)
        for sop_class in (CT, MG):
            self._entity.add_supported_context(sop_class, [EXPLICIT, IMPLICIT], scu_role=True, scp_role=True)
        self._entity.add_supported_context(VERIFICATION)
        if queries:
            self._entity.add_supported_context(FIND)
        if gives_back:
            self._entity.add_supported_context(GET)
        self._queries, self._tls = queries, tls
        self.port = 0
        self.start()

    def start(self) -> None:
        """Listen; where it listened before, if it did."""
        handlers = [
            (evt.EVT_C_STORE, self._store), (evt.EVT_C_FIND, self._find), (evt.EVT_C_GET, self._get),
            (evt.EVT_ESTABLISHED, self._came_in),
        ]  # fmt: skip
        server: Any = self._entity.start_server(
            ("127.0.0.1", self.port), block=False, evt_handlers=handlers, ssl_context=self._tls
        )
        self._server, self.port = server, server.socket.getsockname()[1]

    def stop(self) -> None:
        """Go away, with all associations."""
        for one in list(self._server.active_associations):
            with suppress(Exception):
                one.abort()
        self._server.shutdown()

    def _came_in(self, _: Any) -> None:
        self.associations += 1

    def _store(self, event: Any) -> int:
        uid = str(event.request.AffectedSOPInstanceUID)
        self.came.append(uid)
        self.versions.setdefault(uid, set()).add(sha256(event.request.DataSet.getvalue()).digest())
        if uid in self.aborts:
            self.aborts.discard(uid)
            threading.Thread(target=event.assoc.abort, daemon=True).start()
            time.sleep(0.3)
            return 0x0110
        status = self.status.get(uid, 0)
        if status in (0, 0xB000) and uid not in self.forgets:
            self.held.setdefault(uid, event.request.DataSet.getvalue())
        return status

    def _find(self, event: Any) -> Iterator[tuple[int, Dataset | None]]:
        asked = event.identifier
        uids = asked.SOPInstanceUID if not isinstance(asked.SOPInstanceUID, str) else [asked.SOPInstanceUID]
        self.asked.append("list" if len(uids) > 1 else "one")
        if len(uids) > 1 and not self.lists:
            uids = []
        for uid in uids:
            if uid in self.held:
                found = Dataset()
                found.QueryRetrieveLevel, found.SOPInstanceUID = "IMAGE", uid
                found.StudyInstanceUID, found.SeriesInstanceUID = asked.StudyInstanceUID, asked.SeriesInstanceUID
                found.RetrieveAETitle = "NODE"
                yield 0xFF00, found

    def _get(self, event: Any) -> Iterator[Any]:
        uid = str(event.identifier.SOPInstanceUID)
        self.got.append(uid)
        if self.breaks_gets:
            event.assoc.abort()
        if uid in self.busy:
            yield 1
            yield 0xA701, None
        elif uid not in self.held:
            yield 0
        else:
            yield 1
            found = decode(BytesIO(self.held[uid]), False, True)
            found.file_meta = FileMetaDataset()
            found.file_meta.TransferSyntaxUID = UID(EXPLICIT)
            yield 0xFF00, found


def data_set(file: bytes) -> bytes:
    """That of a PS3.10 file, behind preamble, prefix and group 0002 by its length."""
    return file[144 + int.from_bytes(file[140:144], "little") :]
