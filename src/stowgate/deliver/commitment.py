"""Storage commitment as its SCU (PS3.4 annex J): a peer is asked to vouch for instances, and reports when it can."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from typing import TYPE_CHECKING

from stowgate.deliver import dimse_command as commands
from stowgate.deliver.association import IMPLICIT, Association, associate
from stowgate.deliver.connection import Peer
from stowgate.deliver.pdu import BrokeOff
from stowgate.deliver.reports import REPORTS, Asked, Reports
from stowgate.deliver.sink import Found, Instance, Journal, Parcel
from stowgate.errors import Misconfigured, Temporary
from stowgate.lifecycle import Evidence

if TYPE_CHECKING:
    from pydicom import Dataset

PUSH_MODEL, WELL_KNOWN = "1.2.840.10008.1.20.1", "1.2.840.10008.1.20.1.1"
"""Storage Commitment Push Model SOP Class, and its one instance (PS3.4 J.3.5)."""

CONTEXT = (PUSH_MODEL, IMPLICIT)
UNKNOWN_TRANSACTION = 0x0110
"""Processing failure: nobody here asked for it."""

_REQUEST = 1
_FIELD, _MESSAGE, _STATUS, _EVENT = 0x0100, 0x0110, 0x0900, 0x1002
_HERE = 3.0
"""Seconds that a report is waited for on the association that asked; most peers come by one of their own."""

_AGAIN, _SILENT = 20.0, 600.0
"""Seconds between looks for a report, and after which a silent peer is asked anew."""

_LATER = frozenset((0x0110, 0x0213))
"""Failure Reasons (PS3.3 C.14.1.1) that say nothing about the instance."""

_PRESENT, _LOST = Found(Evidence.PRESENCE), Found(code="peer_lost_object")


def committed(peer: Peer, parcel: Parcel, journal: Journal, reports: Reports = REPORTS) -> dict[str, Found]:
    """See `deliver.sink.Sink.verify`: what was reported; what was not asked for, or for too long, is asked for now."""
    found: dict[str, Found] = {}
    fresh: list[Instance] = []
    for one in parcel.instances:
        known = reports.of(journal.read(one.uid))
        said = _said(one.uid, *known) if known else None
        if said is None:
            fresh.append(one)
        else:
            found[one.uid] = said
    if fresh:
        transaction = reports.begin(one.uid for one in fresh)
        for one in fresh:
            journal.write(one.uid, transaction)
        _ask(peer, transaction, fresh, reports)
        known = reports.of(transaction)
        found |= {one.uid: (known and _said(one.uid, *known)) or Found(wait=_AGAIN) for one in fresh}
    for uid, one_found in found.items():
        if one_found.wait is None and one_found.evidence is Evidence.NONE:
            journal.write(uid, "")  # it is sent again, and then asked for again
    return {one.uid: found[one.uid] for one in parcel.instances}


def _said(uid: str, asked: Asked, seconds: float) -> Found | None:
    """What a report says of one; None where it has to be asked for anew."""
    if not asked.is_reported:
        return Found(wait=_AGAIN) if seconds < _SILENT else None
    if uid in asked.stored:
        return _PRESENT
    return Found(wait=_AGAIN) if asked.failed.get(uid) in _LATER and seconds < _AGAIN else _of_reason(asked, uid)


def _of_reason(asked: Asked, uid: str) -> Found | None:
    return None if asked.failed.get(uid) in _LATER else _LOST


def _ask(peer: Peer, transaction: str, instances: Sequence[Instance], reports: Reports) -> None:
    association = associate(peer, [CONTEXT])
    try:
        context = association.accepted.get(CONTEXT)
        if context is None:
            raise Misconfigured("peer_cannot_be_asked", peer.called)
        data = _request(transaction, instances)
        command = commands.action(association.next_message(), PUSH_MODEL, WELL_KNOWN, _REQUEST)
        association.send(context, command, [data], len(data))
        _hear(association, reports)
        association.release()
    except BrokeOff:
        raise Temporary("peer_broke_off", peer.called) from None
    finally:
        association.close()


def _hear(association: Association, reports: Reports) -> None:
    """The answer to what was asked, and a report if it comes right away."""
    answered = reported = False
    while not answered or (not reported and association.says_something(_HERE)):
        try:
            context, command, pieces = association.hear()
        except BrokeOff:
            if answered:
                return  # it reports by an association of its own
            raise
        data, said = b"".join(pieces), commands.numbers(command)
        if said.get(_FIELD) == commands.N_ACTION | commands.RESPONSE:
            if said.get(_STATUS) != 0:
                raise Temporary("peer_busy")
            answered = True
        elif said.get(_FIELD) == commands.N_EVENT_REPORT:
            status = noted(data, reports)
            kind = said.get(_EVENT, 1)
            association.send(context, commands.noted(said.get(_MESSAGE, 0), PUSH_MODEL, WELL_KNOWN, kind, status))
            reported = True
        else:
            raise BrokeOff


def noted(data: bytes, reports: Reports = REPORTS) -> int:
    """The status that a report is answered with, once it was heard (PS3.4 J.3.3)."""
    from pynetdicom.dsutils import decode

    try:
        return heard(decode(BytesIO(data), True, True), reports)
    except Exception:  # noqa: BLE001 - whatever a stranger sent; its text is not passed on
        return UNKNOWN_TRANSACTION


def heard(report: Dataset, reports: Reports = REPORTS) -> int:
    """See `noted`."""
    stored = {str(one.ReferencedSOPInstanceUID) for one in report.get("ReferencedSOPSequence") or ()}
    lost = report.get("FailedSOPSequence") or ()
    failed = {str(one.ReferencedSOPInstanceUID): int(one.FailureReason) for one in lost}
    return 0 if reports.report(str(report.get("TransactionUID", "")), stored, failed) else UNKNOWN_TRANSACTION


def _request(transaction: str, instances: Sequence[Instance]) -> bytes:
    from pydicom import Dataset
    from pynetdicom.dsutils import encode

    asked, items = Dataset(), []
    for one in instances:
        item = Dataset()
        item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = one.ref.sop_class, one.uid
        items.append(item)
    asked.TransactionUID, asked.ReferencedSOPSequence = transaction, items
    data = encode(asked, True, True)
    assert data is not None  # noqa: S101 - UIDs of our own
    return data
