"""A gateway's ledger changes its schema after a copy, whole or not at all, whenever it is killed (A9)."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import stowgate
from stowgate.lifecycle import Delivery, Evidence, State
from stowgate.store.custody_rows import clean_values
from stowgate.store.custody_sqlite import open_custody
from stowgate.store.custody_view import APPLICATION
from stowgate.store.deliveries import Bound, Outcome
from stowgate.store.expected import Told
from stowgate.store.migrate import Migration, migrate, shipped
from tests.store.custody_sample import KEY, clean, coming, hex32

NEXT = Migration(
    shipped("custody_migrations")[-1].number + 1,
    "ALTER TABLE items ADD COLUMN colour INTEGER NOT NULL DEFAULT 0;\n"
    "UPDATE items SET colour = 1 WHERE modality = 'CT';\n"
    "CREATE INDEX items_coloured ON items (colour);\n",
)
COPY = f"ledger.db.before-{NEXT.number:04}"
KILLED = """
import os, signal, sqlite3, sys
from pathlib import Path
from stowgate.store import custody_sqlite
from stowgate.store.deliveries import Bound, Outcome
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
    copy = tmp_path / f"ledger.db.before-{NEXT.number:04}"
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
            assert ("colour" in columns) is (version == NEXT.number), "whole or not at all"
            assert db.execute("SELECT count(*) FROM items").fetchone() == (20,)
    assert kills > 15
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("SELECT sum(colour) FROM items").fetchone() == (20,)
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert {file.name for file in tmp_path.iterdir()} >= {"ledger.db", f"ledger.db.before-{NEXT.number:04}"}


def test_a_new_ledger_killed_at_any_statement_is_made_by_the_next_start(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    for statement in (1, 5, 9, 12, 20, 40, 55):
        assert kill_at(path, statement) == -signal.SIGKILL
    assert kill_at(path, 10_000) == 0
    with open_custody(path, KEY, migrations=[*shipped("custody_migrations"), NEXT]) as ledger:
        assert ledger.receive([coming(1)]) == [""]


FIRST, *LATER = shipped("custody_migrations")
FILLED = """
INSERT INTO items (id, source, state, size, instance, content, study, modality, sop_class, scanner, protocol, peer,
                   has_raw, has_clean, arrived, updated)
SELECT printf('%032x', value), 'ct', 'received', 1000, printf('%032x', value + 1000), printf('%032x', value + 2000),
       printf('%032x', value % 7), 'CT', '1.2.840.10008.5.1.4.1.1.2', '', '', '', 1, 1, 1.0, 1.0
FROM generated;
UPDATE items SET state = 'cleaned';
UPDATE items SET state = 'waiting';
INSERT INTO cleans (id, item, instance, study, series, size, digest, policy, key_id, sop_class, transfer_syntax, names,
                    made)
SELECT printf('%032x', number + 9000), number, '2.25.' || number, '2.25.9', '2.25.8', 1000, printf('%064x', number),
       printf('%064x', 1), 'key', '1.2.840.10008.5.1.4.1.1.2', '1.2.840.10008.1.2.1', '{}', 1.0
FROM items;
"""


def fill(path: Path, number: int) -> None:
    """A ledger of the first version with so many items that wait."""
    open_custody(path, KEY, migrations=[FIRST]).close()
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("CREATE TEMP TABLE generated (value INTEGER)")
        db.executemany("INSERT INTO generated VALUES (?)", [(n,) for n in range(1, number + 1)])
        for statement in FILLED.split(";\n"):
            db.execute(statement)


def test_a_filled_ledger_of_the_first_version_loses_nothing_on_its_way_to_this_one(tmp_path: Path) -> None:
    path, number = tmp_path / "ledger.db", 500
    fill(path, number)
    with open_custody(path, KEY) as ledger:
        assert ledger.counts()["ct"][State.WAITING] == number
        assert sum(1 for _ in ledger.payloads()) == number
        found = ledger.deliveries.unbound(most=number + 1)
        assert len(found) == number, "all of it still has to go somewhere"
        ledger.deliveries.bind({one.clean: [Bound("pacs")] for one in found})
        assert ledger.deliveries.counts()["pacs"][Delivery.QUEUED] == number
        due = ledger.deliveries.lease("pacs", 10, 1 << 20)
        ledger.deliveries.record(
            [Outcome(one.number, Delivery.VERIFIED, "", Evidence.CONTENT, done=True) for one in due]
        )
        assert len(ledger.deliveries.purgeable(1e12)) == 10
    assert [file.name for file in tmp_path.glob("*.before-*")] == [f"ledger.db.before-{LATER[0].number:04}"]


@contextmanager
def of_version(path: Path, number: int) -> Iterator[sqlite3.Connection]:
    """A ledger as that version made it, to write to as it did."""
    steps = [step for step in shipped("custody_migrations") if step.number <= number]
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        migrate(db, path, steps, APPLICATION)
        yield db


def waiting(db: sqlite3.Connection) -> None:
    """One item that was cleaned."""
    db.execute(
        "INSERT INTO items (id, source, state, size, has_raw, arrived, updated)"
        " VALUES (?, 'ct', 'received', 1, 1, 1, 1)",
        (hex32(1),),
    )
    db.execute("UPDATE items SET state = 'cleaned', has_clean = 1")
    names = "id item instance study series size digest policy key_id sop_class transfer_syntax names"
    db.execute(
        f"INSERT INTO cleans ({', '.join(names.split())}, made)"  # noqa: S608 - names of this test
        f" VALUES (:{', :'.join(names.split())}, :now)",
        clean_values(clean(1), 1, 1.0),
    )
    db.execute("UPDATE items SET state = 'waiting'")


def test_deliveries_of_the_second_version_are_counted_anew(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    fill(path, 3)
    open_custody(path, KEY, migrations=[step for step in (FIRST, *LATER) if step.number <= 2]).close()
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("INSERT INTO lines (destination, urgency, study) VALUES ('pacs', 1, '2.25.9')")
        db.execute(
            "INSERT INTO deliveries (clean, line, destination, queued, updated) "
            "SELECT number, 1, 'pacs', 1, 1 FROM cleans"
        )
        db.execute("UPDATE cleans SET bound = 1")
        for state in ("sent", "verified"):
            db.execute("UPDATE deliveries SET state = ?", (state,))
        db.execute("UPDATE deliveries SET stand = 'over', evidence = iif(number = 1, 'content', 'presence')")
        db.execute("UPDATE items SET delivered = 1")
    with open_custody(path, KEY) as ledger:
        assert [number for number, _ in ledger.deliveries.purgeable(1e12)] == [1, 2, 3]


def test_what_was_made_before_there_were_profiles_stands_as_it_did(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    with of_version(path, 3) as db:
        waiting(db)
    with open_custody(path, KEY) as ledger:
        assert ledger.cleans_of_item(hex32(1)) == [clean(1)]
        assert list(ledger.payloads()) == [(hex32(1), (clean(1).id,))]
        assert not ledger.clean_more([hex32(1)])
        (given,) = ledger.lease("w", 1)
        assert given.adds and given.priority == ""


def test_a_study_from_before_its_instances_were_counted_waits_for_its_idle_time(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    with of_version(path, 7) as db:
        db.execute(
            "INSERT INTO studies (alias, source, modality, first, last, boot, touched)"
            " VALUES (?, 'ct', '', 1, 1, '', 1)",
            (hex32(1, 4),),
        )
    with open_custody(path, KEY) as ledger:
        ledger.receive([coming(1, told=Told(1)), coming(2, source="drop", told=Told(1, 1, 1))])
        ledger.receive([coming(3, study=hex32(2, 4), told=Told(1))])
        assert [(one.expected, one.missing) for one in ledger.studies()] == [(None, 0), (None, 0), (1, 0)]
        assert [one.alias for one in ledger.complete_studies({})] == [hex32(2, 4)]


def test_a_refusal_of_what_was_made_anew_before_it_was_left_out_of_the_counts_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    with of_version(path, 9) as db:
        waiting(db)
        db.execute("INSERT INTO lines (destination, urgency, study) VALUES ('pacs', 1, '2.25.9')")
        db.execute("INSERT INTO deliveries (clean, line, destination, queued, updated) VALUES (1, 1, 'pacs', 1, 1)")
        db.execute("UPDATE deliveries SET state = 'refused', stand = 'over', code = 'peer_refused_object'")
        db.execute("UPDATE cleans SET stands = 0")
    with open_custody(path, KEY) as ledger:
        assert ledger.deliveries.counts() == {}
