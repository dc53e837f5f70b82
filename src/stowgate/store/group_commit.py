"""Gathers what many threads want to write into one transaction: one thread commits, and each waits for its own."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from threading import Condition, Event, Thread
from typing import Generic, Protocol, TypeVar

from stowgate.errors import StowgateError, Temporary, disk_code
from stowgate.store.plain import plain

T = TypeVar("T")
Job = Callable[[sqlite3.Connection], T]
"""Statements of one caller. It may run twice: when another's row is refused, the group starts again one by one."""

_OWN_MISTAKES = (sqlite3.IntegrityError, sqlite3.ProgrammingError, StowgateError)


class Tidy(Protocol):
    """What is to be done with the connection between two transactions."""

    def __call__(self, db: sqlite3.Connection, *, limit: int = ...) -> None:
        """`limit`: how much may be left undone."""


def _nothing(db: sqlite3.Connection, *, limit: int = 0) -> None:
    """Nothing is."""


class _Ticket(Generic[T]):
    """One caller's place in a group."""

    def __init__(self, job: Job[T]) -> None:
        self.job = job
        self.done = Event()
        self.answer: T
        self.error: BaseException | None = None


class GroupCommit:
    """Owns the writing connection (isolation level None) of a ledger from creation until `close`.

    There is no waiting for others to join: whoever comes while a commit is under way is in the next one. `tidy` is
    called between groups, and with limit=0 at the end; what the disk says to it is said again to the next commit.
    """

    def __init__(self, db: sqlite3.Connection, place: Path, tidy: Tidy = _nothing) -> None:
        self._db, self._place, self._tidy = db, str(place), tidy
        self._turn = Condition()
        self._waiting: list[_Ticket[object]] = []
        self._closing = False
        self._thread = Thread(target=self._serve, name="ledger", daemon=True)
        self._thread.start()

    def run(self, job: Job[T]) -> T:
        """What `job` returns, after its COMMIT.

        Temporary("disk_full" or "ledger_io") and Misconfigured("ledger_damaged", ...) for everybody in the group; what
        `job` itself raises for its caller alone; Temporary("intake_stopped") once it is closed.
        """
        ticket = _Ticket(job)
        with self._turn:
            if self._closing:
                raise Temporary("intake_stopped")
            self._waiting.append(ticket)  # type: ignore[arg-type]
            self._turn.notify()
        ticket.done.wait()
        if ticket.error is not None:
            raise ticket.error
        return ticket.answer

    def close(self) -> None:
        """Commit what waits, then close the connection; SQLite empties its log into the file."""
        with self._turn:
            self._closing = True
            self._turn.notify()
        self._thread.join()
        with suppress(Exception):
            self._tidy(self._db, limit=0)
        self._db.close()

    def _serve(self) -> None:
        while group := self._gather():
            self._together(group)
            for ticket in group:
                ticket.done.set()
            with suppress(Exception):  # without this thread all who write would wait for ever
                self._tidy(self._db)

    def _gather(self) -> list[_Ticket[object]]:
        with self._turn:
            while not self._waiting and not self._closing:
                self._turn.wait()
            group, self._waiting = self._waiting, []
        return group

    def _together(self, group: Sequence[_Ticket[object]]) -> None:
        """One transaction for all; if somebody's row is refused, one for each, so that it is theirs alone."""
        try:
            answers = self._transaction(group)
        except BaseException as error:  # noqa: BLE001 -- it is raised again by those who wait
            if len(group) > 1 and not _of_the_disk(error):
                for ticket in group:
                    self._together([ticket])
                return
            for ticket in group:
                ticket.error = self._in_our_words(error)
        else:
            for ticket, answer in zip(group, answers, strict=True):
                ticket.answer = answer

    def _transaction(self, group: Sequence[_Ticket[object]]) -> list[object]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            answers = [ticket.job(self._db) for ticket in group]
            self._db.execute("COMMIT")
        except BaseException:
            # a full disk may have rolled back already; what is left open would swallow the next group
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise
        return answers

    def _in_our_words(self, error: BaseException) -> BaseException:
        """A new one for each caller, because tracebacks grow on those that are shared."""
        if isinstance(error, OSError):
            return Temporary(disk_code(error, "ledger_io"), self._place)
        if isinstance(error, sqlite3.Error) and not isinstance(error, _OWN_MISTAKES):
            return plain(error, self._place)
        return error


def _of_the_disk(error: BaseException) -> bool:
    """Whether it says something about the disk, and so to everybody, rather than about one row."""
    return isinstance(error, OSError | sqlite3.Error) and not isinstance(error, _OWN_MISTAKES)
