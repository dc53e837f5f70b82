"""How every ledger is connected to: what the writer asks of SQLite, and how others read without a trace."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from threading import Lock

from stowgate.errors import Temporary
from stowgate.store.plain import plain_errors

PRAGMAS = (
    "PRAGMA foreign_keys = ON",
    "PRAGMA busy_timeout = 5000",
    "PRAGMA journal_mode = WAL",
    # NORMAL loses commits in a power cut, and macOS needs fullfsync to reach the disk at all
    "PRAGMA synchronous = FULL",
    "PRAGMA fullfsync = ON",
    "PRAGMA checkpoint_fullfsync = ON",
)

_TRIES, _PAUSE = 5, 0.02
"""Looks at a ledger whose log comes and goes, and seconds between them."""


@contextmanager
def snapshot(db: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """Everything read inside is of one moment."""
    db.execute("BEGIN")
    try:
        yield db
    finally:
        if db.in_transaction:
            db.execute("ROLLBACK")


@contextmanager
def untouched(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection to the database of any process, living or dead, that neither writes nor makes a file beside it."""
    from tempfile import TemporaryDirectory  # loads much, and a run over folders looks into no other ledger

    with TemporaryDirectory(prefix="stowgate-") as private, closing(_opened(path, Path(private))) as db:
        yield db


def _opened(path: Path, private: Path) -> sqlite3.Connection:
    """Tried again where the log came or went between two looks, because its writer was just starting or ending."""
    left = _TRIES
    while True:
        left -= 1
        try:
            return _looked_into(_address(path, private))
        except (FileNotFoundError, sqlite3.OperationalError):
            if not left:
                raise
            time.sleep(_PAUSE)


def _looked_into(address: str) -> sqlite3.Connection:
    """Connected and read from: before that, SQLite opens no file."""
    db = sqlite3.connect(address, uri=True, isolation_level=None)
    try:
        db.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except BaseException:
        db.close()
        raise
    return db


def _address(path: Path, private: Path) -> str:
    log, shared = (path.with_name(f"{path.name}-{part}") for part in ("wal", "shm"))
    if not log.exists():
        return f"{path.absolute().as_uri()}?immutable=1"  # without a log nobody is writing
    if shared.exists():
        # where the writer lives its index of the log is used; else SQLite makes one in memory
        return f"{path.absolute().as_uri()}?mode=ro&readonly_shm=1"
    import shutil

    for left in (path, log):  # the log alone has to be applied to be read
        shutil.copy(left, private)
    return (private / path.name).as_uri()


class Readers:
    """Read-only connections beside a writer in this process; as many are kept as once were needed together."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._turn = Lock()
        self._free: list[sqlite3.Connection] = []
        self._closed = False

    @contextmanager
    def lend(self) -> Iterator[sqlite3.Connection]:
        """A connection inside a `snapshot`, for one thread; Temporary("intake_stopped") once closed."""
        with plain_errors(self._path.parent):
            db = self._take()
            try:
                with snapshot(db):
                    yield db
            except BaseException:
                db.close()
                raise
            self._put(db)

    def close(self) -> None:
        """Those in use are closed as they come back."""
        with self._turn:
            self._closed = True
            for db in self._free:
                db.close()
            self._free.clear()

    def _take(self) -> sqlite3.Connection:
        with self._turn:
            if self._closed:
                raise Temporary("intake_stopped")
            if self._free:
                return self._free.pop()
        address = f"{self._path.absolute().as_uri()}?mode=ro"
        db = sqlite3.connect(address, uri=True, isolation_level=None, check_same_thread=False)
        db.execute("PRAGMA busy_timeout = 5000")
        return db

    def _put(self, db: sqlite3.Connection) -> None:
        with self._turn:
            if self._closed:
                db.close()
            else:
                self._free.append(db)
