"""What a start makes of every pair of shelf and ledger: nothing acknowledged is deleted, nothing unjudged is kept."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from stowgate import events
from stowgate.errors import Temporary
from stowgate.gateway.recovery import UNKNOWN, let_go
from stowgate.ingest.source import Duplicate, Refused
from stowgate.lifecycle import State
from stowgate.objects import Raw
from stowgate.pipeline import process
from stowgate.store.spool import Facts
from tests.builder import IMPLICIT, instance, part10, small
from tests.gateway.parts import Parts, clean_file, expected, flip, raw_file
from tests.gateway.parts import parts as opened

FACTS = Facts("ct", "STORESCU")


def keep_without_row(parts: Parts, data: bytes, facts: Facts = FACTS) -> str:
    """What a process leaves that dies between the name and the row."""
    writing = parts.spool.raw.new(facts)
    writing.write(data)
    writing.finish()
    writing.keep()
    return writing.id


def back_up(spool: Path, place: Path) -> None:
    """A copy of the ledger as a tool for that makes it."""
    place.mkdir()
    with closing(sqlite3.connect(spool / "ledger.db")) as db, closing(sqlite3.connect(place / "ledger.db")) as copy:
        db.backup(copy)
        copy.execute("PRAGMA journal_mode = WAL")


def put_back(spool: Path, place: Path) -> None:
    for path in spool.glob("ledger.db*"):
        path.unlink()
    shutil.copy(place / "ledger.db", spool / "ledger.db")


def test_a_start_after_an_orderly_end_changes_nothing(parts: Parts) -> None:
    parts.accept(small(uid="1.2.1"))
    parts.work()
    parts.accept(small(uid="1.2.2"))
    before = sorted(parts.files)
    found = parts.recover()
    assert (found.leases, found.adopted, found.leftover, found.remade, found.lost, found.received) == (0, 0, 0, 0, 0, 1)
    assert sorted(parts.files) == before


def test_leases_of_a_dead_process_are_ended_and_their_starts_stay(parts: Parts) -> None:
    parts.accept(small())
    parts.ledger.lease("dead", 5)
    assert parts.recover().leases == 1
    (row,) = parts.ledger.rows()
    assert row.attempts == 1
    assert len(parts.work()) == 1


class TestRawWithoutARow:
    def test_it_is_adopted_with_all_that_its_header_says(self, parts: Parts) -> None:
        id = keep_without_row(parts, small())
        found = parts.recover()
        assert (found.adopted, found.received) == (1, 1)
        row = parts.ledger.row(id)
        assert row
        assert (row.state, row.source, row.size, row.modality) == (State.RECEIVED, "ct", len(small()), "CT")
        parts.work()
        assert parts.clean_bytes(id) == expected(small())

    def test_adopted_it_has_duplicates_like_any_other(self, parts: Parts) -> None:
        keep_without_row(parts, small())
        parts.recover()
        assert isinstance(parts.take_in(small()), Duplicate)

    def test_a_second_copy_of_what_has_a_row_is_counted_and_let_go(self, parts: Parts) -> None:
        first = parts.accept(small())
        copy = keep_without_row(parts, small())
        assert parts.recover().adopted == 1
        assert parts.state(copy)[0] is State.DUPLICATE
        assert parts.raw_ids == {first}
        assert parts.recover().adopted == 0

    def test_unless_the_first_is_damaged(self, parts: Parts) -> None:
        first = parts.accept(small())
        flip(raw_file(parts, first))
        copy = keep_without_row(parts, small())
        parts.recover()
        assert parts.raw_ids == {first, copy}
        parts.work()
        assert parts.state(first) == (State.QUARANTINED, "spool_damaged")
        assert parts.state(copy) == (State.WAITING, "")

    def test_several_copies_without_rows_are_one_and_its_duplicates(self, parts: Parts) -> None:
        for _ in range(5):
            keep_without_row(parts, small())
        assert parts.recover().adopted == 5
        assert parts.counts() == {"received": 1, "duplicate": 4}
        assert len(parts.raw_ids) == 1

    @pytest.mark.parametrize("at", [0, 30, 200, -5])
    def test_a_damaged_one_is_adopted_too_and_quarantined_by_a_worker(self, parts: Parts, at: int) -> None:
        id = keep_without_row(parts, small())
        flip(raw_file(parts, id), at)
        assert parts.recover().adopted == 1
        assert parts.raw_ids == {id}
        row = parts.ledger.row(id)
        assert row
        assert row.source in ("ct", UNKNOWN)
        parts.work()
        assert parts.state(id) == (State.QUARANTINED, "spool_damaged")

    @pytest.mark.parametrize("size", [0, 5, 100])
    def test_an_empty_or_short_one_as_well(self, parts: Parts, size: int) -> None:
        id = "ab" + "0" * 30
        path = raw_file(parts, id)
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(bytes(size))
        assert parts.recover().adopted == 1
        parts.work()
        assert parts.state(id) == (State.QUARANTINED, "spool_damaged")

    def test_one_that_brings_out_a_bug_does_not_keep_the_gateway_from_starting(
        self, parts: Parts, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        id = keep_without_row(parts, small())

        def bug(_: object) -> None:
            raise RecursionError

        monkeypatch.setattr(parts.examiner, "examine", bug)
        assert parts.recover().adopted == 1
        assert parts.state(id)[0] is State.RECEIVED

    def test_a_disk_that_fails_stops_the_start_and_deletes_nothing(
        self, parts: Parts, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        id = keep_without_row(parts, small())

        def fail(*_: Any) -> Any:
            raise Temporary("spool_failed")

        monkeypatch.setattr(parts.examiner, "examine", fail)
        with pytest.raises(Temporary):
            parts.recover()
        assert parts.raw_ids == {id}

    def test_what_nobody_needs_any_more_is_deleted(self, parts: Parts) -> None:
        """Killed between "its row has no payload" and the deletion."""
        id = parts.accept(small())
        parts.ledger.forget_payload([id], raw=True, clean=False)
        found = parts.recover()
        assert (found.leftover, found.adopted, found.lost) == (1, 0, 0)
        assert parts.raw_ids == set()

    def test_hundreds_are_adopted_in_one_go(self, parts: Parts) -> None:
        for n in range(210):
            keep_without_row(parts, small(uid=f"1.2.{n}"))
        assert parts.recover().adopted == 210
        assert parts.counts() == {"received": 210}


class TestCleanWithoutARow:
    def test_it_is_deleted_and_made_again(self, parts: Parts) -> None:
        """Nobody recorded what the gate said of it."""
        id = parts.accept(small())
        (leased,) = parts.ledger.lease("dies", 1)
        passed = process(Raw(leased.id, ""), parts.way, parts.bench)
        assert passed.ref
        kept = parts.spool.clean.keep(passed.ref.path)
        found = parts.recover()
        assert (found.remade, found.leases) == (1, 1)
        assert kept.id not in parts.clean_ids
        parts.work()
        assert parts.clean_bytes(id) == expected(small())


class TestRowWithoutAFile:
    @pytest.mark.parametrize("which", ["raw", "clean"])
    def test_it_is_sounded_and_nothing_is_deleted(self, parts: Parts, which: str) -> None:
        ids = [parts.accept(small(uid=f"1.2.{n}")) for n in range(3)]
        parts.work()
        clean = parts.ledger.clean_of_item(ids[1])
        assert clean
        (raw_file(parts, ids[1]) if which == "raw" else clean_file(parts, clean.id)).unlink()
        before = len(parts.files)
        assert parts.recover().lost == 1
        assert [one.item for one in parts.events(events.PayloadLost)] == [ids[1]]
        assert len(parts.files) == before
        assert parts.counts() == {"waiting": 3}
        assert parts.recover().lost == 1, "until somebody has done something about it"

    def test_an_item_that_lost_its_original_is_quarantined_when_it_is_worked_on(self, parts: Parts) -> None:
        id = parts.accept(small())
        raw_file(parts, id).unlink()
        assert parts.recover().lost == 1
        parts.work()
        assert parts.state(id)[1] == "payload_lost"


class TestOldLedger:
    def test_nothing_that_was_acknowledged_is_deleted_and_all_of_it_goes_its_way_again(self, tmp_path: Path) -> None:
        spool = tmp_path / "spool"
        with opened(spool) as parts:
            old = [parts.accept(small(uid=f"1.2.{n}")) for n in range(3)]
        back_up(spool, tmp_path / "old")
        with opened(spool) as parts:
            parts.work()
            new = [parts.accept(small(uid=f"1.2.{n}")) for n in range(3, 7)]
            parts.work()
            late = parts.accept(small(uid="1.2.7"))
            parts.accept(small(uid="1.2.7"))
            assert parts.take_in(b"no dicom") == Refused("not_dicom")
        put_back(spool, tmp_path / "old")
        with opened(spool) as parts:
            found = parts.recover()
            assert (found.adopted, found.remade, found.lost) == (5, 7, 0)
            assert parts.raw_ids == {*old, *new, late}
            while parts.work():
                pass
            assert parts.counts() == {"waiting": 8}
            for n, id in enumerate([*old, *new, late]):
                assert parts.clean_bytes(id) == expected(small(uid=f"1.2.{n}"))

    def test_no_ledger_at_all_is_the_oldest_of_them(self, tmp_path: Path) -> None:
        spool = tmp_path / "spool"
        with opened(spool) as parts:
            ids = {parts.accept(small(uid=f"1.2.{n}")) for n in range(5)}
            parts.work()
        for path in spool.glob("ledger.db*"):
            path.unlink()
        with opened(spool) as parts:
            found = parts.recover()
            assert (found.adopted, found.remade, found.lost) == (5, 5, 0)
            parts.work()
            assert {row.id for row in parts.ledger.rows([State.WAITING])} == ids


def test_letting_go_deletes_both_objects_and_keeps_the_row(parts: Parts) -> None:
    gone, stays = (parts.accept(small(uid=f"1.2.{n}")) for n in range(2))
    parts.work()
    let_go([gone], parts.spool.raw, parts.spool.clean, parts.ledger)
    assert parts.raw_ids == {stays}
    assert len(parts.clean_ids) == 1
    row = parts.ledger.row(gone)
    assert row
    assert not (row.has_raw or row.has_clean)
    assert parts.recover().lost == 0


@pytest.mark.parametrize("failing", ["raw", "clean"])
def test_letting_go_that_is_cut_short_is_finished_by_the_next_start(
    parts: Parts, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    id = parts.accept(part10(instance(), IMPLICIT))
    parts.work()

    def fail(_: str) -> None:
        raise Temporary("spool_failed")

    with monkeypatch.context() as patch:
        patch.setattr(getattr(parts.spool, failing), "delete", fail)
        with pytest.raises(Temporary):
            let_go([id], parts.spool.raw, parts.spool.clean, parts.ledger)
    found = parts.recover()
    assert found.lost == 0
    assert (parts.raw_ids, parts.clean_ids) == (set(), set())
