"""The query half of the deliveries in SQLite: snapshots that wait for no commit and change nothing."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Collection
from contextlib import AbstractContextManager
from typing import Any

from stowgate.lifecycle import Delivery, Evidence, State
from stowgate.outbox.policy import Urgency
from stowgate.store.clean_object import CleanObject
from stowgate.store.custody_rows import clean_row
from stowgate.store.deliveries import Destination, OnItsWay
from stowgate.store.links_sqlite import SqliteLinksView
from stowgate.store.queries import queries

SQL = "deliveries.sql"
Lend = Callable[[], AbstractContextManager[sqlite3.Connection]]


class SqliteDeliveriesView(SqliteLinksView):
    """Answers the questions of `store.deliveries.DeliveriesView`. `lend` gives a connection in a read transaction."""

    def __init__(self, lend: Lend) -> None:
        self._lend_one = lend

    def counts(self) -> dict[str, dict[Delivery, int]]:
        """As the triggers keep them."""
        found: dict[str, dict[Delivery, int]] = {}
        for destination, state, n in self._ask("delivery_counts"):
            found.setdefault(destination, dict.fromkeys(Delivery, 0))[Delivery(state)] = n
        return {name: states for name, states in found.items() if any(states.values())}

    def delivered(self) -> dict[str, dict[State, int]]:
        """As the triggers keep them."""
        found: dict[str, dict[State, int]] = {}
        for source, state, n in self._ask("delivered_counts"):
            if n:
                found.setdefault(source, {})[State(state)] = n
        return found

    def of_items(self, ids: Collection[str]) -> dict[str, list[OnItsWay]]:
        """One query for all of them."""
        found: dict[str, list[OnItsWay]] = {}
        for row in self._ask("of_items", ids=json.dumps(list(dict.fromkeys(ids)))):
            item, number, destination, state, stand, code, evidence, urgency, *rest = row
            one = OnItsWay(
                item, number, destination, Delivery(state), stand, code, Evidence(evidence), Urgency(urgency), *rest
            )
            found.setdefault(item, []).append(one)
        return {id: sorted(ways, key=lambda way: way.number) for id, ways in found.items()}

    def purgeable(
        self, before: float, after: int = 0, most: int = 100, *, original: bool = False
    ) -> list[tuple[int, str]]:
        """By an index of what has arrived everywhere."""
        return self._ask("purgeable", before=before, after=after, most=max(most, 0), original=original)

    def purging(self, after: int = 0, most: int = 100) -> list[tuple[int, str]]:
        """By an index that holds nothing else."""
        return self._ask("purging", after=after, most=max(most, 0))

    def made_of(self, ids: Collection[str]) -> dict[str, list[CleanObject]]:
        """One query for all of them."""
        found: dict[str, list[CleanObject]] = {}
        for item, *row in self._ask("made_of", ids=json.dumps(list(dict.fromkeys(ids)))):
            found.setdefault(item, []).append(clean_row(row))
        return found

    def destinations(self) -> dict[str, Destination]:
        """They are few."""
        return {row[0]: Destination(*row) for row in self._ask("destinations")}

    def _ask(self, query: str, **values: object) -> list[Any]:
        with self._lend_one() as db:
            return db.execute(queries(SQL)[query], values).fetchall()
