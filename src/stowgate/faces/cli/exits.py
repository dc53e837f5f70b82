"""Exit codes: one table, the same in scripts, docs and tests."""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum

from stowgate.item import Item
from stowgate.lifecycle import State
from stowgate.reasons import REASONS


class Exit(IntEnum):
    """What a command's exit code means; every other number is a failure too."""

    DONE = 0  # everything asked for was done; `qc` and `triage` say what they find and exit with 0, alarms or not
    BUG = 1  # an unexpected error
    USAGE = 2  # the command line cannot be carried out as it is
    PARTLY = 3  # something was quarantined, held, or rejected although it may be DICOM; or a scan found identity
    CONFIGURATION = 10  # the configuration is invalid
    STATE_IN_USE = 11  # another process works with this state folder or spool
    KEY = 12  # the key is missing or wrong
    STORAGE = 15  # no room left to write to, or the disk failed
    AUDIT_BROKEN = 17  # a record of the audit log, or a certificate, is not what was written
    FAILED_CLOSED = 18  # the gate or a bug stopped an object that was thought clean
    INTERRUPTED = 130


_BY_CODE = {
    "state_in_use": Exit.STATE_IN_USE,
    "spool_in_use": Exit.STATE_IN_USE,
    "spool_failed": Exit.STORAGE,
    "disk_full": Exit.STORAGE,
    "cannot_write": Exit.STORAGE,
    "ledger_io": Exit.STORAGE,
    "spool_reserve": Exit.STORAGE,
    "audit_broken": Exit.AUDIT_BROKEN,
    "gateway_silent": Exit.PARTLY,
    "internal_error": Exit.BUG,
    "audit_unwritable": Exit.STORAGE,
    "not_confirmed": Exit.USAGE,
    "unknown_item": Exit.USAGE,
    "output_exists": Exit.USAGE,
    "unknown_name": Exit.USAGE,
    "no_input": Exit.USAGE,
    "output_unwritable": Exit.USAGE,
    "output_not_png": Exit.USAGE,
    "output_is_input": Exit.USAGE,
    "state_in_output": Exit.USAGE,
    "unknown_option": Exit.USAGE,
    "option_not_available": Exit.USAGE,
    "unknown_profile": Exit.USAGE,
    "dates_contradict": Exit.USAGE,
}


def of_error(code: str) -> Exit:
    """The exit code for an error that ended a command."""
    if code.startswith("key_") or code in ("wrong_key", "no_key"):
        return Exit.KEY
    return _BY_CODE.get(code, Exit.CONFIGURATION)


def of_items(items: Iterable[Item]) -> Exit:
    """The exit code for what became of a run's inputs."""
    worst = Exit.DONE
    for item in items:
        code = item.code or ""
        if code.startswith("gate_") or code == "internal_error":
            return Exit.FAILED_CLOSED
        if item.state in (State.HELD, State.QUARANTINED) or (
            item.state is State.REJECTED and not REASONS[code].not_dicom
        ):
            worst = Exit.PARTLY
    return worst
