"""Says in our words what SQLite says in its own: what a person can do about it, and nothing out of a row."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stowgate.errors import Misconfigured, StowgateError, Temporary


@contextmanager
def plain_errors(folder: Path | None) -> Iterator[None]:
    """Errors of SQLite leave this block as ours; `folder` is the place they name."""
    try:
        yield
    except (sqlite3.IntegrityError, sqlite3.ProgrammingError):
        raise  # these are our own mistakes, and quote names of columns only
    except sqlite3.Error as error:
        raise plain(error, str(folder or "")) from None


def plain(error: sqlite3.Error, place: str) -> StowgateError:
    """What a person can do about an error of SQLite; its own text may quote a row and is not passed on."""
    match getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF:
        case sqlite3.SQLITE_FULL:
            return Temporary("disk_full", place)
        case sqlite3.SQLITE_IOERR:
            return Temporary("ledger_io", place)
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return Misconfigured("state_in_use", place)
        case sqlite3.SQLITE_READONLY | sqlite3.SQLITE_CANTOPEN | sqlite3.SQLITE_PERM:
            return Misconfigured("state_unwritable", place)
        case _:
            return Misconfigured("ledger_damaged", place)
