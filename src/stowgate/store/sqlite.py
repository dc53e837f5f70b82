"""The ledger in SQLite: write-ahead log, synchronous FULL, every move one guarded statement."""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any, Self

from stowgate.errors import Misconfigured, disk_code
from stowgate.lifecycle import State
from stowgate.store.aliases import Aliases
from stowgate.store.connection import PRAGMAS, untouched
from stowgate.store.lock import FolderLock
from stowgate.store.migrate import migrate, shipped
from stowgate.store.plain import plain_errors
from stowgate.store.queries import queries
from stowgate.store.store import Earlier, Known, Made, Outcome, Run, Start, Target
from stowgate.vault import folder as state
from stowgate.vault.key import Key
from stowgate.vault.seal import Seal

Row = Mapping[str, object]


def open_ledger(folder: Path, key: Key, clock: Callable[[], float] = time.time) -> SqliteLedger:
    """The ledger of a state folder, made on first use and brought to this version's schema.

    Misconfigured: "state_in_use", "state_permissions", "state_unwritable", "wrong_key", "ledger_newer",
    "ledger_damaged".
    """
    path = state.prepare(folder) / state.LEDGER
    lock = FolderLock(folder)
    try:
        with plain_errors(folder):
            # made here, so that it and its log are private from the first byte
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
            return _ledger(str(path), key, path, lock, clock)
    except OSError as error:
        lock.release()
        raise Misconfigured(disk_code(error, "state_unwritable"), str(folder)) from None
    except BaseException:
        lock.release()
        raise


def rehearse(folder: Path, key: Key, clock: Callable[[], float] = time.time) -> SqliteLedger:
    """A copy in memory of a folder's ledger (empty if there is none), for dry runs: nothing is written, none waits."""
    path = folder / state.LEDGER
    with plain_errors(folder):
        if not path.exists():
            return _ledger(":memory:", key, None, None, clock)
        with untouched(path) as original:
            return _ledger(":memory:", key, None, None, clock, original)


class SqliteLedger:
    """A `store.Ledger` in one SQLite file. Made by `open_ledger` and `rehearse`."""

    def __init__(
        self, db: sqlite3.Connection, key: Key, path: Path | None, lock: FolderLock | None, clock: Callable[[], float]
    ) -> None:
        self._db, self._lock, self._clock = db, lock, clock
        self._place = path.parent if path else None
        self._aliases = Aliases(key)
        self._seal = Seal(key.sub(b"ledger-path"))
        self._sql = queries()
        self._turn = Lock()
        self._targets: dict[Target, int] = {}
        migrate(db, path, shipped())
        self._claim(key)

    def fingerprint(self, path: str | os.PathLike[str], size: int, mtime_ns: int) -> str:
        """HMAC-SHA-256 under a key of the ledger's own."""
        return self._aliases.fingerprint(path, size, mtime_ns)

    def target(self, policy: str, out: str | os.PathLike[str], layout: str) -> Target:
        """The folder's name stays out of the ledger, too."""
        return self._aliases.target(policy, out, layout)

    def lookup(self, ids: Collection[str], target: Target) -> dict[str, Known]:
        """One query for all of them."""
        with self._step():
            rows = self._ask("lookup", ids=json.dumps(list(ids)), target=self._number(target))
        return {id: Known(State(state), code, tries, relative, size) for id, state, code, tries, relative, size in rows}

    def begin(self, group: Sequence[Start]) -> frozenset[str]:
        """One commit; the paths are sealed before the transaction begins."""
        now = self._clock()
        rows = [{"id": start.id, "path": self._seal_path(start), "size": start.size, "now": now} for start in group]
        with self._step():
            return self._move("begin", rows)

    def settle(self, group: Sequence[Outcome], target: Target) -> frozenset[str]:
        """One commit for the states and the clean objects."""
        now = self._clock()
        with self._step():
            left = self._move("settle", [_settled(outcome, now) for outcome in group])
            number = self._number(target)
            cleans = [
                _clean(outcome.item.id, outcome.made, number, now)
                for outcome in group
                if outcome.made and outcome.item.id not in left
            ]
            self._tell("keep", cleans)
        return left

    def cover(self, instances: Collection[str], target: Target) -> None:
        """The rows stay, with a size that no file has."""
        with self._step():
            self._ask("cover", instances=json.dumps(list(instances)), target=self._number(target))

    def release(self, ids: Collection[str]) -> None:
        """One commit."""
        now = self._clock()
        with self._step():
            self._tell("release", [{"id": id, "now": now} for id in ids])

    def by_instance(self, instances: Collection[str], target: Target) -> dict[str, Earlier]:
        """One query for all of them, by the index on target and instance."""
        with self._step():
            rows = self._ask("by_instance", instances=json.dumps(list(instances)), target=self._number(target))
        return {uid: Earlier(item, Made(uid, relative, size)) for uid, item, relative, size in rows}

    def counts(self) -> dict[State, int]:
        """Reads every row: for the end of a run, not for each object."""
        with self._step():
            found = dict(self._ask("counts"))
        return {state: found.get(state, 0) for state in State}

    def path_of(self, id: str) -> str | None:
        """Unseals it; Misconfigured("ledger_damaged") if the row was tampered with."""
        with self._step():
            rows = self._ask("path_of", id=id)
        return os.fsdecode(self._seal.open(rows[0][0], id.encode())) if rows else None

    def start_run(self, target: Target) -> int:
        """The number is the row's."""
        with self._step():
            row = {"target": self._number(target), "now": self._clock()}
            self._tell("start_run", [row])
            ((number,),) = self._ask("last_run")
        return int(number)

    def end_run(self, run: int, counted: Mapping[str, int]) -> None:
        """Only the first end counts."""
        with self._step():
            self._ask("end_run", run=run, now=self._clock(), counted=json.dumps(dict(counted)))

    def runs(self) -> list[Run]:
        """Joined with their targets."""
        with self._step():
            rows = self._ask("runs")
        return [
            Run(number, Target(policy, key_id, out), started, ended, json.loads(counted))
            for number, policy, key_id, out, started, ended, counted in rows
        ]

    def close(self) -> None:
        """SQLite empties its log into the file first; then the folder is free for the next process."""
        with self._turn:
            self._db.close()
            if self._lock:
                self._lock.release()
                self._lock = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def _step(self) -> Iterator[None]:
        """One whole step: a transaction of its own, one thread at a time, in the words of our errors."""
        with self._turn, plain_errors(self._place):
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                # a full disk may have rolled back already; what is left open would swallow the next step
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                self._targets.clear()
                raise

    def _claim(self, key: Key) -> None:
        with self._step():
            self._ask("claim", key_id=key.id)
            ((owner,),) = self._ask("owner")
        if owner != key.id:
            raise Misconfigured("wrong_key", f"it was made with key {owner}, this is key {key.id}")

    def _number(self, target: Target) -> int:
        if target not in self._targets:
            names = {"policy": target.policy, "key_id": target.key_id, "out": target.out}
            self._ask("add_target", **names)
            ((self._targets[target],),) = self._ask("find_target", **names)
        return self._targets[target]

    def _move(self, query: str, rows: Sequence[Row]) -> frozenset[str]:
        """Run a guarded statement for each row, first in its step; the ids it left alone.

        Almost always none is left, and one call does. Otherwise the step starts again, row by row, to see which:
        a savepoint would cost every group more than the rows do.
        """
        if self._tell(query, rows) == len(rows):
            return frozenset()
        self._db.execute("ROLLBACK")
        self._db.execute("BEGIN IMMEDIATE")
        return frozenset(str(row["id"]) for row in rows if self._tell(query, [row]) == 0)

    def _tell(self, query: str, rows: Sequence[Row]) -> int:
        """Run a statement once for each row; how many rows of the ledger it changed."""
        return self._db.executemany(self._sql[query], rows).rowcount

    def _ask(self, query: str, **values: object) -> list[Any]:
        return self._db.execute(self._sql[query], values).fetchall()

    def _seal_path(self, start: Start) -> bytes:
        return self._seal.close(os.fsencode(start.path), start.id.encode())


def _settled(outcome: Outcome, now: float) -> Row:
    item = outcome.item
    return {
        "id": item.id,
        "state": item.state.value,
        "code": item.code,
        "place": outcome.place,
        "study": item.study,
        "modality": item.modality,
        "sop_class": item.sop_class,
        "findings": " ".join(item.findings),
        "now": now,
    }


def _clean(id: str, made: Made, target: int, now: float) -> Row:
    return {
        "target": target,
        "instance": made.instance,
        "item": id,
        "relative": made.relative,
        "size": made.size,
        "now": now,
    }


def _ledger(
    name: str,
    key: Key,
    path: Path | None,
    lock: FolderLock | None,
    clock: Callable[[], float],
    copy_of: sqlite3.Connection | None = None,
) -> SqliteLedger:
    """Connect and bring up to date; the connection is closed again if that fails."""
    db = sqlite3.connect(name, isolation_level=None, check_same_thread=False)
    try:
        if copy_of:
            copy_of.backup(db)
        for pragma in PRAGMAS:
            db.execute(pragma)
        return SqliteLedger(db, key, path, lock, clock)
    except BaseException:
        db.close()
        raise
