"""The pretend scanner talks to storage providers that others wrote, and tells what it was answered."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from stowgate.ingest.memory import MemoryIntake
from stowgate.ingest.scanner import Called, echo, send
from tests.builder import IMPLICIT, MR, instance, part10
from tests.ingest.dimse import Caller, Served, data_set_of, eventually, served

STORESCP = "/usr/bin/storescp"


@pytest.fixture
def intake() -> MemoryIntake:
    return MemoryIntake()


@pytest.fixture
def ct(intake: MemoryIntake) -> Iterator[Served]:
    with served(intake, allow=(Caller(ae="PRETEND", ip="127.0.0.1"),)) as found:
        yield found


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """Of two classes and two transfer syntaxes, so that they need more than one presentation context."""
    made = [
        part10(instance(uid="1.2.3.1")),
        part10(instance(uid="1.2.3.2"), syntax=IMPLICIT),
        part10(instance(MR, uid="1.2.3.3")),
    ]
    paths = [tmp_path / f"{n}.dcm" for n in range(len(made))]
    for path, data in zip(paths, made, strict=True):
        path.write_bytes(data)
    return paths


def whom(port: int, calling: str = "PRETEND", called: str = "STOWGATE") -> Called:
    return Called("127.0.0.1", port, called, calling)


def test_every_file_arrives_and_every_status_is_told(intake: MemoryIntake, ct: Served, files: list[Path]) -> None:
    told: list[int] = []
    assert send(whom(ct.port), files, told.append) == 3
    assert told == [0, 0, 0]
    assert [data_set_of(one.data) for one in intake.taken] == [data_set_of(path.read_bytes()) for path in files]


def test_what_is_refused_is_told_and_the_rest_is_sent(intake: MemoryIntake, ct: Served, files: list[Path]) -> None:
    told: list[int] = []
    intake.refuse = lambda data: "disk_full" if b"1.2.3.2\0" in data[300:] else ""
    assert send(whom(ct.port), files, told.append) == 2
    assert told == [0, 0xA700, 0]


def test_files_that_are_no_objects_are_passed_over(ct: Served, files: list[Path], tmp_path: Path) -> None:
    junk, absent = tmp_path / "junk", tmp_path / "absent"
    junk.write_bytes(b"no object")
    assert send(whom(ct.port), [junk, *files, absent]) == 3
    assert send(whom(ct.port), [junk]) == 0


def test_a_stranger_sends_nothing_and_is_told_so(intake: MemoryIntake, ct: Served, files: list[Path]) -> None:
    told: list[int] = []
    assert send(whom(ct.port, calling="STRANGER"), files, told.append) == 0
    assert told == [-1, -1, -1]
    assert not intake.taken


def test_an_echo_says_in_a_word_why_not(ct: Served) -> None:
    assert echo(whom(ct.port)) == ""
    assert echo(whom(ct.port, calling="STRANGER")) == "rejected"
    assert echo(whom(ct.port, called="OTHER")) == "rejected"
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        assert echo(whom(nobody.getsockname()[1])) == "refused"


def test_a_gateway_that_goes_away_ends_the_sending(files: list[Path]) -> None:
    ct = Served(MemoryIntake(), allow=(Caller(ae="PRETEND", ip="127.0.0.1"),))
    told: list[int] = []

    def tell(status: int) -> None:
        told.append(status)
        if len(told) == 1:
            ct.stop()

    began = time.monotonic()
    assert send(whom(ct.port), files * 2, tell) == 1
    assert told == [0, *[-1] * 5]
    assert time.monotonic() - began < 10


@pytest.mark.skipif(not Path(STORESCP).exists(), reason="dcmtk is absent: no storage provider somebody else wrote")
def test_dcmtk_stores_what_it_sends(files: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    line = [shutil.which(STORESCP) or STORESCP, "-od", str(out), str(port)]
    process = subprocess.Popen(line, env=os.environ | {"TCP_NODELAY": "1"}, stderr=subprocess.DEVNULL)
    try:
        eventually(lambda: echo(whom(port)) == "")
        assert send(whom(port), files) == 3
    finally:
        process.terminate()
        process.wait(10)
    assert len(list(out.iterdir())) == 3


def test_its_socket_sends_at_once(ct: Served, files: list[Path]) -> None:
    """With Nagle's algorithm on, the second of two small writes waits 40 ms for an acknowledgement."""
    from pynetdicom.transport import AssociationSocket

    seen: list[int] = []
    close = AssociationSocket.close

    def look(self: AssociationSocket) -> None:
        plain = self.socket
        if (plain and threading.current_thread().name.startswith("RequestorThread")) or (
            plain and self.assoc.is_requestor
        ):
            seen.append(plain.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
        close(self)

    AssociationSocket.close = look  # type: ignore[method-assign]
    try:
        assert send(whom(ct.port), files[:1]) == 1
    finally:
        AssociationSocket.close = close  # type: ignore[method-assign]
    assert seen
    assert all(seen)
