"""The ledger's deliveries in SQLite: the same connection and the same group commit as the rest of custody."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Mapping, Sequence

from stowgate.lifecycle import State
from stowgate.outbox.policy import Urgency
from stowgate.store import custody_steps
from stowgate.store import deliveries_steps as steps
from stowgate.store.clocks import Clocks
from stowgate.store.deliveries import REFUSED, Bound, Due, Outcome, Unbound
from stowgate.store.deliveries_rows import sound_bound, sound_code, sound_outcomes, sound_raise
from stowgate.store.deliveries_view import Lend, SqliteDeliveriesView
from stowgate.store.group_commit import GroupCommit
from stowgate.store.links_sqlite import measured


class SqliteDeliveries(SqliteDeliveriesView):
    """A `store.deliveries.Deliveries` in the ledger's file."""

    def __init__(self, writer: GroupCommit, lend: Lend, clocks: Clocks) -> None:
        super().__init__(lend)
        self._writer, self._clocks = writer, clocks

    def bind(self, group: Mapping[str, Sequence[Bound]]) -> None:
        """One commit."""
        sound_bound(group)
        self._writer.run(lambda db: steps.bind(db, group, self._clocks.wall()))

    def raise_study(self, study: str, urgency: Urgency, because: Collection[str] = ()) -> int:
        """One commit, by the index of studies."""
        sound_raise(study, because)
        return self._writer.run(lambda db: steps.raise_study(db, study, int(urgency), because))

    def unbound(self, after: int = 0, most: int = 500) -> list[Unbound]:
        """By an index that holds nothing else."""
        rows = self._ask("unbound", after=after, most=most)
        return [steps.unbound_row(row) for row in rows]

    def never_to(self, destination: str, after: int = 0, most: int = 500) -> list[Unbound]:
        """In the order in which they were made; for a person who asks."""
        rows = self._ask("never_to", destination=destination, after=after, most=most)
        return [steps.unbound_row(row) for row in rows]

    def lease(self, destination: str, most: int, size: int, below: bool = False) -> list[Due]:
        """By the index of lines; whatever waits, a few rows are read."""
        if most <= 0:
            return []
        return self._writer.run(lambda db: steps.lease(db, destination, most, size, self._clocks.moment(), below))

    def record(self, group: Sequence[Outcome]) -> frozenset[int]:
        """One commit for all."""
        sound_outcomes(group)
        if not group:
            return frozenset()
        return self._writer.run(lambda db: steps.record(db, group, self._clocks.moment(), self._quarantine))

    def _quarantine(self, db: sqlite3.Connection, id: str) -> None:
        custody_steps.move(db, [id], State.QUARANTINED, REFUSED, self._clocks.moment())

    def release(self, numbers: Collection[int]) -> None:
        """One commit."""
        self._writer.run(lambda db: steps.release(db, numbers, self._clocks.wall()))

    def release_all(self) -> int:
        """By the indexes of what was given out, and of what waits for its time."""
        return self._writer.run(steps.release_all)

    def retry(self, ids: Collection[str]) -> frozenset[str]:
        """One commit."""
        return self._writer.run(lambda db: steps.retry(db, ids, self._clocks.wall()))

    def recheck(self, ids: Collection[str], there: Collection[str]) -> frozenset[str]:
        """One commit."""
        return self._writer.run(lambda db: steps.recheck(db, ids, there))

    def forget(self, destination: str, most: int = 500) -> int:
        """One commit."""
        return self._writer.run(lambda db: steps.forget(db, destination, most, self._clocks.moment(), self._quarantine))

    def note(self, number: int, text: str) -> None:
        """One commit."""
        self._writer.run(lambda db: steps.note(db, number, text))

    def pause(self, destination: str, code: str) -> None:
        """One commit."""
        sound_code(code)
        self._writer.run(lambda db: steps.pause(db, destination, code, self._clocks.wall()))

    def link(self, destination: str, code: str, failures: int, next_try: float | None) -> None:
        """One commit."""
        sound_code(code)
        self._writer.run(lambda db: steps.link(db, destination, code, failures, next_try, self._clocks.wall()))

    def measured(self, destination: str, rate: float) -> None:
        """One commit."""
        self._writer.run(lambda db: measured(db, destination, rate, self._clocks.wall()))

    def next_due(self, destination: str) -> float | None:
        """The first of an index."""
        rows = self._ask("next_due", destination=destination)
        return max(0.0, rows[0][0] - self._clocks.monotonic()) if rows else None
