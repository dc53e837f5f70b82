"""queries.sql: found by name, legal by lifecycle, and never a walk through a whole table."""

from __future__ import annotations

import re
import sqlite3
from pathlib import Path

import pytest

from stowgate.lifecycle import State, may_move
from stowgate.store.migrate import shipped
from stowgate.store.queries import parse, queries
from stowgate.store.store import SETTLED

ID = "0" * 32
READS_EVERYTHING = {"counts", "runs", "owner"}


@pytest.fixture
def db() -> sqlite3.Connection:
    db = sqlite3.connect(":memory:", isolation_level=None)
    for step in shipped():
        db.executescript(step.sql)
    return db


def put(db: sqlite3.Connection, state: State) -> None:
    db.execute("DELETE FROM items")
    db.execute(
        "INSERT INTO items (id, state, code, attempts, path, size, first_seen, updated)"
        " VALUES (?, ?, 'graphics', 0, '', 1, 1, 1)",
        (ID, state.value),
    )


def now_in(db: sqlite3.Connection) -> State:
    ((state,),) = db.execute("SELECT state FROM items")
    return State(state)


def test_the_schema_knows_exactly_the_states_of_the_lifecycle(db: sqlite3.Connection) -> None:
    for state in State:
        put(db, state)
        assert now_in(db) is state
    for wrong in ("", "Received", "sent", "received "):
        with pytest.raises(sqlite3.IntegrityError):
            db.execute("UPDATE items SET state = ?", (wrong,))


@pytest.mark.parametrize("state", State)
def test_begin_moves_what_may_go_back_to_received_and_nothing_else(db: sqlite3.Connection, state: State) -> None:
    put(db, state)
    db.execute(queries()["begin"], {"id": ID, "path": b"", "size": 1, "now": 2.0})
    allowed = state is State.RECEIVED or may_move(state, State.RECEIVED)
    assert now_in(db) is (State.RECEIVED if allowed else state)
    ((attempts,),) = db.execute("SELECT attempts FROM items")
    assert attempts == (1 if allowed else 0)


@pytest.mark.parametrize("new", SETTLED)
@pytest.mark.parametrize("old", State)
def test_settle_moves_only_what_was_begun_and_only_where_it_may_go(
    db: sqlite3.Connection, old: State, new: State
) -> None:
    put(db, old)
    row: dict[str, object] = dict.fromkeys(("study", "modality", "sop_class"))
    row |= {"id": ID, "state": new.value, "code": "graphics", "place": "", "findings": "", "now": 2.0}
    db.execute(queries()["settle"], row)
    assert now_in(db) is (new if old is State.RECEIVED else old)
    assert old is not State.RECEIVED or may_move(old, new)


@pytest.mark.parametrize("state", [State.HELD, State.QUARANTINED, State.REJECTED])
def test_what_was_stopped_has_a_code(db: sqlite3.Connection, state: State) -> None:
    put(db, state)
    with pytest.raises(sqlite3.IntegrityError):
        db.execute("UPDATE items SET code = NULL")


@pytest.mark.parametrize("name", sorted(set(queries()) - READS_EVERYTHING))
def test_no_query_of_the_hot_path_reads_a_whole_table(db: sqlite3.Connection, name: str) -> None:
    wanted = dict.fromkeys(re.findall(r":(\w+)", queries()[name]))
    plan = db.execute(f"EXPLAIN QUERY PLAN {queries()[name]}", wanted).fetchall()
    scans = [line[3] for line in plan if line[3].startswith("SCAN") and "VIRTUAL TABLE" not in line[3]]
    assert not scans


@pytest.mark.parametrize(
    ("name", "search"),
    [
        ("lookup", "SEARCH items USING INDEX sqlite_autoindex_items_1 (id=?)"),
        ("by_instance", "SEARCH cleans USING INDEX sqlite_autoindex_cleans_1 (target=? AND instance=?)"),
    ],
)
def test_groups_are_found_one_by_one_by_their_whole_key(db: sqlite3.Connection, name: str, search: str) -> None:
    wanted = dict.fromkeys(re.findall(r":(\w+)", queries()[name]))
    assert search in [line[3] for line in db.execute(f"EXPLAIN QUERY PLAN {queries()[name]}", wanted)]


def test_no_query_deletes_a_row() -> None:
    assert not any("DELETE" in sql.upper() or "REPLACE" in sql.upper() for sql in queries().values())


def test_every_query_is_used_and_every_used_one_is_there() -> None:
    import stowgate.store.sqlite as module

    source = Path(module.__file__).read_text()
    assert [name for name in queries() if f'("{name}"' not in source] == []


def test_a_name_that_stands_twice_is_refused() -> None:
    assert parse("-- name: one -- says why\nSELECT 1;\n") == {"one": "SELECT 1;"}
    with pytest.raises(ValueError, match="one name"):
        parse("-- name: one -- a\nSELECT 1;\n-- name: one -- b\nSELECT 2;\n")
