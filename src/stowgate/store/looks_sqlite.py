"""What was seen, in SQLite: the same connection and the same group commit as the rest of custody."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

from stowgate.store.group_commit import GroupCommit
from stowgate.store.looks import Look, Scanned, Unseen
from stowgate.store.looks_rows import sound_codes, sound_looks
from stowgate.store.queries import queries

SQL = "looks.sql"
Lend = Callable[[], AbstractContextManager[sqlite3.Connection]]


class SqliteLooksView:
    """Answers the questions of `store.looks.LooksView`. `lend` gives a connection in a read transaction."""

    def __init__(self, lend: Lend) -> None:
        self._lend_one = lend

    def of_items(self, ids: Sequence[str]) -> dict[str, Look]:
        """One query for all of them."""
        rows = self._ask("of_items", ids=json.dumps(list(ids)))
        return {row[0]: _look(row) for row in rows}

    def of_study(self, study: str) -> list[Scanned]:
        """By the index of studies."""
        return [_scanned(row) for row in self._ask("of_study", study=study)] if study else []

    def codes_of_study(self, study: str) -> tuple[str, ...] | None:
        """By its alias."""
        rows = self._ask("codes_of_study", study=study)
        return tuple(rows[0][0].split()) if rows else None

    def recent(self, most: int) -> list[Scanned]:
        """From the end of the table."""
        return [_scanned(row) for row in reversed(self._ask("recent", most=max(0, most)))]

    def alarms(self) -> dict[str, tuple[str, ...]]:
        """All of them; a unit has few scanners."""
        return {scanner: tuple(codes.split()) for scanner, codes in self._ask("alarms")}

    def _ask(self, query: str, **values: object) -> list[Any]:
        with self._lend_one() as db:
            return db.execute(queries(SQL)[query], values).fetchall()


class SqliteLooks(SqliteLooksView):
    """A `store.looks.Looks` in the ledger's file."""

    def __init__(self, writer: GroupCommit, lend: Lend) -> None:
        super().__init__(lend)
        self._writer = writer

    def unseen(self, most: int) -> list[Unseen]:
        """By an index that holds nothing else."""
        return [Unseen(*row) for row in self._ask("unseen", most=max(0, most))]

    def note(self, group: Sequence[Look]) -> None:
        """One commit."""
        sound_looks(group)
        self._writer.run(lambda db: _note(db, group))

    def unjudged(self) -> list[str]:
        """By an index that holds nothing else."""
        return [study for (study,) in self._ask("unjudged")]

    def judged(self, study: str, codes: Sequence[str], seen: int) -> bool:
        """One commit."""
        sound_codes(codes)
        return self._writer.run(lambda db: _judged(db, study, codes, seen))

    def alarm(self, scanners: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, ...]]:
        """One commit."""
        for codes in scanners.values():
            sound_codes(codes)
        now = {scanner: tuple(codes) for scanner, codes in scanners.items()}
        before = self.alarms()
        if now != before:
            self._writer.run(lambda db: _alarm(db, now))
        return {scanner: codes for scanner, codes in now.items() if before.get(scanner) != codes}


def _tell(db: sqlite3.Connection, query: str, **values: object) -> None:
    db.execute(queries(SQL)[query], values)


def _note(db: sqlite3.Connection, group: Sequence[Look]) -> None:
    for look in group:
        features = json.dumps(dict(look.features), separators=(",", ":"), sort_keys=True)
        _tell(db, "note", item=look.item, frames=look.frames, codes=" ".join(look.codes), features=features)
        _tell(db, "looked", item=look.item)
        _tell(db, "to_judge", item=look.item)


def _judged(db: sqlite3.Connection, study: str, codes: Sequence[str], seen: int) -> bool:
    ((there,),) = db.execute(queries(SQL)["seen_of_study"], {"study": study})
    if there != seen:
        return False
    _tell(db, "judged", study=study, codes=" ".join(codes))
    return True


def _alarm(db: sqlite3.Connection, scanners: Mapping[str, tuple[str, ...]]) -> None:
    _tell(db, "silence")
    for scanner, codes in scanners.items():
        _tell(db, "alarm", scanner=scanner, codes=" ".join(codes))


def _look(row: Sequence[Any]) -> Look:
    item, frames, codes, features = row
    return Look(item, frames, tuple(codes.split()), json.loads(features))


def _scanned(row: Sequence[Any]) -> Scanned:
    return Scanned(_look(row[:4]), *row[4:])
