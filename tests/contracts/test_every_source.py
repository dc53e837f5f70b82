"""What every source does: whole instances to the intake, no success without it, and a quick end."""

from __future__ import annotations

import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Protocol

import pytest

from stowgate.ingest.memory import HandedSource, MemoryIntake
from stowgate.ingest.peek import data_set_start
from stowgate.ingest.seen import SeenFiles
from stowgate.ingest.source import Accepted, Arrival, BrokenOff, Duplicate, Intake, Outcome, Source
from stowgate.ingest.watch import Folder, WatchedFolder
from tests.builder import instance, part10
from tests.ingest.dimse import STORESCU, CStoreSource, Peer, command, eventually, pdv, settings, storescu
from tests.ingest.taking import ServedStow


class Sender(Protocol):
    """Hands instances to one source, as whoever uses it does."""

    name: str
    source: Source

    def send(self, data: bytes) -> bool | None:
        """Whether the sender was told success; None where nobody is told."""


class Breaking(Sender, Protocol):
    """One that can go away in the middle of an instance; a folder has no such sender: half a file is not there yet."""

    def break_off(self, data: bytes) -> None:
        """Send a part and go away."""


class Memory:
    name = "handed"

    def __init__(self, _: Path) -> None:
        self.source = HandedSource(self.name)

    def send(self, data: bytes) -> bool:
        try:
            return isinstance(self.source.hand_over(data).result(20), Accepted | Duplicate)
        except RuntimeError:
            return False

    def break_off(self, data: bytes) -> None:
        with pytest.raises(BrokenOff):
            self.source.hand_over(data, broken_at=len(data) // 2).result(20)


class Dimse:
    name = "ct"

    def __init__(self, folder: Path) -> None:
        self._file = folder / "sent.dcm"
        self.source = CStoreSource(settings())

    def send(self, data: bytes) -> bool:
        file = self._file.with_name(f"{threading.get_ident()}.dcm")
        file.write_bytes(data)
        done = storescu(self.source.port, file)
        return done.returncode == 0 and "Success" in done.stdout + done.stderr

    def break_off(self, data: bytes) -> None:
        peer = Peer.associated(self.source.port)
        half = data_set(data)[: len(data) // 2]
        peer.values(pdv(3, command()))
        for at in range(0, len(half), 16_000):
            peer.values(pdv(0, half[at : at + 16_000]))
        peer.reset()


class Stow:
    name = "upload"

    def __init__(self, _: Path) -> None:
        self.source = ServedStow()

    def send(self, data: bytes) -> bool:
        return self.source.send(data) == 0

    def break_off(self, data: bytes) -> None:
        head = f"POST {self.source.source.path}/studies HTTP/1.1\r\nHost: 127.0.0.1:{self.source.server.port}\r\n"
        head += f"Content-Type: application/dicom\r\nContent-Length: {len(data)}\r\n\r\n"
        with socket.create_connection(("127.0.0.1", self.source.server.port)) as peer:
            peer.sendall(head.encode() + data[: len(data) // 2])


class Watched:
    name = "drop"

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "in"
        self._folder.mkdir()
        self._sent = 0
        told = Folder(kind="folder", name=self.name, path=self._folder, settle=0.1, rescan=1.0)
        self.source = WatchedFolder(told, SeenFiles(folder / "seen", bytes(32)))

    def send(self, data: bytes) -> None:
        self._sent += 1
        file = self._folder / f".{self._sent}-{threading.get_ident()}"
        file.write_bytes(data)
        file.rename(self._folder / f"{file.name[1:]}.dcm")


Made = Callable[[Path], Sender]
MEMBERS: dict[str, Made] = {"memory": Memory, "dimse": Dimse, "stow": Stow, "folder": Watched}
BREAKING = [name for name, made in MEMBERS.items() if hasattr(made, "break_off")]
Running = Callable[[Intake], AbstractContextManager[None]]


@pytest.fixture(params=MEMBERS)
def sender(request: pytest.FixtureRequest, tmp_path: Path) -> Sender:
    if request.param == "dimse" and shutil.which(STORESCU) is None:
        pytest.skip("dcmtk is absent: no real sender")
    return MEMBERS[request.param](tmp_path)


@pytest.fixture
def intake() -> MemoryIntake:
    return MemoryIntake()


@contextmanager
def running(sender: Sender, intake: Intake) -> Iterator[None]:
    stop = threading.Event()
    thread = threading.Thread(target=sender.source.run, args=(intake, stop))
    thread.start()
    if isinstance(sender, Stow):
        eventually(lambda: sender.source.server.port)
    try:
        yield
    finally:
        began = time.monotonic()
        stop.set()
        thread.join(20)
        assert not thread.is_alive()
        assert time.monotonic() - began < 10


def one(n: int) -> bytes:
    return part10(instance(uid=f"1.2.3.{n}"))


def data_set(file: bytes) -> bytes:
    return file[data_set_start(file) :]


def test_every_byte_of_the_data_set_arrives_under_the_name_of_the_source(sender: Sender, intake: MemoryIntake) -> None:
    with running(sender, intake):
        for n in range(5):
            assert sender.send(one(n)) is not False
            eventually(lambda n=n: len(intake.taken) == n + 1)
    assert [data_set(taken.data) for taken in intake.taken] == [data_set(one(n)) for n in range(5)]
    assert {taken.announced.source for taken in intake.taken} == {sender.name}


def test_several_senders_at_once_are_served(sender: Sender, intake: MemoryIntake) -> None:
    with running(sender, intake):
        threads = [threading.Thread(target=sender.send, args=(one(n),)) for n in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        eventually(lambda: len(intake.taken) == 6)
    assert {data_set(taken.data) for taken in intake.taken} == {data_set(one(n)) for n in range(6)}


def test_what_is_refused_is_no_success_and_the_next_one_is_taken(sender: Sender, intake: MemoryIntake) -> None:
    intake.refuse = lambda data: "not_dicom" if data_set(data) == data_set(one(1)) else ""
    with running(sender, intake):
        assert sender.send(one(1)) is not True
        assert sender.send(one(2)) is not False
        eventually(lambda: intake.taken)
    assert [data_set(taken.data) for taken in intake.taken] == [data_set(one(2))]


@pytest.mark.parametrize("code", ["disk_full", "intake_stopped"])
def test_nothing_is_taken_while_the_intake_is_closed(sender: Sender, intake: MemoryIntake, code: str) -> None:
    intake.closed = code
    with running(sender, intake):
        assert sender.send(one(1)) is not True
        time.sleep(0.3)
    assert not intake.taken


def test_the_same_again_is_a_success(sender: Sender, intake: MemoryIntake) -> None:
    with running(sender, intake):
        for _ in range(2):
            assert sender.send(one(1)) is not False
        eventually(lambda: intake.taken and intake.duplicates)
    assert len(intake.taken) == 1


def test_an_intake_with_a_bug_is_no_success_and_does_not_end_the_source(sender: Sender, intake: MemoryIntake) -> None:
    seen = threading.Event()

    def fail(_: bytes) -> str:
        intake.refuse = lambda _: ""
        seen.set()
        raise RuntimeError("a bug")

    intake.refuse = fail
    with running(sender, intake):
        assert sender.send(one(1)) is not True
        assert seen.wait(10)
        assert sender.send(one(2)) is not False
        eventually(lambda: any(data_set(taken.data) == data_set(one(2)) for taken in intake.taken))


@pytest.mark.parametrize("sender", BREAKING, indirect=True)
def test_a_sender_that_goes_away_in_the_middle_leaves_nothing(sender: Breaking, intake: MemoryIntake) -> None:
    with running(sender, intake):
        sender.break_off(one(1) + bytes(400_000))
        assert sender.send(one(2)) is True
    assert [data_set(taken.data) for taken in intake.taken] == [data_set(one(2))]


def test_a_closed_intake_is_asked_before_the_bytes(sender: Sender, intake: MemoryIntake) -> None:
    class Closed(MemoryIntake):
        def receive(self, arrival: Arrival) -> Outcome:
            begun.append(arrival)
            return super().receive(arrival)

    begun: list[Arrival] = []
    with running(sender, Closed(closed="disk_full")):
        assert sender.send(one(1)) is not True
        time.sleep(0.3)
    assert not begun


def test_it_ends_when_it_is_told_to_with_nothing_to_do(sender: Sender, intake: MemoryIntake) -> None:
    with running(sender, intake):
        pass
    assert not intake.taken
