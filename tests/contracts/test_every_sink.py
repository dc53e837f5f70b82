"""What every sink does: the exact bytes arrive, once; each instance has its answer; evidence is what is there."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import pytest

from stowgate.deliver.connection import Peer
from stowgate.deliver.cstore import CStoreSink
from stowgate.deliver.folder import FolderSink
from stowgate.deliver.memory import MemoryPeer, MemorySink
from stowgate.deliver.sink import Answer, Found, Instance, Parcel, Sink
from stowgate.deliver.stow import StowSink
from stowgate.dicom.source import ByteSource
from stowgate.errors import Rejected, StowgateError, Temporary
from stowgate.lifecycle import Delivery, Evidence
from tests.deliver.dicomweb_server import Orthanc, has_orthanc
from tests.deliver.node import Node, data_set
from tests.deliver.parcels import Notebook, bytes_of, letter, parcel
from tests.deliver.web import Web

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
"""A node of pynetdicom stumbles in a thread of its own over connections that end early."""

ACKNOWLEDGED = Answer(Delivery.ACKNOWLEDGED)


class Place(Protocol):
    """What is at the other end, as its owner sees it."""

    sink: Sink
    best: Evidence
    gives_back: bool

    def held(self, uid: str) -> bytes | None:
        """The bytes that are there."""

    def whole(self, file: bytes) -> bytes:
        """What it is to hold of a file: the data set, for those who keep no file."""

    def end(self) -> None:
        """The test is over."""

    def lose(self, uid: str) -> None:
        """Take an instance away."""

    def alter(self, uid: str) -> None:
        """Change its bytes."""

    def go_away(self) -> None:
        """There is no way to it any more."""

    def come_back(self) -> None:
        """There is one again, with all that was there."""


class Memory:
    best = Evidence.CONTENT
    gives_back = True

    def __init__(self, _: Path) -> None:
        self.peer = MemoryPeer()
        self.sink: Sink = MemorySink(self.peer)

    def held(self, uid: str) -> bytes | None:
        return self.peer.held.get(uid)

    def whole(self, file: bytes) -> bytes:
        return file

    def end(self) -> None:
        """Nothing is held."""

    def lose(self, uid: str) -> None:
        del self.peer.held[uid]

    def alter(self, uid: str) -> None:
        self.peer.held[uid] = self.peer.held[uid][:-1] + b"!"

    def go_away(self) -> None:
        self.peer.up = False

    def come_back(self) -> None:
        self.peer.up = True


class Folder:
    best = Evidence.CONTENT
    gives_back = True

    def __init__(self, folder: Path) -> None:
        self.folder, self.away = folder / "out", folder / "unmounted"
        self.folder.mkdir()
        self.sink: Sink = FolderSink(self.folder)

    def whole(self, file: bytes) -> bytes:
        return file

    def end(self) -> None:
        """Nothing is held."""

    def _path(self, uid: str) -> Path:
        return self.folder / "P1" / "2.25.1001" / "2.25.1002" / f"{uid}.dcm"

    def held(self, uid: str) -> bytes | None:
        return self._path(uid).read_bytes() if self._path(uid).exists() else None

    def lose(self, uid: str) -> None:
        self._path(uid).unlink()

    def alter(self, uid: str) -> None:
        self._path(uid).write_bytes(self._path(uid).read_bytes()[:-1] + b"!")

    def go_away(self) -> None:
        self.folder.rename(self.away)

    def come_back(self) -> None:
        self.away.rename(self.folder)


class Dimse:
    best = Evidence.PRESENCE
    gives_back = True

    def __init__(self, _: Path) -> None:
        self.node = Node()
        self.sink: Sink = CStoreSink(Peer("127.0.0.1", self.node.port, "NODE", "STOWGATE"))

    def held(self, uid: str) -> bytes | None:
        return self.node.held.get(uid)

    def whole(self, file: bytes) -> bytes:
        return data_set(file)

    def lose(self, uid: str) -> None:
        del self.node.held[uid]

    def alter(self, uid: str) -> None:
        self.node.held[uid] = self.node.held[uid][:-1] + b"!"

    def go_away(self) -> None:
        self.node.stop()

    def come_back(self) -> None:
        self.node.start()

    def end(self) -> None:
        with suppress(Exception):
            self.node.stop()


class Stow:
    best = Evidence.PRESENCE
    gives_back = True

    def __init__(self, _: Path) -> None:
        self.web = Web()
        self.sink: Sink = StowSink(self.web.url)

    def held(self, uid: str) -> bytes | None:
        return self.web.held.get(uid)

    def whole(self, file: bytes) -> bytes:
        return file

    def lose(self, uid: str) -> None:
        del self.web.held[uid]

    def alter(self, uid: str) -> None:
        self.web.held[uid] += b"!"

    def go_away(self) -> None:
        self.web.stop()
        self.sink.close()  # a server that ends leaves no connection open

    def come_back(self) -> None:
        self.web.start()

    def end(self) -> None:
        with suppress(Exception):
            self.web.stop()


class StowOfContent(Stow):
    """A DICOMweb server whose objects are read again for evidence."""

    best = Evidence.CONTENT

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.sink = StowSink(self.web.url, content=True)


class RealStow:
    """Orthanc, a process of its own."""

    best = Evidence.CONTENT
    gives_back = True

    def __init__(self, folder: Path) -> None:
        if not has_orthanc:
            pytest.skip("Orthanc with DICOMweb is absent")
        self.server = Orthanc(folder / "orthanc")
        self.sink: Sink = StowSink(self.server.url, content=True)
        self.held, self.lose, self.alter = self.server.held, self.server.lose, self.server.alter
        self.go_away, self.come_back, self.end = self.server.kill, self.server.start, self.server.kill

    def whole(self, file: bytes) -> bytes:
        return file


@pytest.fixture(params=[Memory, Folder, Dimse, Stow, StowOfContent, RealStow])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    made: Place = request.param(tmp_path)
    made.sink.open()
    yield made
    made.sink.close()
    made.sink.close()
    made.end()


@pytest.fixture
def notes() -> Notebook:
    return Notebook()


def uids(sent: Parcel) -> list[str]:
    return [instance.uid for instance in sent.instances]


def test_the_exact_bytes_arrive_and_each_instance_has_its_answer(place: Place, notes: Notebook) -> None:
    sent = parcel(1, 2, 3)
    assert place.sink.deliver(sent, notes) == dict.fromkeys(uids(sent), ACKNOWLEDGED)
    assert [place.held(f"2.25.{n}") for n in (1, 2, 3)] == [place.whole(bytes_of(n)) for n in (1, 2, 3)]


def test_an_object_larger_than_any_buffer_arrives(place: Place, notes: Notebook) -> None:
    large = bytes_of(1, 3_000_001)
    assert place.sink.deliver(Parcel((letter(large, "2.25.1"),)), notes) == {"2.25.1": ACKNOWLEDGED}
    assert place.held("2.25.1") == place.whole(large)


def test_what_is_there_is_evidence_as_good_as_the_place_can_give(place: Place, notes: Notebook) -> None:
    sent = parcel(1, 2)
    place.sink.deliver(sent, notes)
    found = place.sink.verify(sent, notes)
    assert list(found) == uids(sent)
    assert {one.evidence for one in found.values()} == {place.best}


def test_what_is_not_there_is_said_for_each(place: Place, notes: Notebook) -> None:
    sent = parcel(1, 2)
    place.sink.deliver(sent, notes)
    place.lose("2.25.1")
    found = place.sink.verify(parcel(1, 2, 3), notes)
    assert [(one.evidence, one.code) for one in found.values()] == [
        (Evidence.NONE, "peer_lost_object"), (place.best, ""), (Evidence.NONE, "peer_lost_object"),
    ]  # fmt: skip


def test_other_bytes_are_no_evidence_of_content(place: Place, notes: Notebook) -> None:
    place.sink.deliver(parcel(1), notes)
    place.alter("2.25.1")
    (found,) = place.sink.verify(parcel(1), notes).values()
    assert place.best is not Evidence.CONTENT or (found.evidence, found.code) == (Evidence.NONE, "peer_has_other_bytes")


def test_what_is_read_back_is_compared(place: Place, notes: Notebook) -> None:
    place.sink.deliver(parcel(1, 2, 3), notes)
    place.lose("2.25.1")
    place.alter("2.25.2")
    found = [place.sink.read_back(one) for one in parcel(1, 2, 3).instances]
    if place.gives_back:
        assert found == [Found(code="peer_lost_object"), Found(code="peer_has_other_bytes"), Found(Evidence.CONTENT)]
    else:
        assert found == [Found()] * 3


def test_what_was_purged_here_can_still_be_asked_for(place: Place, notes: Notebook) -> None:
    def opened() -> ByteSource:
        raise Rejected("payload_lost")

    place.sink.deliver(parcel(1, 2), notes)
    place.lose("2.25.1")
    purged = Parcel(tuple(replace(one, open=opened) for one in parcel(1, 2).instances))
    lost, there = place.sink.verify(purged, notes).values()
    assert lost == Found(code="peer_lost_object") and there.evidence is not Evidence.NONE


def test_sent_twice_is_there_once_and_both_are_told_so(place: Place, notes: Notebook) -> None:
    for _ in range(2):
        assert place.sink.deliver(parcel(1), notes) == {"2.25.1": ACKNOWLEDGED}
    assert place.held("2.25.1") == place.whole(bytes_of(1))


def test_without_a_way_nothing_is_said_and_nothing_is_lost(place: Place, notes: Notebook) -> None:
    place.sink.deliver(parcel(1), notes)
    place.go_away()
    assert not place.sink.reachable()
    for ask in (place.sink.deliver, place.sink.verify):
        with pytest.raises(Temporary) as failed:
            ask(parcel(1, 2), notes)
        assert failed.value.code in ("peer_unreachable", "peer_broke_off")
    place.come_back()
    assert place.sink.reachable()
    assert place.sink.deliver(parcel(1, 2), notes) == dict.fromkeys(["2.25.1", "2.25.2"], ACKNOWLEDGED)
    assert place.held("2.25.2") == place.whole(bytes_of(2))


def test_opened_again_it_goes_on(place: Place, notes: Notebook) -> None:
    place.sink.deliver(parcel(1), notes)
    place.sink.close()
    place.sink.open()
    assert place.sink.deliver(parcel(2), notes) == {"2.25.2": ACKNOWLEDGED}
    assert len([one for one in place.sink.verify(parcel(1, 2), notes).values() if not one.code]) == 2


def test_a_trial_says_step_by_step_that_it_works_and_leaves_nothing(place: Place, notes: Notebook) -> None:
    steps = list(place.sink.trial())
    assert steps and all(step.said.endswith(".") and not step.code for step in steps)
    place.go_away()
    assert list(place.sink.trial())[-1].code == "peer_unreachable"


def test_an_object_is_read_a_step_at_a_time_and_let_go_of(place: Place, notes: Notebook) -> None:
    data, most, still_open = bytes_of(1, 2_000_000), [0], [0]

    class Watched:
        size = len(data)

        def __init__(self) -> None:
            still_open[0] += 1

        def read(self, offset: int, length: int) -> bytes:
            most[0] = max(most[0], length)
            return data[offset : offset + length]

        def close(self) -> None:
            still_open[0] -= 1

    one = letter(data, "2.25.1")
    watched = Instance(one.ref, one.digest, Watched)  # type: ignore[arg-type]
    place.sink.deliver(Parcel((watched,)), notes)
    assert place.held("2.25.1") == place.whole(data)
    assert most[0] <= 1 << 20 and still_open[0] == 0


def test_no_error_of_a_sink_tells_what_an_object_holds(place: Place, notes: Notebook) -> None:
    place.go_away()
    with pytest.raises(StowgateError) as failed:
        place.sink.deliver(parcel(1), notes)
    assert "2.25" not in str(failed.value) and "Vandermeer" not in str(failed.value)


class TestFolder:
    """What a folder does beyond that."""

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Folder:
        made = Folder(tmp_path)
        made.sink.open()
        return made

    def test_another_file_of_that_name_is_never_written_over(self, folder: Folder, notes: Notebook) -> None:
        folder.sink.deliver(parcel(1), notes)
        other = letter(bytes_of(1, 77), "2.25.1")
        answers = folder.sink.deliver(Parcel((other, *parcel(2).instances)), notes)
        assert answers == {"2.25.1": Answer(Delivery.REFUSED, "peer_has_other_bytes"), "2.25.2": ACKNOWLEDGED}
        assert folder.held("2.25.1") == bytes_of(1)

    def test_a_full_disk_keeps_what_is_whole_and_takes_the_rest_later(
        self, folder: Folder, notes: Notebook, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from stowgate.deliver import folder as module

        real, written = os.write, [0]

        def full(handle: int, data: bytes) -> int:
            written[0] += 1
            if written[0] == 2:
                raise OSError(errno.ENOSPC, "no space")
            return real(handle, data)

        monkeypatch.setattr(module.os, "write", full)
        answers = folder.sink.deliver(parcel(1, 2, 3), notes)
        later = Answer(Delivery.QUEUED, "peer_busy")
        assert list(answers.values()) == [ACKNOWLEDGED, later, later]
        assert folder.held("2.25.2") is None
        assert not list((folder.folder / ".stowgate-parts").iterdir()), "no half file stays"
        written[0] = 1
        with pytest.raises(Temporary) as failed:
            folder.sink.deliver(parcel(2), notes)
        assert failed.value.code == "peer_busy"

    def test_a_folder_that_is_not_there_is_not_made(self, folder: Folder, notes: Notebook) -> None:
        shutil.rmtree(folder.folder)
        with pytest.raises(Temporary):
            folder.sink.deliver(parcel(1), notes)
        assert not folder.folder.exists()

    def test_what_a_dead_process_left_is_swept_and_what_is_being_written_is_not(self, folder: Folder) -> None:
        old, new = (folder.folder / ".stowgate-parts" / name for name in ("old", "new"))
        for part in (old, new):
            part.write_bytes(b"half")
        os.utime(old, (1, 1))
        folder.sink.open()
        assert not old.exists() and new.exists()

    def test_a_file_that_got_the_name_meanwhile_is_not_written_over(
        self, folder: Folder, notes: Notebook, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        folder.sink.deliver(parcel(1), notes)
        monkeypatch.setattr(Path, "exists", lambda _: False)
        other = letter(bytes_of(1, 77), "2.25.1")
        answers = folder.sink.deliver(Parcel((other, *parcel(2).instances)), notes)
        monkeypatch.undo()
        assert answers == {"2.25.1": Answer(Delivery.REFUSED, "peer_has_other_bytes"), "2.25.2": ACKNOWLEDGED}
        assert folder.held("2.25.1") == bytes_of(1)

    def test_a_disk_without_second_names_gets_its_files_too(
        self, folder: Folder, notes: Notebook, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def link(_one: Path, _other: Path) -> None:
            raise PermissionError(errno.EPERM, "FAT has no links")

        monkeypatch.setattr(os, "link", link)
        assert folder.sink.deliver(parcel(1), notes) == {"2.25.1": ACKNOWLEDGED}
        assert folder.held("2.25.1") == bytes_of(1)
        assert not list((folder.folder / ".stowgate-parts").iterdir())

    def test_a_file_that_lies_there_is_acknowledged_only_with_all_folders_above_it_on_disk(
        self, folder: Folder, notes: Notebook, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Whoever wrote it may have been killed before that; a second time only its own folder can be new."""
        folder.sink.deliver(parcel(1), notes)
        synced: list[Path] = []
        monkeypatch.setattr("stowgate.deliver.folder.sync_folder", synced.append)
        above = [folder.folder / part for part in ("P1/2.25.1001/2.25.1002", "P1/2.25.1001", "P1", "")]
        after_a_kill = FolderSink(folder.folder)
        assert after_a_kill.deliver(parcel(1), notes) == {"2.25.1": ACKNOWLEDGED}
        assert sorted(synced) == sorted(above)
        synced.clear()
        after_a_kill.deliver(parcel(2), notes)
        assert synced == above[:1]
        shutil.rmtree(folder.folder / "P1")
        synced.clear()
        after_a_kill.deliver(parcel(2), notes)
        assert sorted(synced) == sorted(above)

    def test_where_a_disk_belongs_an_empty_folder_takes_nothing(
        self, notes: Notebook, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        place = tmp_path / "disk"
        place.mkdir()
        sink = FolderSink(place, mounted=True)
        mounts: set[Path] = {Path("/")}
        monkeypatch.setattr(os.path, "ismount", lambda path: Path(path) in mounts)
        assert not sink.reachable()
        with pytest.raises(Temporary) as failed:
            sink.deliver(parcel(1), notes)
        assert failed.value.code == "peer_unreachable"
        assert not list(place.iterdir())
        for mount in (place.parent, place):
            mounts.add(mount)
            assert sink.reachable()
            mounts.discard(mount)
        mounts.add(place)
        assert sink.deliver(parcel(1), notes) == {"2.25.1": ACKNOWLEDGED}


class TestMemory:
    """What the twin does so that faults can be tested."""

    def test_what_broke_off_goes_on_where_it_was(self, notes: Notebook) -> None:
        peer = MemoryPeer(breaks=1_000_000)
        sink = MemorySink(peer)
        sent = parcel(1, 2, size=700_000)
        assert [one.state for one in sink.deliver(sent, notes).values()] == [Delivery.ACKNOWLEDGED, Delivery.SENT]
        peer.up = True
        assert sink.deliver(sent, notes) == dict.fromkeys(uids(sent), ACKNOWLEDGED)
        assert peer.held["2.25.2"] == bytes_of(2, 700_000)
        assert peer.sent == len(bytes_of(1, 700_000)) * 2 + len(bytes_of(2, 700_000)), "the second was sent once"

    def test_it_can_lie(self, notes: Notebook) -> None:
        sink = MemorySink(MemoryPeer(forgets={"2.25.1"}))
        assert sink.deliver(parcel(1), notes) == {"2.25.1": ACKNOWLEDGED}
        assert sink.verify(parcel(1), notes)["2.25.1"].code == "peer_lost_object"
