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

from stowgate.errors import Misconfigured, StowgateError, Temporary
from stowgate.lifecycle import State
from stowgate.store.aliases import Aliases
from stowgate.store.lock import FolderLock
from stowgate.store.migrate import migrate, shipped
from stowgate.store.queries import queries
from stowgate.store.store import Earlier, Known, Made, Outcome, Run, Start, Target
from stowgate.vault import folder as state
from stowgate.vault.key import Key
from stowgate.vault.seal import Seal

Row = Mapping[str, object]

_PRAGMAS = (
    "PRAGMA foreign_keys = ON",
    "PRAGMA busy_timeout = 5000",
    "PRAGMA journal_mode = WAL",
    # NORMAL loses commits in a power cut, and macOS needs fullfsync to reach the disk at all
    "PRAGMA synchronous = FULL",
    "PRAGMA fullfsync = ON",
    "PRAGMA checkpoint_fullfsync = ON",
)


def open_ledger(folder: Path, key: Key, clock: Callable[[], float] = time.time) -> SqliteLedger:
    """The ledger of a state folder, made on first use and brought to this version's schema.

    Misconfigured: "state_in_use", "state_permissions", "state_unwritable", "wrong_key", "ledger_newer",
    "ledger_damaged".
    """
    path = state.prepare(folder) / state.LEDGER
    lock = FolderLock(folder)
    try:
        with _plain_errors(folder):
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
            return SqliteLedger(_connect(path), key, path, lock, clock)
    except BaseException:
        lock.release()
        raise


def rehearse(folder: Path, key: Key, clock: Callable[[], float] = time.time) -> SqliteLedger:
    """A copy in memory of a folder's ledger (empty if there is none), for dry runs: nothing is written, none waits."""
    path = folder / state.LEDGER
    with _plain_errors(folder):
        copy = _connect(":memory:")
        if path.exists():
            original = sqlite3.connect(path)
            try:
                original.backup(copy)
            finally:
                original.close()
        return SqliteLedger(copy, key, None, None, clock)


class SqliteLedger:
    """A `store.Ledger` in one SQLite file. Made by `open_ledger` and `rehearse`."""

    def __init__(
        self, db: sqlite3.Connection, key: Key, path: Path | None, lock: FolderLock | None, clock: Callable[[], float]
    ) -> None:
        self._db, self._path, self._lock, self._clock = db, path, lock, clock
        self._aliases = Aliases(key)
        self._seal = Seal(key.sub(b"ledger-path"))
        self._sql = queries()
        self._turn = Lock()
        self._targets: dict[Target, int] = {}
        migrate(db, path, shipped())
        self._claim(key)

    def fingerprint(self, path: str | os.PathLike[str], size: int, mtime_ns: int) -> str:
        return self._aliases.fingerprint(path, size, mtime_ns)

    def target(self, policy: str, out: str | os.PathLike[str], layout: str) -> Target:
        return self._aliases.target(policy, out, layout)

    def lookup(self, ids: Collection[str], target: Target) -> dict[str, Known]:
        with self._step():
            rows = self._ask("lookup", ids=json.dumps(list(ids)), target=self._number(target))
        return {id: Known(State(state), code, tries, relative, size) for id, state, code, tries, relative, size in rows}

    def begin(self, group: Sequence[Start]) -> frozenset[str]:
        now = self._clock()
        rows = [{"id": start.id, "path": self._seal_path(start), "size": start.size, "now": now} for start in group]
        with self._step():
            return self._move("begin", rows)

    def settle(self, group: Sequence[Outcome], target: Target) -> frozenset[str]:
        now = self._clock()
        with self._step():
            number = self._number(target)
            left = self._move("settle", [_settled(outcome, now) for outcome in group])
            cleans = [
                _clean(outcome.item.id, outcome.made, number, now)
                for outcome in group
                if outcome.made and outcome.item.id not in left
            ]
            self._tell("keep", cleans)
        return left

    def release(self, ids: Collection[str]) -> None:
        now = self._clock()
        with self._step():
            self._tell("release", [{"id": id, "now": now} for id in ids])

    def by_instance(self, instances: Collection[str], target: Target) -> dict[str, Earlier]:
        with self._step():
            rows = self._ask("by_instance", instances=json.dumps(list(instances)), target=self._number(target))
        return {uid: Earlier(item, Made(uid, relative, size)) for uid, item, relative, size in rows}

    def counts(self) -> dict[State, int]:
        with self._step():
            found = dict(self._ask("counts"))
        return {state: found.get(state, 0) for state in State}

    def path_of(self, id: str) -> str | None:
        with self._step():
            rows = self._ask("path_of", id=id)
        return os.fsdecode(self._seal.open(rows[0][0], id.encode())) if rows else None

    def start_run(self, target: Target) -> int:
        with self._step():
            row = {"target": self._number(target), "now": self._clock()}
            self._tell("start_run", [row])
            ((number,),) = self._ask("last_run")
        return int(number)

    def end_run(self, run: int, counted: Mapping[str, int]) -> None:
        with self._step():
            self._ask("end_run", run=run, now=self._clock(), counted=json.dumps(dict(counted)))

    def runs(self) -> list[Run]:
        with self._step():
            rows = self._ask("runs")
        return [
            Run(number, Target(policy, key_id, out), started, ended, json.loads(counted))
            for number, policy, key_id, out, started, ended, counted in rows
        ]

    def close(self) -> None:
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
        with self._turn, _plain_errors(self._path.parent if self._path else None):
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


def _connect(path: Path | str) -> sqlite3.Connection:
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    for pragma in _PRAGMAS:
        db.execute(pragma).close()
    return db


@contextmanager
def _plain_errors(folder: Path | None) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise _plain(error, str(folder or "")) from None


def _plain(error: sqlite3.Error, place: str) -> StowgateError:
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
