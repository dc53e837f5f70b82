"""Looks for damage in the gateway's ledger before it is trusted, in bounded time."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

from stowgate.errors import Misconfigured
from stowgate.store.connection import untouched
from stowgate.store.queries import queries

SECONDS = 2.0
"""How long each of the two looks at the pages may take."""

_EVERY = 10_000


def check_shape(
    db: sqlite3.Connection, path: Path, seconds: float = SECONDS, clock: Callable[[], float] = time.monotonic
) -> bool:
    """SQLite's own look at every page, for when there are no sums to compare with: damaged headers, pointers, records.

    Misconfigured("ledger_damaged") if one is not sound; False if `seconds` were over before the end. A bit that flipped
    inside a value is not seen.
    """
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


def check_log(path: Path) -> None:
    """Misconfigured("ledger_damaged") if a ledger and the log beside it do not belong together.

    Whoever puts back a copy may leave the log of the ledger before it. SQLite would mix both for good, and not notice;
    so they are looked at as a reader sees them, every row and every index.
    """
    with untouched(path) as db:
        if db.execute("PRAGMA integrity_check(1)").fetchone() != ("ok",):
            raise Misconfigured("ledger_damaged", f"{path}-wal, the log of another ledger")


def check_line(db: sqlite3.Connection, path: Path) -> None:
    """Misconfigured("ledger_damaged") if the conservation line does not speak of as many items as there are."""
    sql = queries("custody.sql")
    if db.execute(sql["highest"]).fetchone() != db.execute(sql["counted"]).fetchone():
        raise Misconfigured("ledger_damaged", str(path))
