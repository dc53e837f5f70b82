"""The gateway's ledger in SQLite: write-ahead log, synchronous FULL, group commit, every move one guarded statement."""

from __future__ import annotations

import json
import math
import os
import sqlite3
from collections.abc import Collection, Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Self

from stowgate.errors import Misconfigured, Temporary, disk_code
from stowgate.lifecycle import State
from stowgate.store import custody_steps as steps
from stowgate.store.clocks import SYSTEM, Clocks, Moment
from stowgate.store.connection import PRAGMAS, Readers
from stowgate.store.custody import Coming, Ended, Event, Leased
from stowgate.store.custody_damage import SECONDS, check_line, check_log, check_shape
from stowgate.store.custody_rows import CALLERS, LEASE, sound_coming, sound_ended, sound_move
from stowgate.store.custody_view import APPLICATION, MIGRATIONS, CustodyView
from stowgate.store.deliveries_sqlite import SqliteDeliveries
from stowgate.store.group_commit import GroupCommit
from stowgate.store.looks_sqlite import SqliteLooks
from stowgate.store.migrate import Migration, migrate, shipped
from stowgate.store.page_sums import PageSums
from stowgate.store.plain import plain_errors
from stowgate.store.study import Completed
from stowgate.vault.folder import sync_folder
from stowgate.vault.key import Key

_PRAGMAS = ("PRAGMA wal_autocheckpoint = 0", "PRAGMA journal_size_limit = 0")
"""Checkpoints are ours, because the sums of the pages are taken with them."""


def open_custody(
    path: Path,
    key: Key,
    clocks: Clocks = SYSTEM,
    *,
    longest_lease: float = LEASE,
    migrations: Sequence[Migration] | None = None,
) -> SqliteCustody:
    """The ledger at `path` (SPOOL/ledger.db), made on first use and brought to this version's schema.

    The caller holds the spool's lock: two of these on one file would lease the same items. `longest_lease` seconds
    after it was given out a lease is void. Misconfigured: "state_unwritable", "wrong_key", "ledger_newer",
    "ledger_damaged"; Temporary: "disk_full", "ledger_io".
    """
    try:
        # made here, so that it and its log are private from the first byte
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise Misconfigured(disk_code(error, "state_unwritable"), str(path)) from None
    with plain_errors(path.parent), ExitStack() as held:
        try:
            sums = PageSums(path)
            held.callback(sums.close)
            db = _connect(path, key, sums, migrations or shipped(MIGRATIONS))
        except OSError as error:
            raise Temporary(disk_code(error, "ledger_io"), str(path)) from None
        held.pop_all()
    return SqliteCustody(db, path, sums, clocks, longest_lease)


def _connect(path: Path, key: Key, sums: PageSums, migrations: Sequence[Migration]) -> sqlite3.Connection:
    """The writing connection, after everything was looked at; it is closed again if something is wrong."""
    sound = sums.check(SECONDS)
    if sums.may_lie_beside_another_log():
        check_log(path)
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        for pragma in (*PRAGMAS, *_PRAGMAS):
            db.execute(pragma)
        if not sound:
            check_shape(db, path)
        _prepare(db, path, key, migrations)
        sync_folder(path.parent)  # SQLite does that for its log, and does not listen to what the disk says
        with suppress(sqlite3.OperationalError, OSError):
            sums.checkpoint(db, limit=0)  # a full disk must not keep the gateway from draining
    except BaseException:
        db.close()
        raise
    return db


def _prepare(db: sqlite3.Connection, path: Path, key: Key, migrations: Sequence[Migration]) -> None:
    """Bring it up to date, then see whose it is and whether it adds up."""
    migrate(db, path, migrations, APPLICATION)
    owner = steps.claim(db, key.id)
    if owner != key.id:
        raise Misconfigured("wrong_key", f"it was made with key {owner}, this is key {key.id}")
    check_line(db, path)


class SqliteCustody(CustodyView):
    """A `store.custody.Custody` in one SQLite file. Made by `open_custody`."""

    def __init__(
        self, db: sqlite3.Connection, path: Path, sums: PageSums, clocks: Clocks, longest_lease: float
    ) -> None:
        self._readers = Readers(path)
        super().__init__(self._readers.lend)
        self._path, self._sums, self._clocks, self._longest = path, sums, clocks, longest_lease
        self._writer = GroupCommit(db, path.parent, sums.checkpoint)
        self._deliveries = SqliteDeliveries(self._writer, self._readers.lend, clocks)
        self._looks = SqliteLooks(self._writer, self._readers.lend)

    @property
    def deliveries(self) -> SqliteDeliveries:
        """In the same file, by the same group commit."""
        return self._deliveries

    @property
    def looks(self) -> SqliteLooks:
        """In the same file, by the same group commit."""
        return self._looks

    def receive(self, group: Sequence[Coming]) -> list[str]:
        """A few statements for each, one commit for all who wait."""
        sound_coming(group)
        return self._writer.run(lambda db: steps.receive(db, group, self._now())) if group else []

    def lease(self, worker: str, most: int) -> list[Leased]:
        """By the index of what is ready; nothing is written where nothing is."""
        if not worker:
            raise ValueError("a lease has a worker")
        if most <= 0:
            return []
        return self._writer.run(lambda db: steps.lease(db, worker, most, self._longest, self._now()))

    def end(self, group: Sequence[Ended]) -> frozenset[str]:
        """One commit for the states and all clean objects."""
        sound_ended(group)
        return self._writer.run(lambda db: steps.end(db, group, self._now())) if group else frozenset()

    def release(self, ids: Collection[str]) -> None:
        """One commit."""
        self._writer.run(lambda db: steps.release(db, ids, self._now()))

    def release_all(self) -> int:
        """By the index of what is leased."""
        return self._writer.run(steps.release_all)

    def move(self, ids: Collection[str], to: State, code: str = "") -> frozenset[str]:
        """Guarded by the table of moves inside the ledger."""
        sound_move(to, code)
        return self._writer.run(lambda db: steps.move(db, ids, to, code, self._now()))

    def clean_more(self, ids: Collection[str]) -> frozenset[str]:
        """One commit for the moves and the mark."""
        return self._writer.run(lambda db: steps.clean_more(db, ids, self._now())) if ids else frozenset()

    def claim_profile(self, name: str, key_id: str) -> str:
        """One commit."""
        return self._writer.run(lambda db: steps.claim_profile(db, name, key_id))

    def forget_payload(self, ids: Collection[str], *, raw: bool, clean: bool) -> None:
        """One commit."""
        self._writer.run(lambda db: steps.forget_payload(db, ids, raw, clean, self._now()))

    def complete_studies(self, idle: Mapping[str, float]) -> list[Completed]:
        """By the index of those that are open; nothing is written where none is complete."""
        wanted = json.dumps({source: seconds for source, seconds in idle.items() if math.isfinite(seconds)})
        return self._writer.run(lambda db: steps.complete_studies(db, wanted, self._now()))

    def shortages_told(self, studies: Collection[str]) -> None:
        """One commit; none where there is nothing to note."""
        if studies:
            self._writer.run(lambda db: steps.shortages_told(db, studies))

    def turned_away(self, source: str, calling: str, address: str) -> None:
        """One commit for all who wait, so a flood of callers costs what the disk gives."""
        caller = {"source": source, "calling": calling, "address": address}
        self._writer.run(lambda db: steps.turned_away(db, caller, CALLERS, self._now()))

    def note(self, event: Event) -> None:
        """One commit for all who wait."""
        values = {"at": event.at, "kind": event.kind, "item": event.item, "source": event.source, "code": event.code}
        self._writer.run(lambda db: steps.note(db, values))

    def close(self) -> None:
        """What waits is committed, SQLite empties its log into the file; later calls get "intake_stopped"."""
        self._readers.close()
        with plain_errors(self._path.parent):
            self._writer.close()
        self._sums.close()

    def _now(self) -> Moment:
        """Read inside a transaction: one lease's time is never before another's that was given out earlier."""
        return self._clocks.moment()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
