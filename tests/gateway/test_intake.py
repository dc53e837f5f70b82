"""What is answered with success is durable first; what is refused leaves nothing; a disk that fails is not trusted."""

from __future__ import annotations

import errno
import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stowgate import events
from stowgate.errors import Temporary
from stowgate.gateway import intake as module
from stowgate.ingest.source import Accepted, Announced, BrokenOff, Duplicate, Refused
from stowgate.lifecycle import State
from stowgate.store.room import HARD_BYTES, Free, Room
from tests.builder import CT, EXPLICIT, el, encode, instance, small
from tests.gateway.parts import Parts, arrival, flip, raw_file
from tests.gateway.parts import parts as opened
from tests.journeys.stage import needs_strace


def free(parts: Parts, monkeypatch: pytest.MonkeyPatch, left: Callable[[], int]) -> None:
    monkeypatch.setattr(type(parts.spool), "free", lambda _: Free(left(), None))


class TestAccepted:
    def test_every_byte_is_on_the_shelf_and_the_row_says_so(self, parts: Parts) -> None:
        data = small(el("PixelData", os.urandom(300_000), "OW"), el("Rows", 300), el("Columns", 500))
        id = parts.accept(data)
        assert parts.raw_bytes(id) == data
        row = parts.ledger.row(id)
        assert row
        assert (row.state, row.source, row.size, row.has_raw, row.modality) == (
            State.RECEIVED,
            "ct",
            len(data),
            True,
            "CT",
        )
        assert parts.spool.raw.facts(id).source == "ct"
        assert parts.files == [f"raw/{id[:2]}/{id}"]
        assert parts.backlog.waiting == 1
        (told,) = parts.events(events.Received)
        assert (told.item, told.size, told.duplicate) == (id, len(data), False)

    def test_nothing_of_it_lies_in_clear(self, parts: Parts) -> None:
        parts.accept(small())
        for path in parts.spool.folder.rglob("*"):
            if path.is_file():
                for canary in (b"Vandermeer", b"PID-480026", b"1.2.3.4.5.6", b"Okonkwo", b"ACC70011"):
                    assert canary not in path.read_bytes(), path

    def test_several_at_once_each_get_their_own(self, parts: Parts) -> None:
        ids: list[str] = []
        threads = [
            threading.Thread(target=lambda n=n: ids.append(parts.accept(small(uid=f"1.2.{n}")))) for n in range(12)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(set(ids)) == 12
        assert parts.counts() == {"received": 12}
        assert parts.raw_ids == set(ids)

    def test_the_next_process_finds_it(self, tmp_path: Path) -> None:
        with opened(tmp_path / "spool") as first:
            id = first.accept(small())
        with opened(tmp_path / "spool") as second:
            found = second.recover()
            assert (found.adopted, found.lost, found.received) == (0, 0, 1)
            assert second.raw_bytes(id) == small()


class TestRefused:
    @pytest.mark.parametrize(
        ("data", "code"),
        [
            (b"", "empty_file"),
            (b"%PDF-1.7" + bytes(300), "not_dicom"),
            (small()[:-5], "truncated"),
            (bytes(500), "not_dicom"),
        ],
    )
    def test_what_is_no_whole_instance_gets_a_row_and_no_object(self, parts: Parts, data: bytes, code: str) -> None:
        outcome = parts.take_in(data)
        assert outcome == Refused(code)
        assert parts.files == []
        (row,) = parts.ledger.rows()
        assert (row.state, row.code, row.size, row.has_raw) == (State.REJECTED, code, len(data), False)
        assert [one.code for one in parts.events(events.Refused)] == [code]
        assert parts.backlog.waiting == 0

    def test_a_sender_that_goes_away_leaves_neither_row_nor_object(self, parts: Parts) -> None:
        calls = iter((small()[:400],))

        def read(_: int) -> bytes:
            try:
                return next(calls)
            except StopIteration:
                raise BrokenOff from None

        with pytest.raises(BrokenOff):
            parts.intake.receive(arrival(b"", read=read))
        assert parts.files == []
        assert parts.counts() == {}

    def test_a_senders_disk_that_fails_is_not_ours(self, parts: Parts) -> None:
        def read(_: int) -> bytes:
            raise OSError(errno.EIO, "a share")

        with pytest.raises(BrokenOff):
            parts.intake.receive(arrival(b"", read=read))
        assert parts.intake.closed_by == ()
        assert isinstance(parts.take_in(small()), Accepted)

    def test_a_bug_leaves_nothing_and_the_next_is_taken(self, parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
        examine = parts.examiner.examine
        monkeypatch.setattr(parts.examiner, "examine", lambda _: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            parts.take_in(small())
        assert parts.files == []
        monkeypatch.setattr(parts.examiner, "examine", examine)
        assert isinstance(parts.take_in(small()), Accepted)


class TestDuplicates:
    def test_the_same_again_is_safe_and_kept_once(self, parts: Parts) -> None:
        first = parts.accept(small())
        again = parts.take_in(small(), "other")
        assert isinstance(again, Duplicate)
        assert parts.raw_ids == {first}
        assert parts.state(again.item) == (State.DUPLICATE, "")
        assert parts.counts() == {"received": 1, "duplicate": 1}
        assert parts.backlog.waiting == 1
        assert [one.duplicate for one in parts.events(events.Received)] == [False, True]

    def test_the_same_by_network_and_as_a_file_is_the_same(self, parts: Parts) -> None:
        from stowgate.ingest.file_meta import file_beginning

        parts.accept(small())
        by_network = file_beginning(CT, "1.2.3.4.5.6.7", EXPLICIT) + encode(instance())
        assert isinstance(parts.take_in(by_network), Duplicate)

    def test_the_same_uid_with_other_content_is_no_duplicate(self, parts: Parts) -> None:
        parts.accept(small())
        assert isinstance(parts.take_in(small(el("PatientID", "OTHER"))), Accepted)
        assert parts.counts() == {"received": 2}

    def test_two_at_the_same_moment_are_one_and_its_duplicate(self, parts: Parts) -> None:
        gate = threading.Barrier(4)
        outcomes: list[Any] = []

        def send() -> None:
            gate.wait()
            outcomes.append(parts.take_in(small()))

        threads = [threading.Thread(target=send) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(type(one).__name__ for one in outcomes) == ["Accepted", *["Duplicate"] * 3]
        assert len(parts.raw_ids) == 1

    @pytest.mark.parametrize("damage", ["flip", "gone", "cut"])
    def test_a_copy_of_what_is_damaged_here_takes_its_place(self, parts: Parts, damage: str) -> None:
        """Answering "safe already" and throwing the copy away would lose the instance for good."""
        first = parts.accept(small())
        path = raw_file(parts, first)
        if damage == "flip":
            flip(path)
        elif damage == "gone":
            path.unlink()
        else:
            os.truncate(path, path.stat().st_size - 20)
        again = parts.take_in(small())
        assert isinstance(again, Accepted)
        assert parts.raw_bytes(again.item) == small()
        parts.work()
        assert parts.state(again.item) == (State.WAITING, "")
        assert parts.state(first)[0] is State.QUARANTINED

    def test_what_was_cleaned_stands_by_its_clean_object(self, parts: Parts) -> None:
        first = parts.accept(small())
        parts.work()
        flip(raw_file(parts, first))
        assert isinstance(parts.take_in(small()), Duplicate)

    def test_what_was_given_up_is_nobodys_original(self, parts: Parts) -> None:
        first = parts.accept(small())
        parts.work()
        parts.ledger.move([first], State.HELD, "held_by_person")
        parts.ledger.move([first], State.DROPPED)
        assert isinstance(parts.take_in(small()), Accepted)

    def test_what_has_no_uid_is_nobodys_duplicate(self, parts: Parts) -> None:
        for _ in range(2):
            assert isinstance(parts.take_in(small(drop=("SOPInstanceUID",))), Accepted)


class TestRoom:
    def test_at_the_reserve_nothing_is_taken_and_below_it_goes_on_by_itself(
        self, parts: Parts, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        left = HARD_BYTES * 3
        parts.spool.reserve = HARD_BYTES * 2
        free(parts, monkeypatch, lambda: left)
        parts.accept(small(uid="1.2.1"))
        left = HARD_BYTES * 2 - 1
        assert parts.intake.may_accept(Announced("ct")) == Refused("spool_reserve")
        assert parts.take_in(small(uid="1.2.2")) == Refused("spool_reserve")
        assert parts.intake.closed_by == ("spool_reserve",)
        assert len(parts.work()) == 1, "the rest goes on"
        left = HARD_BYTES * 3
        assert parts.intake.may_accept(Announced("ct")) is None
        parts.accept(small(uid="1.2.3"))
        assert parts.intake.closed_by == ()
        assert [one.reached for one in parts.events(events.Reserve)] == [True, False]

    def test_one_that_would_not_fit_is_refused_while_smaller_ones_are_taken(
        self, parts: Parts, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        free(parts, monkeypatch, lambda: HARD_BYTES * 3)
        assert parts.intake.may_accept(Announced("ct", size=HARD_BYTES * 4)) == Refused("spool_reserve")
        assert parts.intake.closed_by == ()
        parts.accept(small())

    def test_an_object_that_does_not_say_its_size_stops_at_the_hard_reserve(
        self, parts: Parts, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(module, "_ROOM_EVERY", 100_000)
        looks = iter([HARD_BYTES * 3] * 3)
        free(parts, monkeypatch, lambda: next(looks, 0))
        sent = 0

        def read(size: int) -> bytes:
            nonlocal sent
            sent += 10_000
            return bytes(10_000)

        assert parts.intake.receive(arrival(b"", read=read)) == Refused("disk_full")
        assert sent < 1_000_000
        assert parts.files == []
        assert parts.counts() == {}

    def test_a_long_queue_slows_the_sender_down(self, parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
        waited = []
        monkeypatch.setattr(parts.backlog, "wait_for_room", lambda: waited.append(1))
        parts.accept(small())
        assert waited == [1]


class TestStopped:
    def test_after_a_stop_nothing_is_taken_and_nobody_is_alarmed(self, parts: Parts) -> None:
        parts.intake.stop()
        assert parts.take_in(small()) == Refused("intake_stopped")
        assert parts.intake.may_accept(Announced("ct")) == Refused("intake_stopped")
        assert parts.events(events.IntakeStopped) == []
        assert parts.files == []

    def test_what_is_under_way_is_finished(self, parts: Parts) -> None:
        data = small()
        pieces = iter((data[:300], data[300:], b""))

        def read(_: int) -> bytes:
            parts.intake.stop()
            return next(pieces)

        assert isinstance(parts.intake.receive(arrival(b"", read=read)), Accepted)


class Failing:
    """A raw shelf's writing, or a ledger, that fails at one call."""

    def __init__(self, whole: Any, at: str, error: Exception) -> None:
        self._whole, self._at, self._error = whole, at, error

    def __getattr__(self, name: str) -> Any:
        if name == self._at:

            def fail(*_: object, **__: object) -> None:
                raise self._error

            return fail
        return getattr(self._whole, name)


class TestFailingDisk:
    @pytest.mark.parametrize("at", ["write", "finish", "reread", "keep"])
    @pytest.mark.parametrize("code", ["disk_full", "spool_failed", "no_descriptors"])
    def test_nothing_is_answered_and_nothing_lies_about(
        self, parts: Parts, monkeypatch: pytest.MonkeyPatch, at: str, code: str
    ) -> None:
        new = parts.spool.raw.new
        monkeypatch.setattr(parts.spool.raw, "new", lambda facts: Failing(new(facts), at, Temporary(code)))
        assert parts.take_in(small()) == Refused(code)
        assert parts.files == []
        assert parts.counts() == {}
        monkeypatch.setattr(parts.spool.raw, "new", new)
        if code == "spool_failed":
            assert parts.take_in(small()) == Refused("spool_failed")
            assert parts.intake.closed_by == ("spool_failed",)
            assert [one.code for one in parts.events(events.IntakeStopped)] == ["spool_failed"]
        else:
            assert parts.intake.closed_by == ()
            parts.accept(small())

    def test_what_is_not_read_back_as_it_was_written_is_not_its_senders_fault(
        self, parts: Parts, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Refused as damaged its sender would not send it again, and a watched file would not be looked at again."""

        def fail(*_: object) -> bytes:
            raise OSError(errno.EIO, "")

        monkeypatch.setattr(os, "pread", fail)
        assert parts.take_in(small()) == Refused("spool_failed")
        monkeypatch.undo()
        assert parts.intake.closed_by == ("spool_failed",)
        assert (parts.files, parts.counts()) == ([], {})

    @pytest.mark.parametrize(("code", "stays"), [("disk_full", False), ("intake_stopped", False), ("ledger_io", True)])
    def test_a_ledger_that_cannot_write_means_no_success(
        self, parts: Parts, monkeypatch: pytest.MonkeyPatch, code: str, stays: bool
    ) -> None:
        """What may have a row at the next start keeps its object; what surely has none must not fill the disk."""

        def fail(_: object) -> None:
            raise Temporary(code)

        monkeypatch.setattr(parts.ledger, "receive", fail)
        outcome = parts.take_in(small())
        assert isinstance(outcome, Refused)
        assert bool(parts.files) is stays
        assert bool(parts.intake.closed_by) is stays
        monkeypatch.undo()
        assert parts.recover().adopted == stays

    def test_a_file_system_that_is_gone_stops_intake(self, parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
        def gone(_: object, __: int = 0) -> Room:
            raise Temporary("spool_failed")

        monkeypatch.setattr(type(parts.spool), "room", gone)
        assert parts.take_in(small()) == Refused("spool_failed")
        assert parts.intake.closed_by == ("spool_failed",)

    def test_a_child_that_cannot_be_started_ends_nothing(self, parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
        def none(_: object) -> None:
            raise Temporary("no_child_process")

        monkeypatch.setattr(parts.examiner, "examine", none)
        assert parts.take_in(small()) == Refused("no_child_process")
        assert parts.intake.closed_by == ()


ONE = """
import sys
from pathlib import Path
from tests.gateway.parts import parts
from tests.builder import small
with parts(Path(sys.argv[1])) as found:
    found.accept(small(uid="1.2.1"))
    sys.stdout.write("begin\\n"); sys.stdout.flush()
    found.accept(small(uid="1.2.2"))
    sys.stdout.write("success\\n"); sys.stdout.flush()
"""


@needs_strace
def test_file_folder_and_row_are_synced_in_this_order_before_the_answer(tmp_path: Path) -> None:
    log = tmp_path / "log"
    line = ["strace", "-f", "-qqq", "-y", "-o", log, "-e", "trace=write,writev,pwrite64,pwritev,rename,fsync,fdatasync"]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run(
        [*line, sys.executable, "-c", ONE, tmp_path / "spool"], check=True, env=environment, stdout=subprocess.DEVNULL
    )
    text = log.read_text("utf-8", "replace")
    between = text[text.index('"begin\\n"') : text.index('"success\\n"')]
    steps = []
    for call in between.splitlines():
        found = re.match(r"\d+ +(\w+)\((.*)", call)
        if not found:
            continue
        name, said = found.groups()
        if "/parts/" in said and "write" in name:
            steps.append("written")
        elif "/parts/" in said and name in ("fsync", "fdatasync"):
            steps.append("synced")
        elif name == "rename" and "/raw/" in said:
            steps.append("named")
        elif name == "fsync" and re.search(r"/raw/[0-9a-f]{2}>", said):
            steps.append("folder")
        elif name in ("fsync", "fdatasync") and "ledger.db-wal" in said:
            steps.append("row")
    seen = list(dict.fromkeys(steps))
    assert seen == ["written", "synced", "named", "folder", "row"], steps
