"""A node that vouches for what it holds: a storage commitment SCP in the test's own process, with every fault."""

from __future__ import annotations

import ssl
import threading
import time
from contextlib import suppress
from typing import Any

from pydicom import Dataset
from pynetdicom import AE, _config, build_role, evt

from stowgate.deliver.commitment import PUSH_MODEL, WELL_KNOWN

_config.LOG_HANDLER_LEVEL = "none"


class Vouching:
    """What it vouches for, and how it says so.

    holds   -- UIDs that it has
    reports -- "here", on the association that asked; "there", on one of its own to `caller`; "never"
    reasons -- Failure Reason by UID, 0112 where none is set
    lies    -- UIDs it vouches for that nobody asked about
    twice   -- whether it reports a second time, then that it has nothing
    status  -- what it answers the request with
    tls     -- how it speaks when it reports by an association of its own
    """

    def __init__(self, *holds: str, reports: str = "here", caller: int = 0, tls: ssl.SSLContext | None = None) -> None:
        self.holds, self.reports, self.caller, self.tls = set(holds), reports, caller, tls
        self.reasons: dict[str, int] = {}
        self.lies: set[str] = set()
        self.twice, self.status = False, 0
        self.asked: list[tuple[str, list[str]]] = []
        self.answers: list[int] = []
        entity = AE("NODE")
        entity.add_supported_context(PUSH_MODEL)
        server: Any = entity.start_server(("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_N_ACTION, self._acted)])
        self._server, self.port = server, int(server.socket.getsockname()[1])

    def stop(self) -> None:
        """Go away."""
        with suppress(Exception):
            self._server.shutdown()

    def _acted(self, event: Any) -> tuple[int, None]:
        asked = event.action_information
        uids = [str(one.ReferencedSOPInstanceUID) for one in asked.ReferencedSOPSequence]
        self.asked.append((str(asked.TransactionUID), uids))
        if self.status == 0 and self.reports != "never":
            threading.Thread(
                target=self._report, args=(event.assoc, str(asked.TransactionUID), uids), daemon=True
            ).start()
        return self.status, None

    def report(self, transaction: str, uids: list[str]) -> int:
        """Report by an association of its own; the status it is answered with."""
        entity = AE("NODE")
        entity.add_requested_context(PUSH_MODEL)
        role = build_role(PUSH_MODEL, scp_role=True)
        secured = (self.tls, "127.0.0.1") if self.tls else None
        association = entity.associate("127.0.0.1", self.caller, ae_title="STOWGATE", ext_neg=[role], tls_args=secured)
        assert association.is_established
        try:
            return self._say(association, transaction, uids)
        finally:
            association.release()

    def _report(self, association: Any, transaction: str, uids: list[str]) -> None:
        time.sleep(0.2)
        if self.reports == "there":
            self.report(transaction, uids)
        else:
            self._say(association, transaction, uids)
        if self.twice:
            self.holds.clear()
            self.report(transaction, uids)

    def _say(self, association: Any, transaction: str, uids: list[str]) -> int:
        told = Dataset()
        told.TransactionUID = transaction
        told.ReferencedSOPSequence = [_item(uid) for uid in uids if uid in self.holds] + [
            _item(one) for one in self.lies
        ]
        lost = [uid for uid in uids if uid not in self.holds]
        if lost:
            told.FailedSOPSequence = [_item(uid, self.reasons.get(uid, 0x0112)) for uid in lost]
        status, _ = association.send_n_event_report(told, 2 if lost else 1, PUSH_MODEL, WELL_KNOWN)
        self.answers.append(int(status.Status))
        return self.answers[-1]


def _item(uid: str, reason: int | None = None) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = "1.2.840.10008.5.1.4.1.1.2", uid
    if reason is not None:
        item.FailureReason = reason
    return item
