"""Workers take every item to its end: a bug, a poison object or a full disk holds one, and the others go on."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from stowgate import events
from stowgate.errors import Temporary
from stowgate.gateway import hands
from stowgate.gateway import workers as module
from stowgate.gateway.workers import Workers
from stowgate.lifecycle import State
from tests.builder import IMPLICIT, el, instance, part10, small
from tests.gateway.parts import Parts, expected, flip, raw_file
from tests.ingest.dimse import eventually


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PAUSE", 0.02)
    monkeypatch.setattr(module, "_LOOK", 0.05)


@contextmanager
def working(parts: Parts, number: int = 2) -> Iterator[Workers]:
    workers = parts.workers(number)
    workers.start()
    try:
        yield workers
    finally:
        assert workers.stop(20)


def settled(parts: Parts, number: int, seconds: float = 20) -> None:
    """Until so many are in a state of their own."""
    eventually(lambda: sum(n for state, n in parts.counts().items() if state != "received") == number, seconds)


def test_everything_that_waits_is_taken_through_and_told(parts: Parts) -> None:
    data = {parts.accept(one): one for one in (small(uid=f"1.2.{n}") for n in range(20))}
    with working(parts):
        settled(parts, 20)
        later = parts.accept(small(uid="1.2.99"))
        settled(parts, 21)
    assert parts.counts() == {"waiting": 21}
    for id, original in data.items():
        assert parts.clean_bytes(id) == expected(original)
    told = parts.events(events.Settled)
    assert {one.item for one in told} == {*data, later}
    assert {(one.state, one.code, one.source) for one in told} == {(State.WAITING, "", "ct")}
    assert parts.backlog.waiting == 0


def test_two_workers_on_the_same_instance_make_it_once(parts: Parts) -> None:
    for n in range(10):
        parts.accept(small(uid=f"1.2.{n}"))
        parts.accept(part10(instance(uid=f"1.2.{n}"), IMPLICIT))
        parts.accept(small(el("InstanceNumber", "99"), uid=f"1.2.{n}"))
    with working(parts, 3):
        settled(parts, 30)
    counts = parts.counts()
    assert counts["waiting"] == len(parts.clean_ids) == 10
    assert counts["duplicate"] + counts["quarantined"] == 20  # which of two came first is open where both are at work
    assert {row.code for row in parts.ledger.rows([State.QUARANTINED])} == {"uid_reuse"}


def test_the_issuer_of_a_source_reaches_the_engine(parts: Parts) -> None:
    ids = [parts.accept(small(uid="1.2.1"), "a"), parts.accept(small(uid="1.2.2"), "b")]
    parts.station  # noqa: B018 - made before it is replaced
    object.__setattr__(parts.station, "issuers", {"a": "HOSPITAL A"})
    with working(parts):
        settled(parts, 2)
    patients = [clean.names["patient"] for clean in map(parts.ledger.clean_of_item, ids) if clean]
    assert patients[0] != patients[1]


class TestFaults:
    def test_a_bit_flip_quarantines_one_and_the_others_go_on(self, parts: Parts) -> None:
        ids = [parts.accept(small(uid=f"1.2.{n}")) for n in range(12)]
        flip(raw_file(parts, ids[4]))
        flip(raw_file(parts, ids[7]), 30)
        raw_file(parts, ids[9]).unlink()
        with working(parts):
            settled(parts, 12)
        codes = [parts.state(id)[1] for id in ids]
        assert codes.count("") == 9
        assert (codes[4], codes[7], codes[9]) == ("spool_damaged", "spool_damaged", "payload_lost")

    def test_an_engine_that_raises_holds_one_object_and_forwards_nothing(
        self, parts: Parts, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from stowgate.verify import gate

        ids = [parts.accept(small(uid=f"1.2.{n}")) for n in range(10)]
        checked = gate.check

        def fail(raw: Any, written: Any, policy: Any, names: Any, *rest: Any) -> Any:
            if names.instance == bad:
                raise RuntimeError("Vandermeer^Liselotte")
            return checked(raw, written, policy, names, *rest)

        bad = _new_uid(small(uid="1.2.3"))
        monkeypatch.setattr(gate, "check", fail)
        with working(parts):
            settled(parts, 10)
        assert parts.state(ids[3]) == (State.QUARANTINED, "internal_error")
        assert parts.counts() == {"waiting": 9, "quarantined": 1}
        assert len(parts.clean_ids) == 9
        assert "Vandermeer" not in repr(parts.told)

    def test_a_desk_that_raises_holds_one_object_and_the_thread_lives(
        self, parts: Parts, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ids = [parts.accept(small(uid=f"1.2.{n}")) for n in range(10)]
        made = parts.desk._made
        bad = _new_uid(small(uid="1.2.3"))

        def fail(self: object, profile: Any, ref: Any, *more: Any) -> Any:
            if ref.names.instance == bad:
                raise RuntimeError("a bug")
            return made(profile, ref, *more)

        monkeypatch.setattr(type(parts.desk), "_made", fail)
        with working(parts, 1):
            settled(parts, 10)
        assert parts.state(ids[3]) == (State.QUARANTINED, "internal_error")
        assert parts.counts() == {"waiting": 9, "quarantined": 1}
        assert len(parts.clean_ids) == 9
        assert not [name for name in parts.files if name.startswith("parts")]

    def test_a_disk_that_is_too_full_for_one_lets_the_others_pass_and_takes_it_later(
        self, parts: Parts, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ids = [parts.accept(small(uid=f"1.2.{n}")) for n in range(10)]
        process, full = hands.process, threading.Event()

        def fail(raw: Any, *more: Any) -> Any:
            if raw.id == ids[0] and not full.is_set():
                raise Temporary("disk_full")
            return process(raw, *more)

        monkeypatch.setattr(hands, "process", fail)
        with working(parts, 1):
            settled(parts, 9)
            assert parts.state(ids[0]) == (State.RECEIVED, "")
            full.set()
            settled(parts, 10)
        assert parts.counts() == {"waiting": 10}

    def test_a_ledger_that_cannot_be_written_loses_nothing_and_work_goes_on_by_itself(
        self, parts: Parts, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for n in range(10):
            parts.accept(small(uid=f"1.2.{n}"))
        end, failures = parts.ledger.end, iter(range(5))

        def fail(group: Any) -> Any:
            if next(failures, None) is not None:
                raise Temporary("disk_full")
            return end(group)

        monkeypatch.setattr(parts.ledger, "end", fail)
        with working(parts):
            settled(parts, 10)
        assert parts.counts() == {"waiting": 10}
        assert len(parts.clean_ids) == 10
        assert parts.recover().remade == 0

    def test_a_third_start_quarantines_the_object_alone(self, parts: Parts) -> None:
        """Two processes died over it, which the open starts in the ledger tell."""
        poison = parts.accept(small(uid="1.2.1"))
        for _ in range(2):
            assert [one.id for one in parts.ledger.lease("died", 1)] == [poison]
            parts.ledger.release_all()
        others = [parts.accept(small(uid=f"1.2.{n}")) for n in range(2, 8)]
        with working(parts):
            settled(parts, 7)
        assert parts.state(poison) == (State.QUARANTINED, "third_start")
        assert {parts.state(id) for id in others} == {(State.WAITING, "")}
        assert poison in parts.raw_ids

    def test_a_first_and_second_start_are_forgiven(self, parts: Parts) -> None:
        id = parts.accept(small())
        parts.ledger.lease("died", 1)
        parts.ledger.release_all()
        with working(parts):
            settled(parts, 1)
        assert parts.state(id) == (State.WAITING, "")


def _new_uid(data: bytes) -> str:
    import io

    from pydicom import dcmread

    return str(dcmread(io.BytesIO(expected(data))).SOPInstanceUID)


class TestStop:
    def test_the_object_at_hand_is_finished_and_the_rest_given_back_without_a_start(
        self, parts: Parts, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for n in range(30):
            parts.accept(small(uid=f"1.2.{n}"))
        process, begun = hands.process, threading.Event()

        def slow(*what: Any) -> Any:
            begun.set()
            time.sleep(0.05)
            return process(*what)

        monkeypatch.setattr(hands, "process", slow)
        workers = parts.workers(2)
        workers.start()
        assert begun.wait(10)
        began = time.monotonic()
        assert workers.stop(10)
        assert time.monotonic() - began < 2
        counts = parts.counts()
        assert counts["received"] + counts.get("waiting", 0) == 30
        assert counts["received"] > 5
        assert {row.attempts for row in parts.ledger.rows([State.RECEIVED])} == {0}
        assert not [name for name in parts.files if name.startswith("parts")]

    def test_idle_workers_end_at_once_and_barely_look(self, parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(module, "_LOOK", 30.0)
        lease, looks = parts.ledger.lease, []
        monkeypatch.setattr(parts.ledger, "lease", lambda *what: looks.append(1) or lease(*what))
        with working(parts, 2) as workers:
            time.sleep(0.3)
            began = time.monotonic()
            assert workers.stop(10)
            assert time.monotonic() - began < 1
        assert len(looks) <= 4

    def test_what_a_person_gives_back_is_found_without_being_told(self, parts: Parts) -> None:
        id = parts.accept(small())
        with working(parts):
            settled(parts, 1)
            parts.ledger.move([id], State.HELD, "held_by_person")
            parts.ledger.move([id], State.RECEIVED)
            eventually(lambda: parts.state(id)[0] is State.WAITING)
            eventually(lambda: parts.backlog.waiting == 0)

    def test_one_that_does_not_come_to_an_end_is_told_and_given_back(
        self, parts: Parts, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        parts.accept(small())
        go, begun = threading.Event(), threading.Event()

        def never(*_: Any) -> Any:
            begun.set()
            go.wait(20)
            raise Temporary("disk_full")

        monkeypatch.setattr(hands, "process", never)
        workers = parts.workers(1)
        workers.start()
        begun.wait(10)
        assert not workers.stop(0.1)
        (row,) = parts.ledger.rows()
        assert (row.state, row.attempts) == (State.RECEIVED, 0), "an orderly stop is no fault of the object"
        go.set()
        assert workers.stop(10)
