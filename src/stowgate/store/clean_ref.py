"""Makes the reference of a clean object again, from the ledger's row that holds the gate's verdict and digest."""

from __future__ import annotations

import hashlib

from stowgate.errors import Rejected
from stowgate.objects import CleanRef, Names
from stowgate.store.clean_object import CleanObject
from stowgate.store.spool import CleanView

_STEP = 256 * 1024


def ref_of(clean: CleanObject, shelf: CleanView) -> CleanRef:
    """The reference that a sink may open, after every byte on the shelf was read and compared with the row.

    clean -- a row that the ledger wrote when the gate passed the object. Raises Rejected("payload_lost") where nothing
    lies, Rejected("spool_damaged") where something else does.
    """
    found = hashlib.sha256()
    with shelf.open(clean.id) as source:
        if source.size != clean.size:
            raise Rejected("spool_damaged")
        for offset in range(0, source.size, _STEP):
            found.update(source.read(offset, _STEP))
    if found.hexdigest() != clean.digest:
        raise Rejected("spool_damaged")
    return _made(clean, shelf)


def ref_of_purged(clean: CleanObject, shelf: CleanView) -> CleanRef:
    """The reference of what lies here no more: its place may be asked what it has of it, and it never opens.

    ValueError where something lies on the shelf.
    """
    try:
        shelf.open(clean.id).close()
    except Rejected as gone:
        if gone.code == "payload_lost":
            return _made(clean, shelf)
        raise
    raise ValueError("it was not purged")


def _made(clean: CleanObject, shelf: CleanView) -> CleanRef:
    names = Names(**clean.names)
    return CleanRef(shelf.place_of(clean.id), clean.size, names, clean.sop_class, clean.transfer_syntax, clean.policy)
