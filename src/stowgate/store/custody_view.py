"""The query half of the gateway's ledger in SQLite: snapshots that wait for no commit and change nothing."""

from __future__ import annotations

import heapq
import json
import sqlite3
from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager, contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

from stowgate.errors import Misconfigured
from stowgate.lifecycle import State
from stowgate.store.clean_object import CleanObject
from stowgate.store.connection import snapshot, untouched
from stowgate.store.custody import Caller, Event, Row
from stowgate.store.custody_rows import caller_row, clean_row, every_state, is_beginning, item_row, study_row
from stowgate.store.deliveries_view import SqliteDeliveriesView
from stowgate.store.looks_sqlite import SqliteLooksView
from stowgate.store.migrate import check_whole, shipped
from stowgate.store.plain import plain_errors
from stowgate.store.queries import queries
from stowgate.store.study import Completed, Study

APPLICATION = int.from_bytes(b"STWC", "big")
"""PRAGMA application_id of a gateway's ledger, so that no batch ledger is taken for one."""

SQL, MIGRATIONS = "custody.sql", "custody_migrations"
_PAGE = 1_000


@contextmanager
def read_custody(path: Path) -> Iterator[CustodyView]:
    """The ledger at `path` as it stands, whether the gateway runs or not; nothing is written, locked or waited for.

    Misconfigured: "state_unwritable" where there is none, "ledger_newer", "ledger_older", "ledger_damaged".
    Open it anew for each look.
    """
    if not path.is_file():
        raise Misconfigured("state_unwritable", str(path))
    with plain_errors(path.parent), untouched(path) as db:
        check_whole(db, str(path), shipped(MIGRATIONS), APPLICATION)
        yield CustodyView(lambda: snapshot(db))


class CustodyView:
    """Answers the questions of `store.custody.Custody`. `lend` gives a connection inside a read transaction."""

    def __init__(self, lend: Callable[[], AbstractContextManager[sqlite3.Connection]]) -> None:
        self._lend_one = lend
        self._sql = queries(SQL)
        self._deliveries_view = SqliteDeliveriesView(lend)
        self._looks_view = SqliteLooksView(lend)

    @property
    def deliveries(self) -> SqliteDeliveriesView:
        """See `Custody.deliveries`; here they can only be asked for."""
        return self._deliveries_view

    @property
    def looks(self) -> SqliteLooksView:
        """See `Custody.looks`; here they can only be asked for."""
        return self._looks_view

    def owner(self) -> str:
        """Id of the project key that the ledger belongs to, "" while it belongs to none."""
        rows = self._ask("owner")
        return str(rows[0][0]) if rows else ""

    def original(self, instance: str, content: str) -> str:
        """By the index of instances."""
        found = self._ask("original", instance=instance, content=content) if instance and content else []
        return str(found[0][0]) if found else ""

    def adding(self) -> int:
        """By an index that holds nothing else."""
        return int(self._ask("adding")[0][0])

    def key_of_profile(self, name: str) -> str:
        """By its name."""
        rows = self._ask("key_of_profile", name=name)
        return str(rows[0][0]) if rows else ""

    def clean_of_instance(
        self, instances: Collection[str], policy: str, key_id: str
    ) -> dict[str, tuple[str, CleanObject]]:
        """One query for all of them, by the index of those that stand."""
        wanted = json.dumps(list(instances))
        rows = self._ask("clean_of_instance", instances=wanted, policy=policy, key_id=key_id)
        return {row[2]: (row[0], clean_row(row[1:])) for row in rows}

    def clean_of_item(self, id: str) -> CleanObject | None:
        """The newest made of it, while its file is there."""
        rows = self._ask("clean_of_item", id=id)
        return clean_row(rows[0]) if rows else None

    def cleans_of_item(self, id: str) -> list[CleanObject]:
        """By the index of what was made of an item."""
        return [clean_row(row) for row in self._ask("cleans_of_item", id=id)]

    def made_of_item(self, id: str) -> list[str]:
        """By the index of what was made of an item."""
        return [id for (id,) in self._ask("made_of_item", id=id)]

    def payloads(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        """In pages, each a snapshot of its own, so that no reader keeps the log from being emptied."""
        after = 0
        while page := self._ask("payloads", after=after, most=_PAGE):
            yield from ((raw, tuple((cleans or "").split())) for _, raw, cleans in page)
            after = page[-1][0]

    def unpayloaded(self, ids: Collection[str]) -> frozenset[str]:
        """One query for all of them."""
        return frozenset(id for (id,) in self._ask("unpayloaded", ids=json.dumps(list(ids))))

    def row(self, id: str) -> Row | None:
        """By the index of ids; two that begin alike are none."""
        if not is_beginning(id):
            return None
        rows = self._ask("row", first=id, behind=id + "g")
        return item_row(rows[0]) if len(rows) == 1 else None

    def rows(
        self, states: Collection[State] = (), source: str = "", study: str = "", after: int = 0, most: int = 100
    ) -> list[Row]:
        """Each page is read from an index, in the order of arrival, whatever is asked for."""
        page: dict[str, Any] = {"after": after, "most": max(most, 0)}
        if study:
            wanted = json.dumps(sorted(states))
            rows = self._ask("rows_of_study", study=study, source=source, states=wanted, **page)
        elif states or source:
            rows = self._merged(states, source, page)
        else:
            rows = self._ask("rows", **page)
        return [item_row(row) for row in rows]

    def _merged(self, states: Collection[State], source: str, page: dict[str, Any]) -> list[Any]:
        """Sources and states are few, and of each the index holds its items in order."""
        with self._lend_one() as db:
            pairs = [
                (of, state)
                for of, state, n in db.execute(self._sql["counts"])
                if n and source in ("", of) and (not states or state in states)
            ]
            parts = [
                db.execute(self._sql["rows_listed"], {"source": of, "state": s, **page}).fetchall() for of, s in pairs
            ]
        return list(islice(heapq.merge(*parts), page["most"]))

    def counts(self) -> dict[str, dict[State, int]]:
        """As the triggers keep them."""
        found: dict[str, dict[State, int]] = {}
        for source, state, n in self._ask("counts"):
            found.setdefault(source, every_state({}))[State(state)] = n
        return found

    def studies(self, after: str = "", most: int = 100) -> list[Study]:
        """A page is as much longer as its last alias has further sources, so that the next one misses none."""
        return [study_row(row) for row in self._ask("studies", after=after, most=most)] if most > 0 else []

    def shortages(self) -> list[Completed]:
        """By an index that holds nothing else."""
        return [Completed(*row) for row in self._ask("shortages")]

    def callers(self) -> list[Caller]:
        """All of them: they are few."""
        return [caller_row(row) for row in self._ask("callers")]

    def events(self, item: str = "", most: int = 100) -> list[Event]:
        """The newest first."""
        found = (
            self._ask("events_of_item", item=item, most=max(most, 0))
            if item
            else self._ask("events", most=max(most, 0))
        )
        return [Event(*row) for row in found]

    def oldest_waiting(self) -> float | None:
        """The first in the order of arrival, whatever the clocks said."""
        rows = self._ask("oldest_waiting")
        return float(rows[0][0]) if rows else None

    def _ask(self, query: str, **values: object) -> list[Any]:
        with self._lend_one() as db:
            return db.execute(self._sql[query], values).fetchall()
