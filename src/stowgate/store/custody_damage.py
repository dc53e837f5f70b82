"""Looks for damage in the gateway's ledger before it is trusted, in bounded time."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

from stowgate.errors import Misconfigured
from stowgate.store.queries import queries

SECONDS = 3.0
"""How long opening may look. A ledger too large for it has been looked at in part: the pages met first."""

_EVERY = 10_000


def look_for_damage(
    db: sqlite3.Connection, path: Path, seconds: float = SECONDS, clock: Callable[[], float] = time.monotonic
) -> bool:
    """Misconfigured("ledger_damaged") if a page is not sound; True if all were looked at, False if time was up.

    The conservation line is compared with the number of rows, then `PRAGMA quick_check` walks every page: a damaged
    header, pointer, record or a value that its column does not allow. A flipped bit inside a value that stays a legal
    one is left to whoever meets it: a changed id is a payload without a row, which start-up adopts.
    """
    if not _holds_something(db):
        return True
    if (
        db.execute(queries("custody.sql")["highest"]).fetchone()
        != db.execute(queries("custody.sql")["counted"]).fetchone()
    ):
        raise Misconfigured("ledger_damaged", str(path))
    until = clock() + seconds
    db.set_progress_handler(lambda: clock() > until, _EVERY)
    try:
        sound = db.execute("PRAGMA quick_check(1)").fetchone() == ("ok",)
    except sqlite3.OperationalError as error:
        if getattr(error, "sqlite_errorcode", 0) != sqlite3.SQLITE_INTERRUPT:
            raise
        return False
    finally:
        db.set_progress_handler(None, 0)
    if not sound:
        raise Misconfigured("ledger_damaged", str(path))
    return True


def _holds_something(db: sqlite3.Connection) -> bool:
    return db.execute("SELECT 1 FROM sqlite_schema WHERE name = 'counts'").fetchone() is not None
