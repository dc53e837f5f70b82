"""How many instances of a study came and how many headers tell of, in SQLite; each inside a caller's transaction."""

from __future__ import annotations

import sqlite3
from typing import Any

from stowgate.store.custody import Coming
from stowgate.store.expected import MOST_SERIES, Series, expected
from stowgate.store.queries import queries


def _ask(db: sqlite3.Connection, query: str, **values: object) -> list[Any]:
    return db.execute(queries("custody.sql")[query], values).fetchall()


def meet(db: sqlite3.Connection, coming: Coming) -> None:
    """Its study was not seen at its source before."""
    _ask(db, "meet_alias", study=coming.study, source=coming.source)


def count(db: sqlite3.Connection, coming: Coming) -> None:
    """An arrival that is no copy: count it if its instance is new to its study, and hear what its header says."""
    which, told = {"study": coming.study}, coming.told
    if not coming.instance or _ask(db, "is_counted", **which, instance=coming.instance):
        return
    for there, instances, series, least in _ask(
        db, "count_study", **which, instances=told.instances, series=told.series
    ):
        _ask(db, "count_item", id=coming.id)
        _ask(db, "count_series", **which, series=coming.series, instances=told.in_series)
        if told or least is not None:  # one more that tells nothing does not make true what was refuted
            each = [Series(*row) for row in _ask(db, "each_series", **which, most=MOST_SERIES + 1)]
            follows = expected(there, instances, series, each)
            _ask(
                db, "expect", **which,
                least=follows.least if follows else None, whole=follows is not None and follows.whole,
            )  # fmt: skip


def missing_of(db: sqlite3.Connection, study: str, idle: str) -> int:
    """How many instances are known to lack of a study that none of its sources with an idle time still waits for."""
    return next((int(number) for (number,) in _ask(db, "missing", study=study, idle=idle)), 0)
