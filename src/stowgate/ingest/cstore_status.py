"""Which status a C-STORE is answered with (PS3.4 B.2.3, PS3.7 9.1.1.1.9): one table."""

from __future__ import annotations

from stowgate.ingest.source import LATER, Accepted, Duplicate, Outcome

SUCCESS, NO_ROOM, CLASS_DIFFERS, NOT_UNDERSTOOD = 0x0000, 0xA700, 0xA900, 0xC000
CLASS_NOT_TAKEN, FAILURE = 0x0122, 0x0110

_BY_CODE = {
    **dict.fromkeys(LATER, NO_ROOM),
    "sop_class_not_taken": CLASS_NOT_TAKEN,
    "announced_differs": CLASS_DIFFERS,
    "internal_error": FAILURE,
}
"""Everything else is an object that cannot be understood."""


def status_of(outcome: Outcome) -> int:
    """0000 only for what is in custody."""
    if isinstance(outcome, Accepted | Duplicate):
        return SUCCESS
    return _BY_CODE.get(outcome.code, NOT_UNDERSTOOD)
