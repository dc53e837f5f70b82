"""custody.sql and its schema: legal by the lifecycle, found by name, never a walk through a large table."""

from __future__ import annotations

import itertools
import re
import sqlite3
from pathlib import Path

import pytest

from stowgate.lifecycle import NEXT, NEXT_DELIVERY, Delivery, State
from stowgate.store import (
    custody_damage,
    custody_expected,
    custody_steps,
    custody_view,
    deliveries_sqlite,
    deliveries_steps,
    deliveries_view,
)
from stowgate.store.migrate import shipped
from stowgate.store.queries import queries
from tests.store.custody_sample import hex32

SQL = queries("custody.sql")
DELIVERIES = queries("deliveries.sql")
EVERY = [(file, name) for file in ("custody", "deliveries", "links", "looks") for name in queries(f"{file}.sql")]
LITERAL = re.compile(r"'([a-z]+)'")
STATES = {state.value for state in State}
SMALL = {
    "counts",
    "callers",
    "forget_callers",
    "owner",
    "counted",
    "destinations",
    "delivery_counts",
    "delivered_counts",
    "alarms",
    "silence",
}
"""These read a table that has at most a few hundred rows, or a thousand."""


@pytest.fixture
def db() -> sqlite3.Connection:
    db = sqlite3.connect(":memory:", isolation_level=None)
    for step in shipped("custody_migrations"):
        db.executescript(step.sql)
    return db


def put(db: sqlite3.Connection, state: State, n: int = 1) -> None:
    """A row in `state`, which only a test can make: it takes the guards away for a moment."""
    guards = ["items_begin", "items_move"]
    kept = [db.execute("SELECT sql FROM sqlite_schema WHERE name = ?", (name,)).fetchone()[0] for name in guards]
    for name in guards:
        db.execute(f"DROP TRIGGER {name}")
    db.execute(
        "INSERT INTO items (id, source, state, code, size, has_raw, has_clean, arrived, updated)"
        " VALUES (?, 'ct', ?, 'graphics', 1, 1, 1, 1, 1)",
        (hex32(n), state.value),
    )
    for sql in kept:
        db.execute(sql)


def now_in(db: sqlite3.Connection, n: int = 1) -> State:
    ((state,),) = db.execute("SELECT state FROM items WHERE id = ?", (hex32(n),))
    return State(state)


def test_the_table_of_moves_is_that_of_the_lifecycle(db: sqlite3.Connection) -> None:
    assert set(db.execute("SELECT was, becomes FROM moves")) == {(old, new) for old in NEXT for new in NEXT[old]}
    assert set(db.execute("SELECT was, becomes FROM delivery_moves")) == {
        (old, new) for old in NEXT_DELIVERY for new in NEXT_DELIVERY[old]
    }


@pytest.mark.parametrize(("old", "new"), list(itertools.product(State, State)))
def test_no_statement_whatever_moves_an_item_against_the_lifecycle(
    db: sqlite3.Connection, old: State, new: State
) -> None:
    put(db, old)
    if new in NEXT[old] or new is old:
        db.execute("UPDATE items SET state = ?", (new,))
        assert now_in(db) is new
        assert dict(db.execute("SELECT state, n FROM counts WHERE n > 0")) == {new: 1}
    else:
        with pytest.raises(sqlite3.IntegrityError):
            db.execute("UPDATE items SET state = ?", (new,))
        assert now_in(db) is old


@pytest.mark.parametrize(("old", "new"), list(itertools.product(Delivery, Delivery)))
def test_no_statement_whatever_moves_a_delivery_against_the_lifecycle(
    db: sqlite3.Connection, old: Delivery, new: Delivery
) -> None:
    db.execute("PRAGMA foreign_keys = OFF")
    ways = {Delivery.QUEUED: (), Delivery.ACKNOWLEDGED: ("sent",), Delivery.VERIFIED: ("sent",)}
    db.execute("INSERT INTO deliveries (clean, line, destination, queued, updated) VALUES (1, 1, 'pacs', 1, 1)")
    for step in (*ways.get(old, ()), *(() if old is Delivery.QUEUED else (old,))):
        db.execute("UPDATE deliveries SET state = ?, code = 'graphics'", (step,))
    if new in NEXT_DELIVERY[old]:
        db.execute("UPDATE deliveries SET state = ?, code = 'graphics'", (new,))
        assert dict(db.execute("SELECT state, n FROM delivery_counts WHERE n > 0")) == {new: 1}
    else:
        with pytest.raises(sqlite3.IntegrityError):
            db.execute("UPDATE deliveries SET state = ?", (new,))


@pytest.mark.parametrize("state", sorted(set(State) - {State.RECEIVED}))
def test_every_item_begins_in_received(db: sqlite3.Connection, state: State) -> None:
    with pytest.raises(sqlite3.IntegrityError):
        db.execute(
            "INSERT INTO items (id, source, state, code, size, has_raw, arrived, updated)"
            " VALUES (?, 'ct', ?, 'graphics', 1, 1, 1, 1)",
            (hex32(1), state),
        )


def test_no_row_can_be_deleted_and_no_item_becomes_another(db: sqlite3.Connection) -> None:
    put(db, State.RECEIVED)
    for statement in (
        "DELETE FROM items",
        "UPDATE items SET id = 'f' || substr(id, 2)",
        "UPDATE items SET source = 'drop'",
        "UPDATE items SET study = 'x'",
        "UPDATE items SET state = 'held', code = ''",
        "UPDATE items SET worker = 'w', state = 'held'",
        "UPDATE items SET state = 'Received'",
    ):
        with pytest.raises(sqlite3.IntegrityError):
            db.execute(statement)
    assert now_in(db) is State.RECEIVED


@pytest.mark.parametrize(
    ("query", "old", "becomes"),
    [
        ("turn_back", {State.RECEIVED}, {State.REJECTED, State.DUPLICATE}),
        ("finish", {State.RECEIVED}, NEXT[State.RECEIVED]),
        ("queue", {State.CLEANED}, {State.WAITING}),
        ("lease", {State.RECEIVED}, set()),
        ("give_back", {State.RECEIVED}, set()),
        ("worked_on", {State.RECEIVED}, set()),
        ("ready", {State.RECEIVED}, set()),
    ],
)
def test_the_states_in_a_where_are_those_the_move_starts_from(query: str, old: set[State], becomes: set[State]) -> None:
    where = SQL[query].partition("WHERE")[2]
    assert set(LITERAL.findall(where)) & STATES == old
    assert all(becomes <= NEXT[state] for state in old)


@pytest.mark.parametrize("state", State)
def test_a_guarded_statement_leaves_what_is_elsewhere(db: sqlite3.Connection, state: State) -> None:
    values = dict.fromkeys(re.findall(r":(\w+)", "".join(SQL.values())), "x")
    values |= {"id": hex32(1), "now": "1", "has_clean": "1", "monotonic": "1", "original": ""}
    for query, new in (("turn_back", "duplicate"), ("queue", "waiting"), ("lease", "received"), ("finish", "held")):
        db.executescript("DROP TRIGGER IF EXISTS items_stay; DELETE FROM items;")
        put(db, state)
        changed = db.execute(SQL[query], values | {"state": new, "code": "graphics"}).rowcount
        allowed = {"queue": state is State.CLEANED, "finish": False}.get(query, state is State.RECEIVED)
        assert changed == allowed, query


def test_what_is_not_the_original_of_anything_is_what_nobody_holds() -> None:
    named = set(LITERAL.findall(SQL["original"])) & STATES
    assert named == {"rejected", "duplicate", "dropped", "purging", "purged"}


@pytest.mark.parametrize(("file", "name"), [one for one in EVERY if one[1] not in SMALL])
def test_no_query_reads_a_whole_table_or_sorts_one(db: sqlite3.Connection, file: str, name: str) -> None:
    sql = queries(f"{file}.sql")[name]
    wanted = dict.fromkeys(re.findall(r":(\w+)", sql))
    plan = [line[3] for line in db.execute(f"EXPLAIN QUERY PLAN {sql}", wanted)]
    in_order = (
        r"SCAN (items USING (COVERING )?INDEX items_(ready|leased|on_their_way|adding|unseen)"
        r"|studies USING INDEX studies_open|announced USING INDEX announced_short|events$|looks$"
        r"|study_looks USING INDEX study_looks_open|lines USING COVERING INDEX lines_with_bytes"
        r"|deliveries USING (COVERING )?INDEX deliveries_(out|later)$|cleans USING INDEX cleans_unbound$)"
    )
    scans = [line for line in plan if line.startswith("SCAN") and "VIRTUAL TABLE" not in line]
    assert [line for line in scans if not re.match(in_order, line)] == []
    assert not any("ORDER BY" in line for line in plan)
    walks = [line for line in plan if re.search(r"deliveries USING .*\(destination=\?( AND state=\?)?\)", line)]
    assert not walks or name in ("next_due", "still_to_go"), "a million of them went to the same place"


def test_only_callers_are_ever_deleted() -> None:
    assert set(SQL) & set(DELIVERIES) == set(), "one name, one query"
    assert [
        name for name, sql in (*SQL.items(), *DELIVERIES.items()) if "DELETE" in sql.upper() or "REPLACE" in sql.upper()
    ] == ["forget_callers"]


def test_every_query_is_used_and_every_used_one_is_there() -> None:
    for sql, modules in (
        (SQL, (custody_steps, custody_expected, custody_view, custody_damage)),
        (DELIVERIES, (deliveries_steps, deliveries_view, deliveries_sqlite)),
    ):
        source = "".join(Path(module.__file__ or "").read_text() for module in modules)
        assert [name for name in sql if f'"{name}"' not in source] == []


def test_the_migrations_are_numbered_in_order() -> None:
    numbers = [step.number for step in shipped("custody_migrations")]
    assert numbers[0] == 1 and numbers == sorted(set(numbers))
