"""The spool on the disk: one owner, private files, nothing plain, parts swept, and whole objects or none."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from threading import Thread, Timer

import pytest

import stowgate
from stowgate.deident.profile import policy_from
from stowgate.dicom.source import MemorySource
from stowgate.errors import Misconfigured, Rejected, StowgateError, Temporary
from stowgate.faces.cli.exits import Exit, of_error
from stowgate.lifecycle import State
from stowgate.objects import Raw
from stowgate.pipeline import Bench, Way, process
from stowgate.store.lock import is_held
from stowgate.store.room import Room
from stowgate.store.spool import Facts, Kept
from stowgate.store.spool_folder import Lying, Spool, open_spool, read_spool
from stowgate.vault.unit_key import UnitKey
from tests.builder import BIG_ENDIAN, small

KEY = UnitKey(bytes(range(32)))
FACTS = Facts("ct-canary")
CANARY = b"CANARY^NAME"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "spool"


def kept(spool: Spool, data: bytes = CANARY * 20_000) -> str:
    writing = spool.raw.new(FACTS)
    writing.write(data)
    writing.finish()
    writing.keep()
    return writing.id


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def refusal(folder: Path, key: UnitKey = KEY) -> Misconfigured:
    with pytest.raises(Misconfigured) as refused:
        open_spool(folder, key)
    return refused.value


def open_files(folder: Path) -> list[str]:
    """What this process has open below a folder; others' descriptors come and go with the garbage."""
    found = []
    for number in os.listdir("/proc/self/fd"):  # noqa: PTH208 - names are all that is asked for
        with suppress(FileNotFoundError):
            found.append(str(Path(f"/proc/self/fd/{number}").readlink()))
    return sorted(path for path in found if path.startswith(f"{folder}/"))


class TestOpening:
    def test_a_fresh_one_is_private_to_its_owner(self, folder: Path) -> None:
        with open_spool(folder, KEY) as spool:
            kept(spool)
        for path in (folder, *folder.rglob("*")):
            assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path.name

    def test_it_says_what_lies_there(self, folder: Path) -> None:
        with open_spool(folder, KEY) as spool:
            assert (spool.swept, spool.lies()) == (0, Lying(0, 0, 0, 0))
            kept(spool)
            kept(spool)
            assert spool.lies() == Lying(2, 0, 1, 0)

    def test_only_parts_are_swept(self, folder: Path) -> None:
        with open_spool(folder, KEY) as spool:
            id = kept(spool)
        (folder / "parts" / f"{'0' * 32}.part").write_bytes(b"half")
        (folder / "parts" / "notes").write_bytes(b"somebody's")
        (folder / "raw" / "ab").mkdir(exist_ok=True)
        (folder / "raw" / "ab" / "x.part").write_bytes(b"somebody's")
        before = files(folder)
        with open_spool(folder, KEY) as spool:
            assert spool.swept == 1
            assert list(spool.raw.ids()) == [id]
        assert [path.name for path in before if path not in files(folder)] == [f"{'0' * 32}.part"]

    def test_what_lies_there_opens_after_a_restart(self, folder: Path) -> None:
        with open_spool(folder, KEY) as spool:
            id = kept(spool, b"plain")
        with open_spool(folder, KEY) as spool, spool.raw.open(id) as source:
            assert source.read(0, 9) == b"plain"
            assert spool.raw.facts(id) == FACTS

    def test_another_key_is_refused_before_anything_is_swept(self, folder: Path) -> None:
        with open_spool(folder, KEY) as spool:
            kept(spool)
        (folder / "parts" / "x.part").write_bytes(b"half")
        before = {path: path.read_bytes() for path in files(folder) if path.name != "lock"}
        refused = refusal(folder, UnitKey(bytes(32)))
        assert (refused.code, of_error(refused.code)) == ("wrong_key", Exit.KEY)
        assert {path: path.read_bytes() for path in files(folder) if path.name != "lock"} == before
        open_spool(folder, KEY).close()  # the lock is free again

    @pytest.mark.parametrize("name", [".", "raw", "epochs"])
    def test_one_that_others_can_enter_is_refused(self, folder: Path, name: str) -> None:
        with open_spool(folder, KEY) as spool:
            kept(spool)
        (folder / name).chmod(0o750)
        assert refusal(folder).code == "spool_permissions"

    def test_what_cannot_be_a_folder_is_refused(self, folder: Path) -> None:
        folder.write_bytes(b"")
        assert refusal(folder).code == "spool_unwritable"

    def test_opening_and_closing_leaves_no_descriptor(self, folder: Path) -> None:
        for _ in range(3):
            with open_spool(folder, KEY) as spool:
                kept(spool)
            spool.close()
        assert open_files(folder) == []


@pytest.mark.parametrize("said", ["nothing", "another"])
def test_a_sheet_that_was_lent_is_kept_as_itself_or_not_at_all(folder: Path, said: str) -> None:
    """A row with the id of one object and the names of another would be the worst there is."""
    with open_spool(folder, KEY) as spool:
        sheet, other = spool.clean.lend(), spool.clean.lend()
        Path(sheet.part.path).write_bytes(b"written by another process")
        if said == "another":
            sheet.written = Kept(other.part.id, 1, "0" * 64)
        with pytest.raises(ValueError, match="kept"):
            spool.clean.keep(sheet.place)
        spool.clean.drop(other.place)
        assert list(spool.clean.ids()) == []
        assert list((folder / "parts").iterdir()) == []
        assert not spool.epochs._lent.total()


HOLD = """
import sys, time
from pathlib import Path
from stowgate.store.spool_folder import open_spool
from stowgate.vault.unit_key import UnitKey
spool = open_spool(Path(sys.argv[1]), UnitKey(bytes(range(32))))
print("open", flush=True)
time.sleep(60)
"""


def test_a_second_process_is_told_who_holds_the_spool_and_a_dead_one_holds_nothing(folder: Path) -> None:
    env = {**os.environ, "PYTHONPATH": str(Path(stowgate.__file__).parents[1])}
    holder = subprocess.Popen([sys.executable, "-c", HOLD, folder], env=env, stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout
        assert holder.stdout.readline() == "open\n"
        refused = refusal(folder)
        assert (refused.code, of_error(refused.code)) == ("spool_in_use", Exit.STATE_IN_USE)
        assert f"process {holder.pid}" in refused.place
    finally:
        holder.send_signal(signal.SIGKILL)
        holder.communicate()
    open_spool(folder, KEY).close()


def test_whoever_only_looks_whether_it_is_held_keeps_nobody_out(folder: Path) -> None:
    open_spool(folder, KEY).close()
    handle = os.open(folder / "lock", os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_SH)  # what `is_held` does for a moment
    Timer(0.02, os.close, [handle]).start()
    with open_spool(folder, KEY):
        assert is_held(folder)
    assert not is_held(folder)


def test_a_file_system_that_knows_no_locks_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(handle: int, what: int) -> None:
        raise OSError(errno.ENOLCK, "")

    monkeypatch.setattr(fcntl, "flock", none)
    assert refusal(folder).code == "spool_unwritable"
    assert open_files(folder) == []


class TestSecrecy:
    def test_no_file_holds_a_plain_byte_or_a_name_that_tells(self, folder: Path, tmp_path: Path) -> None:
        data = small()
        with open_spool(folder, KEY) as spool:
            id = kept(spool, data)
            cleaned(spool, id, tmp_path)
            lying = spool.lies()
        assert (lying.raw, lying.clean) == (1, 1)
        stored = {path: path.read_bytes() for path in files(folder)}
        for plain in (b"DICM", b"Vandermeer", b"1.2.840.10008", b"2.25.", b"ct-canary", KEY.secret):
            assert not [path.name for path, content in stored.items() if plain in content], plain
        assert b"Vandermeer" in data
        assert b"DICM" in data
        names = {part for path in stored for part in path.relative_to(folder).parts}
        known = {"raw", "clean", "epochs", "parts", "lock"}
        assert all(name in known or set(name) <= set("0123456789abcdef.poch") for name in names)


def cleaned(spool: Spool, id: str, scratch: Path) -> str:
    """Through the whole journey from one shelf to the other: the id on the clean shelf."""
    way = Way(policy_from("basic", [], []), bytes(32), spool.clean, scratch, open=lambda raw: spool.raw.open(raw.id))
    passed = process(Raw(id, ""), way, Bench(None))
    assert passed.item.state is State.CLEANED
    assert passed.ref
    done = spool.clean.keep(passed.ref.path)
    assert done.size == passed.ref.size
    return done.id


class TestJourney:
    @pytest.mark.parametrize("data", [small(), small(syntax=BIG_ENDIAN)], ids=["plain", "odd"])
    def test_an_object_goes_from_shelf_to_shelf_and_comes_out_as_from_a_folder(
        self, folder: Path, tmp_path: Path, data: bytes
    ) -> None:
        from stowgate.api import deidentify_bytes

        with open_spool(folder, KEY) as spool:
            id = cleaned(spool, kept(spool, data), tmp_path)
            with spool.clean.open(id) as source:
                assert source.read(0, source.size) == deidentify_bytes(data, policy_from("basic", [], []), bytes(32))
            assert files(folder / "parts") == []

    def test_what_is_stopped_leaves_nothing_on_the_clean_shelf(self, folder: Path, tmp_path: Path) -> None:
        with open_spool(folder, KEY) as spool:
            before = open_files(folder)
            policy = policy_from("basic", [], [])
            id = kept(spool, small()[:-1])
            way = Way(policy, bytes(32), spool.clean, tmp_path, open=lambda raw: spool.raw.open(raw.id))
            assert process(Raw(id, ""), way, Bench(None)).ref is None
            assert process(Raw("0" * 32, ""), way, Bench(None)).item.code == "payload_lost"
            assert files(folder / "parts") == files(folder / "clean") == []
            assert open_files(folder) == before

    def test_a_damaged_object_is_quarantined_and_the_next_one_goes_on(self, folder: Path, tmp_path: Path) -> None:
        with open_spool(folder, KEY) as spool:
            bad, good = kept(spool, small()), kept(spool, small())
            path = Path(spool.raw.folder.path_of(bad))
            content = bytearray(path.read_bytes())
            content[-100] ^= 1
            path.write_bytes(content)
            way = Way(
                policy_from("basic", [], []),
                bytes(32),
                spool.clean,
                tmp_path,
                open=lambda raw: spool.raw.open(raw.id),
            )
            item = process(Raw(bad, ""), way, Bench(None)).item
            assert (item.state, item.code) == (State.QUARANTINED, "spool_damaged")
            cleaned(spool, good, tmp_path)


CALLS = {"rename": 1, "mkdir": 1, "fsync": 3}
"""How often each happens for the first object of a fan-out folder once its epoch is there."""


class TestFailingDisk:
    @pytest.mark.parametrize(("call", "number"), [(call, n) for call, most in CALLS.items() for n in range(most)])
    @pytest.mark.parametrize(("error", "code"), [(errno.ENOSPC, "disk_full"), (errno.EIO, "spool_failed")])
    @pytest.mark.parametrize("which", ["raw", "clean"])
    def test_a_call_that_fails_leaves_nothing_under_a_name_and_the_next_object_goes_on(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch, which: str, call: str, number: int, error: int, code: str
    ) -> None:
        with open_spool(folder, KEY) as spool:
            write = written_raw if which == "raw" else written_clean
            spool.epochs.begin()
            before, seen = files(folder), open_files(folder)
            keep = write(spool)
            with monkeypatch.context() as patch:
                patch.setattr(os, call, failing(getattr(os, call), number, error))
                with pytest.raises(Temporary) as failed:
                    keep()
            assert (failed.value.code, "secret" in str(failed.value)) == (code, False)
            assert (files(folder), open_files(folder)) == (before, seen)
            write(spool)()
            assert len(files(folder)) == len(before) + 1

    def test_a_name_is_given_only_when_everything_before_it_is_on_the_disk(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The crash recipe, in its order: the file, its folder's own entry, the name, the folder."""
        with open_spool(folder, KEY) as spool:
            spool.epochs.begin()
            said: list[str] = []
            log(monkeypatch, said, folder)
            writing = spool.raw.new(FACTS)
            writing.write(bytes(300_000))
            writing.finish()
            writing.keep()
            fan, part = f"raw/{writing.id[:2]}", f"parts/{writing.id}.part"
            assert said == [f"fsync {part}", f"mkdir {fan}", "fsync raw", f"rename {fan}/{writing.id}", f"fsync {fan}"]


def written_raw(spool: Spool) -> Callable[[], object]:
    writing = spool.raw.new(FACTS)
    writing.write(CANARY * 10_000)

    def keep() -> None:
        try:
            writing.finish()
            writing.keep()
        except StowgateError:
            writing.abort()
            raise

    return keep


def written_clean(spool: Spool) -> Callable[[], object]:
    sheet = spool.clean.new()
    sheet.emit([CANARY * 10_000], MemorySource(b""))
    sheet.close()
    return lambda: spool.clean.keep(sheet.place)


def failing(real: Callable[..., object], number: int, error: int) -> Callable[..., object]:
    calls = iter(range(1000))

    def call(*arguments: object, **more: object) -> object:
        if next(calls) == number:
            raise OSError(error, "/a/secret/path")
        return real(*arguments, **more)

    return call


def log(monkeypatch: pytest.MonkeyPatch, said: list[str], folder: Path) -> None:
    """Note the calls that make something durable, in their order."""

    def noted(name: str, real: Callable[..., object]) -> Callable[..., object]:
        def call(*arguments: object, **more: object) -> object:
            last = arguments[-1] if name == "rename" else arguments[0]
            path = str(Path(f"/proc/self/fd/{last}").readlink()) if isinstance(last, int) else str(last)
            said.append(f"{name} {os.path.relpath(path, folder)}")
            return real(*arguments, **more)

        return call

    for name in ("fsync", "mkdir", "rename"):
        monkeypatch.setattr(os, name, noted(name, getattr(os, name)))


class TestEpochs:
    def test_those_under_which_nothing_lies_are_destroyed_and_no_others(self, folder: Path) -> None:
        with open_spool(folder, KEY, objects=2) as spool:
            ids = [kept(spool, b"%d" % number) for number in range(7)]
            assert spool.lies().epochs == 4
            assert spool.destroy_unused_epochs() == 0
            for id in (*ids[:2], ids[2], ids[6]):
                spool.raw.delete(id)
            assert spool.destroy_unused_epochs() == 1  # the fourth is the current one
            assert spool.lies().epochs == 3
            for id in ids[3:6]:
                spool.raw.open(id).close()
        with open_spool(folder, KEY) as spool:
            assert spool.destroy_unused_epochs() == 1

    def test_one_stays_while_an_object_under_it_is_being_written(self, folder: Path) -> None:
        with open_spool(folder, KEY, objects=1) as spool:
            writing, sheet = spool.raw.new(FACTS), spool.clean.new()
            kept(spool)
            assert spool.destroy_unused_epochs() == 0
            writing.abort()
            assert spool.destroy_unused_epochs() == 1
            sheet.close()
            spool.clean.open(spool.clean.keep(sheet.place).id).close()

    def test_what_was_under_a_destroyed_one_cannot_be_read_from_a_copy_either(self, folder: Path) -> None:
        with open_spool(folder, KEY, objects=1) as spool:
            id = kept(spool)
            path = Path(spool.raw.folder.path_of(id))
            copy = path.read_bytes()
            kept(spool)
            spool.raw.delete(id)
            spool.destroy_unused_epochs()
            path.write_bytes(copy)
            with pytest.raises(Rejected) as refused:
                spool.raw.open(id)
        assert refused.value.code == "spool_damaged"

    def test_nothing_is_destroyed_while_a_disk_does_not_say_what_lies_there(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with open_spool(folder, KEY, objects=1) as spool:
            kept(spool)
            kept(spool)
            with monkeypatch.context() as patch:
                patch.setattr(os, "pread", failing(os.pread, 0, errno.EIO))
                with pytest.raises(Temporary):
                    spool.destroy_unused_epochs()
            assert spool.lies().epochs == 2

    def test_a_damaged_epoch_stops_its_own_objects_alone(self, folder: Path) -> None:
        with open_spool(folder, KEY, objects=1) as spool:
            lost, stays = kept(spool), kept(spool)
            header = Path(spool.raw.folder.path_of(lost)).read_bytes()
        path = folder / "epochs" / f"{header[16:32].hex()}.epoch"
        path.write_bytes(path.read_bytes()[:-1])
        with open_spool(folder, KEY) as spool:
            assert spool.lies() == Lying(2, 0, 1, 1)
            spool.raw.open(stays).close()
            with pytest.raises(Rejected) as refused:
                spool.raw.open(lost)
            assert refused.value.code == "spool_damaged"
            kept(spool)


class TestReading:
    def test_another_process_reads_beside_the_owner_what_came_before_and_since(self, folder: Path) -> None:
        with open_spool(folder, KEY, objects=1) as spool:
            before = kept(spool, b"before")
            view = read_spool(folder, KEY)
            since = kept(spool, b"since")
            for id, data in ((before, b"before"), (since, b"since")):
                with view.raw.open(id) as source:
                    assert source.read(0, 99) == data
                assert view.raw.facts(id) == FACTS
            assert set(view.raw.ids()) == {before, since}
            assert list(view.clean.ids()) == []

    def test_it_changes_nothing(self, folder: Path) -> None:
        with open_spool(folder, KEY) as spool:
            kept(spool)
            (folder / "parts" / "x.part").write_bytes(b"coming in")
            stored = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in files(folder)}
            view = read_spool(folder, KEY)
            with pytest.raises(ValueError, match="owner"):
                view.clean.new()  # type: ignore[attr-defined]
            assert {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in files(folder)} == stored

    def test_the_wrong_key_and_no_spool_are_said(self, folder: Path) -> None:
        for key, code in ((KEY, "spool_unwritable"), (UnitKey(bytes(32)), "wrong_key")):
            with pytest.raises(Misconfigured) as refused:
                read_spool(folder, key)
            assert refused.value.code == code
            with open_spool(folder, KEY) as spool:
                kept(spool)


def test_many_threads_write_at_once_and_every_object_is_whole(folder: Path) -> None:
    with open_spool(folder, KEY, objects=7) as spool:
        found: dict[str, bytes] = {}

        def write(number: int) -> None:
            for turn in range(8):
                data = b"%d.%d " % (number, turn) * 20_000
                found[kept(spool, data)] = data

        threads = [Thread(target=write, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(spool.raw.ids()) == sorted(found)
        assert len(found) == 32
        for id, data in found.items():
            with spool.raw.open(id) as source:
                assert source.read(0, source.size) == data


def test_room_is_asked_of_the_disk_and_the_reserve_counts(folder: Path) -> None:
    with open_spool(folder, KEY, reserve=1 << 60) as spool:
        assert spool.room() is Room.SOFT
        assert spool.room(coming=1 << 60) is Room.HARD
        spool.reserve = 0
        assert spool.room() is Room.OPEN


def test_a_thousand_objects_open_and_list_at_once(folder: Path) -> None:
    with open_spool(folder, KEY) as spool:
        (folder / "raw" / "aa").mkdir()
        for number in range(1000):
            (folder / "raw" / "aa" / f"aa{number:030x}").touch()
        started = time.thread_time()
        spool.close()
        with open_spool(folder, KEY) as again:
            assert len(list(again.raw.ids())) == 1000
        assert time.thread_time() - started < 0.5
