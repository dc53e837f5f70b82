"""Clean objects are durable before they are recorded, each instance stands once, and a failing disk records nothing."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from stowgate.errors import Temporary
from stowgate.gateway.ending import Worked
from stowgate.lifecycle import State
from stowgate.objects import Raw
from stowgate.pipeline import process, stopped
from tests.builder import CT, EXPLICIT, IMPLICIT, el, instance, part10, small
from tests.gateway.parts import POLICY, Parts, clean_file, expected, flip, worked


def passed(parts: Parts, most: int = 100) -> list[Worked]:
    return [worked(process(Raw(item.id, ""), parts.way, parts.bench)) for item in parts.ledger.lease("test", most)]


def test_what_is_clean_waits_with_the_bytes_that_the_engine_makes(parts: Parts) -> None:
    for syntax in (EXPLICIT, IMPLICIT):
        data = part10(instance(uid=f"1.2.{len(syntax)}"), syntax)
        id = parts.accept(data)
        assert parts.work() == [id]
        assert parts.state(id) == (State.WAITING, "")
        assert parts.clean_bytes(id) == expected(data)
        clean = parts.ledger.clean_of_item(id)
        assert clean
        assert (clean.digest, clean.size) == (hashlib.sha256(expected(data)).hexdigest(), len(expected(data)))
        assert (clean.sop_class, clean.transfer_syntax, clean.policy) == (CT, syntax, POLICY.digest)
        assert clean_file(parts, clean.id).exists()
    assert parts.raw_bytes(id) == data, "the original stays until delivery is verified"


def test_a_group_ends_in_one_commit(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = [parts.accept(small(uid=f"1.2.{n}")) for n in range(5)]
    end, calls = parts.ledger.end, []
    monkeypatch.setattr(parts.ledger, "end", lambda group: calls.append(len(group)) or end(group))
    assert parts.work() == ids
    assert calls == [5]
    assert parts.counts() == {"waiting": 5}
    assert len(parts.clean_ids) == 5
    assert not [name for name in parts.files if name.startswith("parts")]


def test_what_is_stopped_keeps_its_original_and_its_reason(parts: Parts) -> None:
    id = parts.accept(small(drop=("PixelData",)))
    assert parts.work() == [id]
    assert parts.state(id) == (State.QUARANTINED, "no_pixel_data")
    assert parts.raw_ids == {id}
    assert parts.clean_ids == set()


class TestDuplicates:
    def encoded_otherwise(self, parts: Parts) -> tuple[str, str]:
        return parts.accept(small()), parts.accept(part10(instance(), IMPLICIT))

    def test_the_same_in_another_encoding_is_a_duplicate_and_is_let_go(self, parts: Parts) -> None:
        first, second = self.encoded_otherwise(parts)
        parts.work(1)
        parts.work(1)
        assert parts.state(first)[0] is State.WAITING
        assert parts.state(second)[0] is State.DUPLICATE
        assert parts.raw_ids == {first}
        assert len(parts.clean_ids) == 1
        assert parts.recover().lost == 0

    def test_two_of_one_group_are_told_apart_as_well(self, parts: Parts) -> None:
        first, second = self.encoded_otherwise(parts)
        assert parts.work() == [first]
        assert parts.work() == [second]
        assert parts.counts() == {"waiting": 1, "duplicate": 1}
        assert len(parts.clean_ids) == 1

    def test_two_workers_that_made_the_same_at_once_record_it_once(self, parts: Parts) -> None:
        self.encoded_otherwise(parts)
        one, other = passed(parts, 1), passed(parts, 1)
        assert len(parts.desk.end(one)) == 1
        parts.desk.end(other)
        parts.work()
        assert parts.counts() == {"waiting": 1, "duplicate": 1}
        assert len(parts.clean_ids) == 1

    def test_a_uid_that_comes_again_with_other_content_is_quarantined_and_the_first_goes_its_way(
        self, parts: Parts
    ) -> None:
        first = parts.accept(small())
        parts.work()
        reused = parts.accept(small(el("InstanceNumber", "99")))
        parts.work()
        assert parts.state(first) == (State.WAITING, "")
        assert parts.state(reused) == (State.QUARANTINED, "uid_reuse")
        assert parts.raw_ids == {first, reused}
        assert len(parts.clean_ids) == 1

    def test_in_one_group_as_well(self, parts: Parts) -> None:
        first, reused = parts.accept(small()), parts.accept(small(el("InstanceNumber", "99")))
        parts.work()
        parts.work()
        assert (parts.state(first)[0], parts.state(reused)) == (State.WAITING, (State.QUARANTINED, "uid_reuse"))

    def test_beside_a_damaged_clean_object_nothing_is_thrown_away(self, parts: Parts) -> None:
        first, second = self.encoded_otherwise(parts)
        parts.work(1)
        clean = parts.ledger.clean_of_item(first)
        assert clean
        flip(clean_file(parts, clean.id))
        parts.work(1)
        assert parts.state(second)[0] is State.QUARANTINED
        assert parts.raw_ids == {first, second}

    def test_judged_again_it_is_not_its_own_duplicate(self, parts: Parts) -> None:
        id = parts.accept(small())
        parts.work()
        parts.ledger.move([id], State.HELD, "held_by_person")
        parts.ledger.move([id], State.RECEIVED)
        assert parts.work() == [id]
        assert parts.state(id) == (State.WAITING, "")
        assert parts.clean_bytes(id) == expected(small())


class TestFailing:
    @pytest.mark.parametrize(("code", "stays"), [("disk_full", 0), ("ledger_io", 2)])
    def test_a_ledger_that_fails_records_nothing_and_nobody_believes_more_than_is_known(
        self, parts: Parts, monkeypatch: pytest.MonkeyPatch, code: str, stays: int
    ) -> None:
        """With an error of the disk the rows may be there after all: then their clean objects must be, too."""

        def fail(_: Any) -> None:
            raise Temporary(code)

        for n in range(2):
            parts.accept(small(uid=f"1.2.{n}"))
        done = passed(parts)
        with monkeypatch.context() as patch:
            patch.setattr(parts.ledger, "end", fail)
            with pytest.raises(Temporary):
                parts.desk.end(done)
        assert len(parts.clean_ids) == stays
        found = parts.recover()
        assert (found.remade, found.lost) == (stays, 0)
        assert [len(parts.work()), len(parts.work())] == [1, 1], "what was begun before goes alone"
        assert len(parts.clean_ids) == 2

    @pytest.mark.parametrize("nth", [1, 2, 3])
    def test_a_shelf_that_fails_in_the_middle_of_a_group_leaves_none_of_it(
        self, parts: Parts, monkeypatch: pytest.MonkeyPatch, nth: int
    ) -> None:
        for n in range(3):
            parts.accept(small(uid=f"1.2.{n}"))
        done = passed(parts)
        keep, calls = parts.spool.clean.keep, []

        def fail(place: Any) -> Any:
            calls.append(place)
            if len(calls) == nth:
                parts.spool.clean.drop(place)
                raise Temporary("disk_full")
            return keep(place)

        monkeypatch.setattr(parts.spool.clean, "keep", fail)
        with pytest.raises(Temporary):
            parts.desk.end(done)
        for one in done:
            parts.desk.drop(one)
        assert parts.clean_ids == set()
        assert not [name for name in parts.files if not name.startswith("raw")]
        assert parts.counts() == {"received": 3}

    def test_a_copy_that_cannot_be_deleted_is_ended_all_the_same(
        self, parts: Parts, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        parts.accept(small())
        second = parts.accept(part10(instance(), IMPLICIT))
        parts.work(1)

        def fail(_: str) -> None:
            raise Temporary("spool_failed")

        with monkeypatch.context() as patch:
            patch.setattr(parts.spool.raw, "delete", fail)
            assert parts.work(1) == [second]
        assert second in parts.raw_ids
        assert parts.recover().leftover == 1
        assert second not in parts.raw_ids

    def test_what_is_not_leased_any_more_is_not_ended_and_leaves_nothing(self, parts: Parts) -> None:
        id = parts.accept(small())
        done = passed(parts)
        parts.ledger.release([id])
        assert parts.desk.end(done) == []
        assert parts.clean_ids == set()
        assert parts.state(id)[0] is State.RECEIVED

    def test_what_is_dropped_leaves_nothing_and_may_be_dropped_twice(self, parts: Parts) -> None:
        parts.accept(small())
        (done,) = passed(parts)
        parts.desk.drop(done)
        parts.desk.drop(done)
        parts.desk.drop(worked(stopped(Raw("0" * 32, ""), "third_start")))
        assert not [name for name in parts.files if not name.startswith("raw")]
