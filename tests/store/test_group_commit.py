"""Group commit: those who wait share one transaction, and a mistake is its maker's alone."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from stowgate.errors import Misconfigured, StowgateError, Temporary
from stowgate.store.group_commit import GroupCommit


class Gate(sqlite3.Connection):
    """A connection that tells what it was asked, and fails or waits when a statement is told to."""

    asked: list[str]
    before: dict[str, Callable[[], None]]

    def execute(self, sql: str, *values: object) -> sqlite3.Cursor:  # type: ignore[override]
        self.asked.append(sql)
        self.before.get(sql, lambda: None)()
        return super().execute(sql, *values)  # type: ignore[arg-type]


@pytest.fixture
def db(tmp_path: Path) -> Gate:
    db = sqlite3.connect(tmp_path / "l.db", isolation_level=None, check_same_thread=False, factory=Gate)
    db.asked, db.before = [], {}
    db.execute("CREATE TABLE t (a INTEGER UNIQUE)")
    return db


@pytest.fixture
def commit(db: Gate, tmp_path: Path) -> Iterator[GroupCommit]:
    made = GroupCommit(db, tmp_path)
    yield made
    made.close()


def put(n: int) -> Callable[[sqlite3.Connection], int]:
    def job(db: sqlite3.Connection) -> int:
        db.execute("INSERT INTO t VALUES (?)", (n,))
        return n

    return job


def together(commit: GroupCommit, db: Gate, numbers: list[int]) -> list[object]:
    """What each caller got, when all of them came while one commit was under way."""
    entered, go = threading.Event(), threading.Event()

    def wait() -> None:
        db.before.pop("COMMIT")
        entered.set()
        assert go.wait(10)

    db.before["COMMIT"] = wait
    first = threading.Thread(target=commit.run, args=(put(-1),))
    first.start()
    assert entered.wait(10)
    db.asked.clear()
    got: list[object] = [None] * len(numbers)

    def call(at: int, n: int) -> None:
        try:
            got[at] = commit.run(put(n))
        except (StowgateError, sqlite3.Error, OSError, RuntimeError) as error:
            got[at] = error

    callers = [threading.Thread(target=call, args=pair) for pair in enumerate(numbers)]
    for caller in callers:
        caller.start()
    until = time.monotonic() + 10
    while len(commit._waiting) < len(numbers) and time.monotonic() < until:
        time.sleep(0.001)
    go.set()
    for thread in (first, *callers):
        thread.join(10)
    return got


def stored(db: Gate) -> set[int]:
    return {n for (n,) in db.execute("SELECT a FROM t WHERE a >= 0")}


def test_those_who_wait_share_one_commit(commit: GroupCommit, db: Gate) -> None:
    assert together(commit, db, list(range(20))) == list(range(20))
    assert db.asked.count("COMMIT") == 1
    assert stored(db) == set(range(20))


def test_one_alone_does_not_wait_for_company(commit: GroupCommit) -> None:
    commit.run(put(1))
    began = time.perf_counter()
    for n in range(2, 52):
        commit.run(put(n))
    assert (time.perf_counter() - began) / 50 < 0.05


def test_a_refused_row_is_its_callers_alone(commit: GroupCommit, db: Gate) -> None:
    commit.run(put(3))
    got = together(commit, db, [1, 2, 3, 4])
    assert [got[0], got[1], got[3]] == [1, 2, 4]
    assert isinstance(got[2], sqlite3.IntegrityError)
    assert stored(db) == {1, 2, 3, 4}


def test_a_mistake_inside_a_step_leaves_nothing_of_it(commit: GroupCommit, db: Gate) -> None:
    def half(db: sqlite3.Connection) -> None:
        db.execute("INSERT INTO t VALUES (7)")
        raise ValueError("half way")

    with pytest.raises(ValueError, match="half way"):
        commit.run(half)
    assert commit.run(put(8)) == 8
    assert stored(db) == {8}


@pytest.mark.parametrize(
    ("number", "kind", "code"),
    [
        (sqlite3.SQLITE_FULL, Temporary, "disk_full"),
        (sqlite3.SQLITE_IOERR_FSYNC, Temporary, "ledger_io"),
        (sqlite3.SQLITE_CORRUPT, Misconfigured, "ledger_damaged"),
    ],
)
def test_trouble_of_the_disk_reaches_everybody_in_the_group(
    commit: GroupCommit, db: Gate, number: int, kind: type[StowgateError], code: str
) -> None:
    commit.run(put(0))

    def fail() -> None:
        error = sqlite3.OperationalError("a row with DOE^JOHN")
        error.sqlite_errorcode = number
        db.before.pop("BEGIN IMMEDIATE")
        raise error

    def later() -> None:
        db.before["BEGIN IMMEDIATE"] = fail

    db.before["INSERT INTO t VALUES (?)"] = lambda: None
    got = trouble(commit, db, later, [1, 2, 3])
    assert [type(error) for error in got] == [kind] * 3
    assert {error.code for error in got if isinstance(error, StowgateError)} == {code}
    assert len({id(error) for error in got}) == 3, "each has one of its own"
    assert "DOE" not in "".join(map(str, got))
    assert commit.run(put(4)) == 4
    assert stored(db) == {0, 4}


def trouble(commit: GroupCommit, db: Gate, plan: Callable[[], None], numbers: list[int]) -> list[object]:
    """As `together`, with trouble planned for the group behind the first."""
    original = db.asked

    class Watch(list[str]):
        def clear(self) -> None:
            super().clear()
            plan()

    db.asked = Watch(original)
    return together(commit, db, numbers)


@pytest.mark.parametrize("number", [5, 28, 122])
def test_an_error_of_the_system_is_temporary(commit: GroupCommit, db: Gate, number: int) -> None:
    def fail() -> None:
        db.before.clear()
        raise OSError(number, "of /somewhere/DOE")

    db.before["COMMIT"] = fail
    with pytest.raises(Temporary) as told:
        commit.run(put(1))
    assert told.value.code == ("ledger_io" if number == 5 else "disk_full")
    assert "DOE" not in str(told.value)
    assert commit.run(put(2)) == 2
    assert stored(db) == {2}


def test_closing_commits_what_waits_and_takes_no_more(commit: GroupCommit, db: Gate, tmp_path: Path) -> None:
    got = together(commit, db, [1, 2])
    commit.close()
    assert got == [1, 2]
    with pytest.raises(Temporary) as told:
        commit.run(put(3))
    assert told.value.code == "intake_stopped"
    commit.close()
    with sqlite3.connect(tmp_path / "l.db") as again:
        assert again.execute("SELECT count(*) FROM t").fetchone() == (3,)


def test_whatever_tidying_does_those_who_write_are_answered(tmp_path: Path) -> None:
    def tidy(db: sqlite3.Connection, *, limit: int = 0) -> None:
        raise MemoryError

    db = sqlite3.connect(tmp_path / "l.db", isolation_level=None, check_same_thread=False)
    commit = GroupCommit(db, tmp_path, tidy)
    answers: list[int] = []

    def twice() -> None:
        answers.append(commit.run(lambda _: 1))
        answers.append(commit.run(lambda _: 2))

    thread = threading.Thread(target=twice, daemon=True)
    thread.start()
    thread.join(5)
    assert answers == [1, 2]
    commit.close()
