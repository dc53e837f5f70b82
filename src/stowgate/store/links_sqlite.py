"""The links in SQLite: the reading half, and the steps of the writing half."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Collection
from contextlib import AbstractContextManager
from typing import Any

from stowgate.store.links import MOST_OUTAGES, Outage
from stowgate.store.queries import queries

SQL = "links.sql"


class SqliteLinksView:
    """Answers the questions of `store.links.LinksView`."""

    _lend_one: Callable[[], AbstractContextManager[sqlite3.Connection]]

    def outages(self, destination: str, most: int = 10) -> list[Outage]:
        """By an index."""
        return [Outage(*row) for row in self._ask_links("outages", destination=destination, most=max(0, most))]

    def bytes_left(self) -> dict[str, int]:
        """As the triggers keep them."""
        return dict(self._ask_links("bytes_left"))

    def bytes_left_of(self, studies: Collection[str]) -> dict[str, dict[str, int]]:
        """One query for all of them, over their items."""
        found: dict[str, dict[str, int]] = {}
        for study, destination, size in self._ask_links("bytes_left_of", studies=json.dumps(list(studies))):
            found.setdefault(study, {})[destination] = size
        return found

    def _ask_links(self, query: str, **values: object) -> list[Any]:
        with self._lend_one() as db:
            return db.execute(queries(SQL)[query], values).fetchall()


def note_link(db: sqlite3.Connection, destination: str, code: str, now: float) -> None:
    """An outage begins, goes on, or ends."""
    told: dict[str, object] = {"destination": destination, "code": code, "now": now, "most": MOST_OUTAGES}
    for query in ("outage_begins", "forget_outages") if code else ("outage_ends",):
        db.execute(queries(SQL)[query], told)


def measured(db: sqlite3.Connection, destination: str, rate: float, now: float) -> None:
    """See `store.links.Links.measured`."""
    db.execute(queries(SQL)["measured"], {"destination": destination, "rate": rate, "now": now})
