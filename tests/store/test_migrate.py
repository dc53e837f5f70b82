"""Migrations: each whole or not at all, after a copy, and never backwards."""

from __future__ import annotations

import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest

from stowgate.errors import Misconfigured
from stowgate.store.migrate import APPLICATION, Migration, migrate, shipped

ONE = Migration(1, "-- a comment; with a semicolon\nCREATE TABLE t (a);\nINSERT INTO t VALUES (';');\n")
TWO = Migration(
    2,
    "ALTER TABLE t ADD COLUMN b DEFAULT 7;\n"
    "CREATE TRIGGER w AFTER INSERT ON t BEGIN\n  UPDATE t SET b = 8;\n  SELECT 1;\nEND;\n-- the end\n",
)
BROKEN = Migration(2, "CREATE TABLE u (a);\nINSERT INTO nowhere VALUES (1);\n")


def connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, isolation_level=None)


def version(db: sqlite3.Connection) -> int:
    ((number,),) = db.execute("PRAGMA user_version")
    return int(number)


def test_the_shipped_ones_are_numbered_without_a_gap() -> None:
    assert [step.number for step in shipped()] == list(range(1, len(shipped()) + 1))


def test_a_new_ledger_gets_all_of_them_and_no_copy(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    with closing(connect(path)) as db:
        migrate(db, path, [ONE, TWO])
        assert version(db) == 2
        assert db.execute("SELECT a, b FROM t").fetchall() == [(";", 7)]
        assert db.execute("PRAGMA application_id").fetchone() == (APPLICATION,)
    assert [file.name for file in tmp_path.iterdir()] == ["ledger.db"]


def test_an_older_ledger_is_copied_before_it_is_changed(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    with closing(connect(path)) as db:
        migrate(db, path, [ONE])
        migrate(db, path, [ONE, TWO])
        assert version(db) == 2
    copy = tmp_path / "ledger.db.before-0002"
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    with closing(connect(copy)) as old:
        assert version(old) == 1
        assert old.execute("SELECT * FROM t").fetchall() == [(";",)]
    assert sorted(file.name for file in tmp_path.iterdir()) == ["ledger.db", "ledger.db.before-0002"]


def test_a_migration_that_fails_leaves_no_trace_and_can_be_tried_again(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    with closing(connect(path)) as db:
        migrate(db, path, [ONE])
        for _ in range(2):
            with pytest.raises(sqlite3.OperationalError):
                migrate(db, path, [ONE, BROKEN])
            assert version(db) == 1
            assert db.execute("SELECT name FROM sqlite_master").fetchall() == [("t",)]
        migrate(db, path, [ONE, TWO])
        assert version(db) == 2


def test_a_half_statement_at_the_end_is_refused() -> None:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as db, pytest.raises(ValueError, match="inside"):
        migrate(db, None, [Migration(1, "CREATE TABLE t (a)")])


def test_a_newer_ledger_is_refused_and_stays_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    with closing(connect(path)) as db:
        migrate(db, path, [ONE, TWO])
    before = path.read_bytes()
    with closing(connect(path)) as db, pytest.raises(Misconfigured) as refused:
        migrate(db, path, [ONE])
    assert refused.value.code == "ledger_newer"
    assert "newer version" in str(refused.value)
    assert path.read_bytes() == before


def test_the_database_of_another_program_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    with closing(connect(path)) as db:
        db.execute("CREATE TABLE theirs (a)")
        with pytest.raises(Misconfigured) as refused:
            migrate(db, path, [ONE])
        assert db.execute("SELECT name FROM sqlite_master").fetchall() == [("theirs",)]
    assert refused.value.code == "ledger_damaged"
