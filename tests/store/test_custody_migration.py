"""A gateway's ledger changes its schema after a copy, whole or not at all, whenever it is killed (A9)."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import stowgate
from stowgate.lifecycle import State
from stowgate.store.custody_sqlite import open_custody
from stowgate.store.migrate import Migration, shipped
from tests.store.custody_sample import KEY, coming

NEXT = Migration(
    shipped("custody_migrations")[-1].number + 1,
    "ALTER TABLE items ADD COLUMN priority INTEGER NOT NULL DEFAULT 0;\n"
    "UPDATE items SET priority = 1 WHERE modality = 'CT';\n"
    "CREATE INDEX items_urgent ON items (priority);\n",
)
COPY = f"ledger.db.before-{NEXT.number:04}"
KILLED = """
import os, signal, sqlite3, sys
from pathlib import Path
from stowgate.store import custody_sqlite
from stowgate.store.migrate import shipped
from tests.store.custody_sample import KEY
from tests.store.test_custody_migration import NEXT
left = int(sys.argv[2])

class Counting(sqlite3.Connection):
    def execute(self, sql, *values):
        global left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().execute(sql, *values)

connect = sqlite3.connect
sqlite3.connect = lambda *where, **how: connect(*where, **how, factory=Counting)
custody_sqlite.open_custody(Path(sys.argv[1]), KEY, migrations=[*shipped("custody_migrations"), NEXT])
print(left)
os._exit(0)
"""


def kill_at(path: Path, statement: int) -> int:
    root = Path(stowgate.__file__).parents[1]
    ran = subprocess.run(
        [sys.executable, "-c", KILLED, str(path), str(statement)],
        env={**os.environ, "PYTHONPATH": f"{root}{os.pathsep}{root.parent}"}, capture_output=True, check=False,
    )  # fmt: skip
    assert ran.returncode in (0, -signal.SIGKILL), ran.stderr.decode()
    return ran.returncode


def test_a_ledger_with_rows_is_copied_before_it_is_changed(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    with open_custody(path, KEY) as ledger:
        ledger.receive([coming(n) for n in range(50)])
    with open_custody(path, KEY, migrations=[*shipped("custody_migrations"), NEXT]) as ledger:
        assert ledger.counts()["ct"][State.RECEIVED] == 50
    copy = tmp_path / COPY
    copy.rename(tmp_path / "old.db")
    with open_custody(tmp_path / "old.db", KEY) as ledger:
        assert len(ledger.rows(most=100)) == 50


def test_killed_at_any_statement_the_next_start_goes_on(tmp_path: Path) -> None:
    """Each kill finds what the one before left; at last nothing is left to kill."""
    path = tmp_path / "ledger.db"
    with open_custody(path, KEY) as ledger:
        ledger.receive([coming(n) for n in range(20)])
    statement, kills = 0, 0
    while True:
        statement += 1
        if kill_at(path, statement) == 0:
            break
        kills += 1
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
            ((version,),) = db.execute("PRAGMA user_version")
            columns = {name for _, name, *_ in db.execute("PRAGMA table_info(items)")}
            assert ("priority" in columns) is (version == NEXT.number), "whole or not at all"
            assert db.execute("SELECT count(*) FROM items").fetchone() == (20,)
    assert kills > 15
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("SELECT sum(priority) FROM items").fetchone() == (20,)
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert {file.name for file in tmp_path.iterdir()} >= {"ledger.db", COPY}


def test_a_new_ledger_killed_at_any_statement_is_made_by_the_next_start(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    for statement in (1, 5, 9, 12, 20, 40, 55):
        assert kill_at(path, statement) == -signal.SIGKILL
    assert kill_at(path, 10_000) == 0
    with open_custody(path, KEY, migrations=[*shipped("custody_migrations"), NEXT]) as ledger:
        assert ledger.receive([coming(1)]) == [""]
