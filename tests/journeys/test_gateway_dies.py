"""The gateway killed, its disk failing, its ledger old, its spool damaged: what was answered is there, exactly once."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from stowgate.lifecycle import State
from tests.builder import el
from tests.ingest.dimse import eventually
from tests.journeys.gateway_server import POISON
from tests.journeys.stage import CHANGES, QUIET, needs_strace, scan
from tests.journeys.unit import SOAK, STORESCU, Life, Unit, send, series, told

pytestmark = pytest.mark.skipif(shutil.which(STORESCU) is None, reason="dcmtk is absent: no real sender")

KILLS, INSTANCES = (200, 10_000) if SOAK else (20, 200)


class Scanner:
    """Sends what was not answered with success yet, over and over, from threads of its own: as a modality retries."""

    def __init__(self, files: list[Path], senders: int = 2, at_once: int = 50) -> None:
        self.open, self._answered = list(files), set[Path]()
        self._senders, self._at_once = senders, at_once

    def send_to(self, life: Life) -> list[threading.Thread]:
        """Begin to send; the threads end when all is sent or the gateway is gone."""
        mine = [self.open[number :: self._senders][: self._at_once] for number in range(self._senders)]
        threads = [threading.Thread(target=self._send, args=(life.ports["ct"], files)) for files in mine if files]
        for thread in threads:
            thread.start()
        return threads

    def note(self) -> None:
        """Take what was answered off the list."""
        self.open = [path for path in self.open if path not in self._answered]

    def _send(self, port: int, files: list[Path]) -> None:
        self._answered.update(told(send(port, files)))


def test_no_kill_at_any_time_loses_doubles_or_alters_what_was_answered(unit: Unit) -> None:
    """A1. The sender retries what was not answered; what was, it never sends again."""
    luck = random.Random(7)
    objects = series(unit.root / "in", range(INSTANCES))
    scanner = Scanner([*objects], at_once=INSTANCES // 8)
    died = 0
    while died < KILLS:
        life = unit.start()
        if died % 4 == 3:  # while it starts, too
            time.sleep(luck.uniform(0, 0.4))
        else:
            life.ready()
            threads = scanner.send_to(life)
            time.sleep(luck.uniform(0.02, 0.8))
        assert life.kill() == -signal.SIGKILL, life.err.read_text()
        died += 1
        for thread in threads:
            thread.join()
        scanner.note()
    with unit.running() as life:
        while scanner.open:
            for thread in scanner.send_to(life):
                thread.join()
            scanner.note()
        line = unit.settled(600)
        innocent = unit.quarantined()  # worked on while two of the kills came: nobody can tell it from poison
        assert set(innocent) <= {"third_start"}
        assert len(innocent) < KILLS // 2
        if innocent:
            assert unit.command("quarantine", "release", *unit.suspects())[0] == 0
            line = unit.settled()
        assert line["waiting"] == INSTANCES
        assert line["waiting"] + line["duplicates"] == line["received"]
        assert unit.exported() == unit.expected(*objects.values())
    assert unit.parts() == []
    assert "payload_lost" not in (unit.root / "log").read_text()


@contextmanager
def injected(life: Life, calls: str, number: int, what: str) -> Iterator[None]:
    """Something happens at the n-th of these calls of each thread of a running gateway."""
    told = ("-e", f"trace={calls}", "-e", f"inject={calls}:{what}:when={number}")
    strace = subprocess.Popen(["strace", *QUIET, "-o", os.devnull, *told, "-p", str(life.pid)])
    try:
        eventually(lambda: all(b"TracerPid:\t0\n" not in status for status in threads_of(life)))
        yield
    finally:
        strace.terminate()
        strace.wait()


def threads_of(life: Life) -> list[bytes]:
    found = []
    for place in Path(f"/proc/{life.pid}/task").glob("*/status"):
        with suppress(OSError):
            found.append(place.read_bytes())
    return found


def died_or_settled(unit: Unit, life: Life) -> bool:
    """Wait until it is dead (True), or has worked on everything that it holds."""
    deadline = time.monotonic() + 60
    while life.runs():
        if unit.states().get(State.RECEIVED, 0) == 0:
            return not life.runs()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return True


@needs_strace
def test_a_kill_at_any_call_that_changes_the_disk_leaves_what_was_answered_once(unit: Unit) -> None:
    """A3, with intake, ledger and workers together; parts of them have tests of their own at every single call."""
    objects = series(unit.root / "in", range(200))
    answered: list[Path] = []
    sent = 0
    for number, path in enumerate([*objects][:: 1 if SOAK else 9], 1):
        step = 1 + (number - 1) * (1 if SOAK else 9)
        with unit.running() as life, injected(life, CHANGES, step, "signal=SIGKILL"):
            answered += told(send(life.ports["ct"], [path]))
            sent = number
            died = died_or_settled(unit, life)
            life.kill()
        if not died:
            break
    assert not died, "there are more calls than objects"
    assert sent > 3
    with unit.running():
        unit.settled()
        if innocent := unit.suspects():
            assert set(unit.quarantined()) == {"third_start"}
            assert unit.command("quarantine", "release", *innocent)[0] == 0
        line = unit.settled()
        assert len(answered) <= line["waiting"] == line["received"] - line["duplicates"] <= sent
        left = Counter(unit.exported())
    assert left <= Counter(unit.expected(*objects.values()))
    assert left >= Counter(unit.expected(*(objects[path] for path in answered)))
    assert unit.parts() == []


@needs_strace
def test_a_disk_that_fails_to_sync_at_any_time_refuses_stops_intake_and_says_so(unit: Unit) -> None:
    """A7. A thread of an association syncs the object, its folders and the ledger."""
    objects = series(unit.root / "in", range(40))
    answered: list[Path] = []
    failed = 0
    for number, path in enumerate(objects, 1):
        with unit.running() as life:
            with injected(life, "fsync,fdatasync", number, "error=EIO"):
                answers = send(life.ports["ct"], [path])
                died_or_settled(unit, life)
            answered += told(answers)
            if told(answers):
                assert unit.ready(life) == 200
                break
            failed += 1
            assert [said for _, said in answers] == ["Refused: OutOfResources"]
            assert unit.ready(life) == 503
            assert not told(send(life.ports["ct"], [path])), "a disk that failed is not trusted again"
    assert failed >= 4
    with unit.running():
        line = unit.settled()
        assert 1 <= line["waiting"] <= failed + 1  # what could not be entered in the ledger was adopted
        assert Counter(unit.exported()) >= Counter(unit.expected(*(objects[path] for path in answered)))


def test_an_object_that_kills_the_process_is_put_aside_on_its_third_start_and_the_queue_moves(unit: Unit) -> None:
    """A14. It is sent in the midst of others."""
    objects = series(unit.root / "in", range(6))
    poison = unit.root / "poison.dcm"
    poison.write_bytes(scan(99, more=(el("ImageComments", POISON.decode()),)))
    life = unit.start("dies").ready()
    files = [*objects]
    send(life.ports["ct"], [*files[:3], poison, *files[3:]])
    assert life.wait() == -signal.SIGKILL
    unit.start("dies").wait()
    with unit.running("dies") as life:
        left = [path for path in files if path not in told(send(life.ports["ct"], files))]
        assert left == []
        line = unit.settled()
        assert (line["waiting"], line["quarantined"]) == (6, 1)
        assert unit.quarantined() == ["third_start"]
        assert unit.exported() == unit.expected(*objects.values())


def test_an_old_ledger_that_is_put_back_costs_nothing_that_was_answered(unit: Unit) -> None:
    ledger = ("ledger.db", "ledger.db-wal", "ledger.db-shm", "ledger.db-sums")
    objects = series(unit.root / "in", range(20))
    backup = unit.root / "backup"
    backup.mkdir()
    with unit.running() as life:
        assert len(told(send(life.ports["ct"], [*objects][:10]))) == 10
        unit.settled()
    for name in ledger:
        if (unit.spool / name).exists():
            shutil.copy2(unit.spool / name, backup)
    with unit.running() as life:
        assert len(told(send(life.ports["ct"], [*objects][10:]))) == 10
        unit.settled()
    for name in ledger:
        (unit.spool / name).unlink(missing_ok=True)
        if (backup / name).exists():
            shutil.copy2(backup / name, unit.spool)
    with unit.running():
        line = unit.settled()
        assert (line["received"], line["waiting"]) == (20, 20)
        assert unit.exported() == unit.expected(*objects.values())


def test_a_bit_that_flips_in_the_spool_costs_that_object_and_no_other(unit: Unit) -> None:
    """A12. It flips while the object waits for a worker."""
    objects = series(unit.root / "in", range(4))
    life = unit.start("sleeps").ready()
    assert len(told(send(life.ports["ct"], [*objects]))) == 4
    life.kill()
    damaged = unit.raw_objects()[0]
    data = bytearray(damaged.read_bytes())
    data[len(data) // 2] ^= 4
    damaged.write_bytes(data)
    with unit.running():
        line = unit.settled()
        assert (line["waiting"], line["quarantined"]) == (3, 1)
        assert unit.quarantined() == ["spool_damaged"]
