"""A watched folder on a real disk: each file once, whole and closed, and what becomes of it afterwards."""

from __future__ import annotations

import hashlib
import os
import resource
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from stowgate import events
from stowgate.dicom.source import FileSource
from stowgate.errors import Misconfigured, Rejected
from stowgate.ingest.beneath import Beneath
from stowgate.ingest.seen import SeenFiles
from stowgate.ingest.source import Accepted, Announced, Arrival, Duplicate, Outcome, Refused
from stowgate.ingest.watch import Folder, WatchedFolder
from tests.builder import instance, part10
from tests.ingest.dimse import eventually

SOAK = os.environ.get("STOWGATE_SOAK") == "1"


class Counting:
    """An intake that keeps digests alone, so that 100,000 files cost no memory."""

    def __init__(self, refuse: Callable[[bytes], str] = lambda _: "") -> None:
        self.closed = ""
        self.refuse = refuse
        self.known: dict[bytes, int] = {}
        self.refused: list[str] = []
        self.offered = self.most_read = 0

    def may_accept(self, announced: Announced) -> Refused | None:  # noqa: ARG002
        return Refused(self.closed) if self.closed else None

    def receive(self, arrival: Arrival) -> Outcome:
        self.offered += 1
        digest, head = hashlib.blake2b(digest_size=8), b""
        while data := arrival.read(1 << 16):
            head = head or data
            self.most_read = max(self.most_read, len(data))
            digest.update(data)
        code = self.refuse(head)
        if code:
            self.refused.append(code)
            return Refused(code)
        key = digest.digest()
        self.known[key] = self.known.get(key, 0) + 1
        return Accepted("a") if self.known[key] == 1 else Duplicate("b")

    @property
    def taken(self) -> int:
        return len(self.known)


class Place:
    """A folder, what watches it, and what was told."""

    def __init__(self, root: Path) -> None:
        self.folder, self.state = root / "in", root / "state"
        self.folder.mkdir()
        self.state.mkdir()
        self.intake = Counting()
        self.told: list[events.GatewayEvent] = []
        self.ahead = 0.0

    def settings(self, **more: Any) -> Folder:
        told = {"settle": 0.1, "rescan": 1.0} | more
        return Folder(kind="folder", name="drop", path=self.folder, **told)

    @contextmanager
    def watched(self, **more: Any) -> Iterator[WatchedFolder]:
        seen = SeenFiles(self.state / "seen", bytes(32))
        source = WatchedFolder(
            self.settings(**more), seen, (self.state,), self.told.append, lambda: time.monotonic() + self.ahead
        )
        stop = threading.Event()
        thread = threading.Thread(target=source.run, args=(self.intake, stop))
        thread.start()
        try:
            yield source
        finally:
            stop.set()
            thread.join(20)
            seen.close()
            assert not thread.is_alive()

    def put(self, name: str, data: bytes, age: float = 3600) -> Path:
        """A file that was complete long ago, under its name at once."""
        place = self.folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        part = place.with_name(f".{place.name}")
        part.write_bytes(data)
        os.utime(part, (time.time() - age,) * 2)
        part.rename(place)
        return place

    def left(self) -> list[str]:
        return sorted(str(path.relative_to(self.folder)) for path in self.folder.rglob("*") if not path.is_dir())


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def one(n: int = 1) -> bytes:
    return part10(instance(uid=f"1.2.3.{n}"))


# ------------------------------------------------------------------------------------------------- once each


def test_files_that_are_there_and_files_that_come_are_taken(place: Place) -> None:
    place.put("there.dcm", one(1))
    with place.watched(rescan=3600):
        eventually(lambda: place.intake.taken == 1)
        place.put("new/below/later.dcm", one(2))
        place.put("no-ending", one(3))
        eventually(lambda: place.intake.taken == 3)
    assert place.intake.offered == 3


def test_a_folder_that_is_moved_in_is_taken_with_all_that_is_in_it(place: Place, tmp_path: Path) -> None:
    aside = tmp_path / "aside"
    (aside / "b" / "c").mkdir(parents=True)
    for n in range(3):
        (aside / "b" / "c" / f"{n}.dcm").write_bytes(one(n))
        os.utime(aside / "b" / "c" / f"{n}.dcm", (1, 1))
    with place.watched(rescan=3600):
        place.put("first.dcm", one(9))
        eventually(lambda: place.intake.taken == 1)
        aside.rename(place.folder / "moved-in")
        eventually(lambda: place.intake.taken == 4)
    assert place.intake.offered == 4


def test_what_comes_just_before_the_system_begins_to_tell_is_taken(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    import watchfiles

    real = watchfiles.watch

    def late(*where: Any, **how: Any) -> Any:
        place.put("in-between.dcm", one(1))
        return real(*where, **how)

    monkeypatch.setattr(watchfiles, "watch", late)
    with place.watched(rescan=3600):
        eventually(lambda: place.intake.taken == 1)
    assert place.intake.offered == 1


def test_a_share_that_tells_nothing_is_looked_at_again(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    def silent(_: str, stop: threading.Event, __: float) -> Iterator[list[str]]:
        while not stop.wait(0.05):
            yield []

    monkeypatch.setattr("stowgate.ingest.watch.changes", silent)
    with place.watched():
        time.sleep(0.2)
        place.put("1.dcm", one(1))
        eventually(lambda: place.intake.taken == 1)


def test_a_kept_file_is_taken_once_and_not_again_after_a_start(place: Place) -> None:
    place.put("1.dcm", one(1))
    for _ in range(2):
        with place.watched():
            eventually(lambda: place.intake.taken == 1)
            time.sleep(1.5)  # looks at everything twice
    assert place.intake.offered == 1
    assert place.left() == ["1.dcm"]


def test_a_file_that_was_written_anew_is_another_one(place: Place) -> None:
    place.put("1.dcm", one(1), age=7200)
    with place.watched():
        eventually(lambda: place.intake.taken == 1)
        place.put("1.dcm", one(2))
        eventually(lambda: place.intake.taken == 2)


def test_two_names_of_one_object_are_a_copy(place: Place) -> None:
    place.put("1.dcm", one(1))
    place.put("2.dcm", one(1))
    with place.watched(after="delete"):
        eventually(lambda: place.intake.offered == 2)
        eventually(lambda: not place.left())
    assert place.intake.taken == 1


# ------------------------------------------------------------------------------------------------- what is no file


def test_pipes_links_hidden_files_and_listings_are_left_alone(place: Place, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "x.dcm").write_bytes(one(9))
    os.mkfifo(place.folder / "pipe.dcm")
    (place.folder / "link.dcm").symlink_to(tmp_path / "elsewhere" / "x.dcm")
    (place.folder / "linked").symlink_to(tmp_path / "elsewhere")
    (place.folder / ".hidden.dcm").write_bytes(one(8))
    (place.folder / "DICOMDIR").write_bytes(one(7))
    with suppress(PermissionError):
        os.mknod(place.folder / "device.dcm", 0o600 | 0o020000, os.makedev(1, 5))  # /dev/zero has no end
    place.put("good.dcm", one(1))
    with place.watched(after="delete"):
        eventually(lambda: "good.dcm" not in place.left())
        (tmp_path / "elsewhere" / "later.dcm").write_bytes(one(10))  # told of through the link
        (place.folder / "linked-too").symlink_to(tmp_path / "elsewhere")
        time.sleep(1.3)
    assert place.intake.offered == 1
    assert sorted(path.name for path in (tmp_path / "elsewhere").iterdir()) == ["later.dcm", "x.dcm"]


def test_nothing_inside_the_spool_or_among_the_moved_is_taken(place: Place, tmp_path: Path) -> None:
    place.state.rename(place.folder / "spool")
    place.state = place.folder / "spool"
    (place.state / "raw.dcm").write_bytes(one(1))
    taken = place.folder / "done"
    taken.mkdir()
    (taken / "2.dcm").write_bytes(one(2))
    place.put("3.dcm", one(3))
    with place.watched(after="move", moved_to=taken):
        eventually((taken / "3.dcm").exists)
        time.sleep(1.2)
    assert place.intake.offered == 1


# ------------------------------------------------------------------------------------------------- complete files only


def test_a_growing_file_is_taken_once_when_it_is_complete(place: Place) -> None:
    data = one(1)
    with place.watched(rescan=3600):
        with (place.folder / "slow.dcm").open("wb", buffering=0) as file:
            for at in range(0, len(data), 40):
                file.write(data[at : at + 40])
                time.sleep(0.02)
            time.sleep(0.5)  # whole, at rest, and still open: a writer that goes on would be cut in two
            assert place.intake.offered == 0
        eventually(lambda: place.intake.taken == 1)
        time.sleep(0.3)
    assert place.intake.offered == 1


def test_a_file_that_pauses_in_the_middle_is_waited_for(place: Place) -> None:
    data = one(1)
    with place.watched():
        (place.folder / "pause.dcm").write_bytes(data[:-20])
        time.sleep(0.8)
        assert place.intake.offered == 0
        with (place.folder / "pause.dcm").open("ab") as file:
            file.write(data[-20:])
        eventually(lambda: place.intake.taken == 1)
    assert place.intake.offered == 1


def test_a_file_that_was_cut_long_ago_is_refused_once_and_left_where_it_is(place: Place) -> None:
    place.intake.refuse = lambda _: "truncated"
    place.put("cut.dcm", one(1)[:-20])
    with place.watched(after="delete"):
        time.sleep(0.6)
        assert place.intake.offered == 0  # it was seen just now, so it may still be on its way
        place.ahead = 31
        eventually(lambda: place.intake.refused)
        time.sleep(1.3)
    assert place.intake.refused == ["truncated"]
    assert place.left() == ["cut.dcm"]


def test_a_file_without_a_byte_is_refused_in_the_end(place: Place) -> None:
    place.intake.refuse = lambda _: "empty_file"
    place.put("empty.dcm", b"")
    with place.watched():
        time.sleep(0.4)
        place.ahead = 31
        eventually(lambda: place.intake.refused == ["empty_file"])


def test_what_is_no_dicom_is_refused_once_and_left_where_it_is(place: Place) -> None:
    place.intake.refuse = lambda head: "not_dicom" if head[128:132] != b"DICM" else ""
    place.put("note.txt", b"the patient's name")
    place.put("1.dcm", one(1))
    with place.watched(after="move"):
        eventually(lambda: place.intake.refused and place.intake.taken)
        time.sleep(1.3)
    with place.watched(after="move"):
        time.sleep(0.5)
    assert place.intake.refused == ["not_dicom"]
    assert place.left() == ["note.txt"]


def test_a_file_that_changes_while_it_is_read_is_taken_as_it_is_in_the_end(place: Place) -> None:
    path = place.put("1.dcm", one(1))
    changed = threading.Event()

    def change(_: bytes) -> str:
        if not changed.is_set():
            changed.set()
            path.write_bytes(one(2) + one(3))
        return ""

    reads = Counting.receive

    def receive(arrival: Arrival) -> Outcome:
        def read(size: int) -> bytes:
            data = arrival.read(min(size, 100))
            change(data)
            return data

        return reads(place.intake, Arrival(arrival.announced, read))

    place.intake.receive = receive  # type: ignore[method-assign]
    with place.watched():
        eventually(lambda: place.intake.taken == 1)
    assert list(place.intake.known) == [hashlib.blake2b(one(2) + one(3), digest_size=8).digest()]


def test_a_file_that_vanishes_is_nothing(place: Place) -> None:
    with place.watched():
        for n in range(20):
            place.put(f"{n}.dcm", one(n)).unlink()
        place.put("stays.dcm", one(99))
        eventually(lambda: place.intake.taken == 1)
        assert not place.told


def test_a_large_file_is_read_in_pieces(place: Place) -> None:
    with (place.folder / "large.dcm").open("wb") as file:
        file.write(one(1))
        file.truncate(64 << 20)
    os.utime(place.folder / "large.dcm", (1, 1))
    with place.watched():
        place.ahead = 31
        eventually(lambda: place.intake.taken == 1)
    assert place.intake.most_read <= 1 << 16


# ------------------------------------------------------------------------------------------------- afterwards


def test_files_are_deleted_only_after_custody(place: Place) -> None:
    place.intake.closed = "spool_reserve"
    place.put("1.dcm", one(1))
    with place.watched(after="delete"):
        time.sleep(0.5)
        assert place.left() == ["1.dcm"]
        place.intake.closed = ""
        place.ahead = 6  # it waits a little before it asks again
        eventually(lambda: not place.left())
    assert place.intake.taken == 1


def test_a_file_there_is_no_room_for_does_not_keep_smaller_ones_out(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    large = one(1) + bytes(10_000)

    def may_accept(announced: Announced) -> Refused | None:
        return Refused("spool_reserve") if (announced.size or 0) >= len(large) else None

    monkeypatch.setattr(place.intake, "may_accept", may_accept)
    place.put("large.dcm", large)
    with place.watched(after="delete") as source:
        eventually(lambda: "large.dcm" in source._looks)
        for n in range(2, 5):
            place.put(f"{n}.dcm", one(n))
        eventually(lambda: place.left() == ["large.dcm"])
        assert place.intake.taken == 3
        monkeypatch.undo()
        eventually(lambda: place.intake.taken == 4)


def test_files_are_moved_and_never_onto_another(place: Place) -> None:
    with place.watched(after="move"):
        for n in range(2):
            place.put("ct/1.dcm", one(n))
            eventually(lambda: not place.left())
    moved = place.folder.with_name("in.taken")
    assert {path.name: path.read_bytes() for path in (moved / "ct").iterdir()} == {"1.dcm": one(0), "1-1.dcm": one(1)}


@pytest.mark.parametrize("after", ["delete", "move"])
def test_a_file_that_is_written_to_while_its_object_is_made_durable_stays(place: Place, after: str) -> None:
    path = place.put("1.dcm", one(1))
    reads, later = Counting.receive, [one(22)]

    def receive(arrival: Arrival) -> Outcome:
        outcome = reads(place.intake, arrival)  # the last byte is read; now comes what takes its time
        if later:
            path.write_bytes(later.pop())
        return outcome

    place.intake.receive = receive  # type: ignore[method-assign]
    with place.watched(after=after):
        eventually(lambda: place.intake.taken == 2)
        eventually(lambda: not place.left())
    assert hashlib.blake2b(one(22), digest_size=8).digest() in place.intake.known


def test_an_intake_with_a_bug_loses_no_file(place: Place) -> None:
    place.put("1.dcm", one(1))
    place.put("2.dcm", one(2))
    fails = [True]

    def fail(_: bytes) -> str:
        if fails.pop() if fails else False:
            raise RuntimeError
        return ""

    place.intake.refuse = fail
    with place.watched(after="delete"):
        eventually(lambda: place.intake.taken == 2)
        eventually(lambda: not place.left())
    assert place.told == [events.Refused("drop", "internal_error")]


def test_a_file_that_may_not_be_read_is_told_of_once_and_taken_when_it_may(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = place.put("1.dcm", one(1))
    path.chmod(0)
    opened = Beneath.open

    def as_anybody(files: Beneath, name: str) -> FileSource:  # root may read everything
        if not (place.folder / name).stat().st_mode & 0o400:
            raise Rejected("unreadable")
        return opened(files, name)

    monkeypatch.setattr(Beneath, "open", as_anybody)
    with place.watched():
        eventually(lambda: place.told == [events.Refused("drop", "unreadable")])
        time.sleep(1.3)
        assert len(place.told) == 1
        path.chmod(0o600)
        eventually(lambda: place.intake.taken == 1)


# ------------------------------------------------------------------------------------------------- settings


def test_a_folder_that_is_not_there_is_said_at_once_and_when_it_goes(place: Place) -> None:
    absent = place.settings().model_copy(update={"path": place.folder / "none"})
    with pytest.raises(Misconfigured) as error:
        WatchedFolder(absent, SeenFiles(place.state / "other", bytes(32)))
    assert error.value.code == "folder_missing"
    source = WatchedFolder(place.settings(rescan=1.0), SeenFiles(place.state / "seen", bytes(32)))
    ended: list[str] = []

    def run(stop: threading.Event) -> None:
        try:
            source.run(place.intake, stop)
        except Misconfigured as error:
            ended.append(error.code)

    stop = threading.Event()
    thread = threading.Thread(target=run, args=(stop,))
    thread.start()
    place.folder.rename(place.folder.with_name("unplugged"))
    thread.join(10)
    assert ended == ["folder_missing"]
    place.folder.with_name("unplugged").rename(place.folder)
    place.put("1.dcm", one(1))
    thread = threading.Thread(target=run, args=(stop,))  # as the gateway does it: the same source, started again
    thread.start()
    eventually(lambda: place.intake.taken == 1)
    stop.set()
    thread.join(10)


def test_moving_to_another_disk_is_said_at_once(place: Place) -> None:
    other = Path("/dev/shm")
    if not other.is_dir() or other.stat().st_dev == place.folder.stat().st_dev:
        pytest.skip("no second file system")
    told = place.settings(after="move", moved_to=other / "stowgate-test-never-made")
    with pytest.raises(Misconfigured, match="another disk"):
        WatchedFolder(told, SeenFiles(place.state / "seen", bytes(32)))


def test_a_place_to_move_to_without_moving_is_a_mistake(place: Place) -> None:
    with pytest.raises(ValueError, match="moved_to"):
        place.settings(moved_to=place.state)


# ------------------------------------------------------------------------------------------------- many


@pytest.mark.parametrize(("after", "count"), [("keep", 5_000), ("delete", 1_000)])
def test_many_files_at_once_are_each_taken_once_with_flat_memory(place: Place, after: str, count: int) -> None:
    count = 100_000 if SOAK else count
    data = one(1)
    for n in range(count):
        name = f"{n % 100:02}/{n:06}.dcm"
        (place.folder / name).parent.mkdir(exist_ok=True)
        (place.folder / name).write_bytes(data[:-8] + b"%08d" % n)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.monotonic()
    with place.watched(after=after, settle=0.2):
        eventually(lambda: place.intake.taken == count, 600)
        if after == "delete":
            eventually(lambda: not place.left())
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) >> 10
    assert place.intake.offered == count
    assert grown < 64, f"{grown} MiB more, {count / (time.monotonic() - began):.0f} files/s"
