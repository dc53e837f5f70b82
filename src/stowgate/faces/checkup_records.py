"""What `stowgate check` looks at in what a gateway wrote down: is the ledger sound, is the audit log whole."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from stowgate.errors import Misconfigured
from stowgate.faces.counting import as_written
from stowgate.faces.result import Result
from stowgate.settings import Settings

_SECONDS = 20.0
"""How long each look at the ledger may take: longer than at a start, because nobody waits to send."""


def ledger(settings: Settings, _: Path) -> Iterator[Result]:
    """Nothing before the first start. Misconfigured: "ledger_damaged", "ledger_newer"."""
    from stowgate.store.lock import is_held
    from stowgate.vault.folder import LEDGER

    if spool := _begun(settings):
        yield _looked_at(spool / LEDGER, at_rest=not is_held(spool))


def _begun(settings: Settings) -> Path | None:
    """The spool of a gateway that has run, where we may look into it; else that was said of the spool."""
    from stowgate.vault.folder import LEDGER

    spool = settings.spool.path.expanduser() if settings.spool.path else None
    may = spool is not None and os.access(spool, os.R_OK | os.W_OK | os.X_OK)
    return spool if spool and may and (spool / LEDGER).is_file() else None


def _looked_at(path: Path, *, at_rest: bool) -> Result:
    from stowgate.store.connection import untouched
    from stowgate.store.custody_damage import check_line, check_shape
    from stowgate.store.custody_view import read_custody
    from stowgate.store.page_sums import PageSums

    with read_custody(path):
        """It is a ledger, and not of a newer version."""
    every = True
    if at_rest:  # the pages of one that somebody writes change while they are looked at
        sums = PageSums(path)
        try:
            every = sums.check(_SECONDS)
        finally:
            sums.close()
    with untouched(path) as db:
        shape = check_shape(db, path, _SECONDS)
        check_line(db, path)
    if shape and every and at_rest:
        return Result("ledger", "ok", "Every page is as it was written, and the counts add up.")
    if shape:
        return Result("ledger", "ok", "Its shape is sound, and the counts add up.")
    return Result("ledger", "ok", f"What {_SECONDS:.0f} s could look at is sound, and the counts add up.")


def audit_log(settings: Settings, _: Path) -> Iterator[Result]:
    """Nothing before the first start; the whole chain is followed."""
    from stowgate.faces.held import project_key
    from stowgate.observe.audit import LOG
    from stowgate.observe.audit_check import verify

    spool = _begun(settings)
    if spool is None:
        return
    if not (spool / LOG).is_file():
        yield _broken("It is gone.")
        return
    try:
        key = project_key(settings, spool)
    except Misconfigured:
        return  # that was said of the key
    verdict = verify(spool, key.sub(b"audit"))
    if verdict.fault:
        yield _broken(f"It is not what was written, from record {verdict.number} on.")
    else:
        yield Result(
            "audit log",
            "ok",
            as_written(verdict.records),
        )


def _broken(said: str) -> Result:
    return Result(
        "audit log", "problem", said, "Somebody changed it, or the disk did; images are not touched by that.",
        "`stowgate audit verify` says more. Keep the spool as it is and find out who had access to it.", "audit_broken",
    )  # fmt: skip
