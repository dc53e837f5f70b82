"""The next of many that wait is chosen within a millisecond; STOWGATE_SOAK=1 takes the whole 200,000."""

from __future__ import annotations

import os
import sqlite3
import statistics
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from stowgate.lifecycle import Delivery
from stowgate.store import deliveries_steps as steps
from stowgate.store.clocks import Moment
from stowgate.store.custody_sqlite import open_custody
from stowgate.store.custody_view import read_custody
from stowgate.store.deliveries_view import SQL
from stowgate.store.queries import queries
from tests.store.custody_sample import KEY, Hands
from tests.store.test_custody_scale import seconds

WAITING = 200_000 if os.environ.get("STOWGATE_SOAK") else 20_000
FILL = """
INSERT INTO items (id, source, state, size, has_raw, arrived, updated)
WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < :rows)
SELECT printf('%032x', n), 'ct', 'received', 524288, 1, n, n FROM n;
UPDATE items SET state = 'cleaned', has_clean = 1;
UPDATE items SET state = 'waiting';
INSERT INTO cleans (id, item, instance, study, series, size, digest, policy, key_id, sop_class, transfer_syntax, names,
                    made, bound)
SELECT id, number, '2.25.' || number, '2.25.9.' || (number / :per_study), '2.25.2', 500000, '0', '0', '0', '1.2', '1.2',
       '{}', 1, 1
FROM items;
INSERT INTO lines (destination, urgency, study) SELECT DISTINCT 'pacs', 1, study FROM cleans;
INSERT INTO deliveries (clean, line, destination, queued, updated)
SELECT cleans.number, lines.number, 'pacs', 1, 1 FROM cleans JOIN lines ON lines.study = cleans.study;
"""


@pytest.fixture(scope="module", params=[1, 400], ids=["a study each", "400 a study"])
def large(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("large") / "ledger.db"
    open_custody(path, KEY, Hands().clocks).close()
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("PRAGMA synchronous = OFF")
        db.execute("BEGIN")
        for statement in FILL.split(";\n"):
            db.execute(statement, {"rows": WAITING, "per_study": request.param})
        db.execute("COMMIT")
    return path


def test_the_next_is_chosen_within_a_millisecond(large: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Chosen, counted and marked as given out; the commit to disk is the disk's own time."""
    taken = []
    with closing(sqlite3.connect(large, isolation_level=None)) as db:
        for n in range(200):
            db.execute("BEGIN IMMEDIATE")
            began = time.perf_counter()
            assert len(steps.lease(db, "pacs", 1, 1, Moment(n, n, "first"))) == 1
            taken.append(time.perf_counter() - began)
            db.execute("ROLLBACK" if n % 2 else "COMMIT")
    with capsys.disabled():
        sys.stdout.write(f"\n{WAITING} wait: the next in {statistics.median(taken) * 1e6:.0f} us\n")
    assert statistics.median(taken) <= 0.001


def test_what_people_ask_costs_the_same_with_many(large: Path) -> None:
    def look() -> None:
        with read_custody(large) as view:
            assert view.deliveries.counts()["pacs"][Delivery.QUEUED] == WAITING
            assert len(view.deliveries.of_items([row.id for row in view.rows()])) == 100
            assert view.deliveries.bytes_left() == {"pacs": WAITING * 500_000}

    assert seconds(look) <= 0.3


@pytest.mark.parametrize("query", ["bind", "recheck"])
def test_an_object_is_sent_and_asked_for_again_without_reading_others_of_its_destination(
    large: Path, query: str
) -> None:
    with read_custody(large) as view, view._lend_one() as db:
        wanted = {"there": '["pacs"]', "id": "0" * 32, "clean": 1, "destination": "pacs", "urgency": 1, "study": "1"}
        plan = db.execute(f"EXPLAIN QUERY PLAN {queries(SQL)[query]}", wanted | {"now": 1})
        reads = [step[-1] for step in plan.fetchall() if "deliveries" in step[-1]]
    assert reads and all("(clean=?" in one for one in reads), reads


def test_what_is_still_to_go_is_found_without_reading_all_that_arrived(large: Path) -> None:
    with read_custody(large) as view, view._lend_one() as db:
        plan = db.execute(f"EXPLAIN QUERY PLAN {queries(SQL)['still_to_go']}", {"destination": "pacs", "most": 500})
        indexes = [step[-1] for step in plan.fetchall() if "INDEX deliveries_" in step[-1]]
    assert [one.split("INDEX ")[1] for one in indexes] == [
        "deliveries_listed (destination=? AND state=?)",
        "deliveries_asked_again (destination=?)",
    ]


def test_what_never_went_somewhere_is_found_without_reading_all_that_did(large: Path) -> None:
    """Each item by its own few rows: with all of the destination's for each, this takes minutes."""
    with read_custody(large) as view, view._lend_one() as db:
        plan = db.execute(
            f"EXPLAIN QUERY PLAN {queries(SQL)['never_to']}", {"destination": "pacs", "after": 0, "most": 500}
        )
        steps_ = [step[-1] for step in plan.fetchall()]
        assert any("deliveries USING" in step and "clean=?" in step for step in steps_), steps_
        took = seconds(lambda: db.execute(queries(SQL)["never_to"], {"destination": "pacs", "after": 0, "most": 500}))
    assert took < 5
