"""The spool under kill -9, failing and full disks and power cuts: what was said is there, whole, and nothing else."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import signal
import struct
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue
from threading import Event, Thread

import pytest

from stowgate.dicom.source import MemorySource
from stowgate.errors import StowgateError, Temporary
from stowgate.store.room import Room
from stowgate.store.spool import Facts
from stowgate.store.spool_folder import Spool, open_spool
from stowgate.vault.rotation import rotate_file
from stowgate.vault.unit_key import UnitKey, load_unit_key, obtain_unit_key, write_unit_key
from tests.journeys.spool_work import CLEAN, RAW, RING, take_in
from tests.journeys.stage import CHANGES, QUIET, needs_root, needs_strace
from tests.journeys.test_kill_at_every_step import Step, for_each

KEY = UnitKey(bytes(range(32)))
SOAK = bool(os.environ.get("STOWGATE_SOAK"))


class Workers:
    """Two processes of `spool_work`, lent to whoever asks."""

    def __init__(self) -> None:
        script = Path(__file__).with_name("spool_work.py")
        self._all = [
            subprocess.Popen([sys.executable, script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            for _ in range(2)
        ]
        self._free: SimpleQueue[subprocess.Popen[str]] = SimpleQueue()
        for one in self._all:
            self._free.put(one)

    def run(self, work: str, folder: Path, tracer: tuple[str, ...]) -> int:
        """The exit code of a piece of work; what it says is appended to FOLDER.said."""
        one = self._free.get()
        try:
            assert one.stdin
            assert one.stdout
            one.stdin.write(f"{work}\t{folder}\t{folder}.said\n")
            one.stdin.flush()
            child = one.stdout.readline().strip()
            with subprocess.Popen(["strace", *tracer, "-p", child]):
                return int(one.stdout.readline())
        finally:
            self._free.put(one)

    def close(self) -> None:
        for one in self._all:
            one.communicate()


@pytest.fixture(scope="module")
def workers() -> Iterator[Workers]:
    found = Workers()
    yield found
    found.close()


def said(folder: Path) -> list[str]:
    path = folder.with_name(f"{folder.name}.said")
    return path.read_text().splitlines() if path.exists() else []


def steps_of(workers: Workers, work: str, folder: Path) -> list[Step]:
    """Every call of an undisturbed run that changes the spool or its key."""
    log = folder.with_name("log")
    assert workers.run(work, folder, (*QUIET, "-y", "-o", str(log), "-e", f"trace={CHANGES}")) == 0
    counted: Counter[str] = Counter()
    steps = []
    for line in log.read_text("utf-8", "replace").splitlines():
        found = re.match(r"(?:\d+ +)?(\w+)\((.*)", line)
        if found:
            counted[found[1]] += 1
            if ".said" not in found[2] and str(folder.parent) in found[2]:
                steps.append(Step(found[1], counted[found[1]], found[2].replace(str(folder.parent), "")))
    return steps


def contents(spool: Spool) -> list[bytes]:
    """The plain bytes of everything that has a name."""
    found = []
    for shelf in (spool.raw, spool.clean):
        for id in shelf.ids():
            with shelf.open(id) as source:
                found.append(source.read(0, source.size))
    return found


def named_files(folder: Path) -> list[Path]:
    """Everything that has its name on one of the shelves."""
    shelves = [folder / shelf for shelf in ("raw", "clean") if (folder / shelf).exists()]
    return [path for shelf in shelves for path in shelf.rglob("*") if path.is_file()]


def holds_what_was_said(folder: Path) -> None:
    """The start-up rules: parts are swept, what has a name is whole and stays, and what was said to be there is."""
    named = {path.name for path in named_files(folder)}
    promised = [line.split() for line in said(folder) if line.startswith(("raw ", "clean "))]
    assert {id for _, id in promised} <= named
    if not named and not folder.with_name(f"{folder.name}.key").exists():
        return  # dead before there was a key: nothing was promised
    with open_spool(folder, load_unit_key(f"file:{folder}.key", folder, RING)) as spool:
        assert list((folder / "parts").iterdir()) == []
        assert {*spool.raw.ids(), *spool.clean.ids()} == named
        assert all(data in (RAW, CLEAN) for data in contents(spool))
        for shelf, id in promised:
            (spool.raw if shelf == "raw" else spool.clean).open(id).close()


def goes_on(folder: Path) -> None:
    """The same work again, with nothing in its way."""
    lines: list[str] = []
    take_in(folder, lines.append)
    assert [line.split()[0] for line in lines] == ["raw", "clean"]
    holds_what_was_said(folder)


@needs_strace
def test_a_kill_at_any_call_of_an_intake_leaves_whole_objects_or_none(tmp_path: Path, workers: Workers) -> None:
    steps = steps_of(workers, "take_in", tmp_path / "whole")
    kinds = Counter(step.call for step in steps)
    assert {"writev", "fsync", "rename", "mkdir"} <= set(kinds)
    assert kinds["rename"] == 3  # an epoch and two objects
    assert kinds["fsync"] == 15  # the key, spool, four folders, the epoch; for each object file, shelf and folder

    def killed(step: Step) -> None:
        folder = tmp_path / f"{step.call}-{step.number}"
        assert workers.run("take_in", folder, step.injected("signal=SIGKILL")) == -signal.SIGKILL
        holds_what_was_said(folder)
        goes_on(folder)
        shutil.rmtree(folder)

    for_each(steps, killed)


def spool_with_epochs(folder: Path) -> None:
    for _ in range(3):
        take_in(folder, lambda _: None)


@needs_strace
def test_a_kill_at_any_call_while_the_key_changes_leaves_a_key_that_opens_everything(
    tmp_path: Path, workers: Workers
) -> None:
    first = tmp_path / "first"
    spool_with_epochs(first)

    def copied(name: str) -> Path:
        shutil.copytree(first, tmp_path / name)
        shutil.copy2(f"{first}.key", tmp_path / f"{name}.key")
        return tmp_path / name

    steps = steps_of(workers, "change_key", copied("whole"))
    assert Counter(step.call for step in steps)["rename"] == 7  # three epochs twice, and the key

    def killed(step: Step) -> None:
        folder = copied(f"{step.call}-{step.number}")
        assert workers.run("change_key", folder, step.injected("signal=SIGKILL")) == -signal.SIGKILL
        with open_spool(folder, load_unit_key(f"file:{folder}.key", folder, RING)) as spool:
            assert Counter(contents(spool)) == {RAW: 3, CLEAN: 3}
            assert spool.lies().epochs == 3
        goes_on(folder)
        shutil.rmtree(folder)

    for_each(steps, killed)


def fail_at_each(root: Path, workers: Workers, error: str, calls: tuple[str, ...], codes: set[str]) -> None:
    steps = [step for step in steps_of(workers, "take_in", root / "whole") if step.call in calls]

    def failed(step: Step) -> None:
        folder = root / f"{step.call}-{step.number}"
        code = workers.run("take_in", folder, step.injected(f"error={error}"))
        lines = said(folder)
        if code:
            assert (code, lines[-1].removeprefix("failed ") in codes) == (15, True), lines
            kept = [line.split()[1] for line in lines if not line.startswith("failed")]
            named = sorted(path.name for path in named_files(folder))
            assert named == sorted(kept), "something has a name and nobody was told of it"
            parts = folder / "parts"
            assert not parts.exists() or list(parts.iterdir()) == []
        if folder.exists():
            holds_what_was_said(folder)
        goes_on(folder)
        shutil.rmtree(folder)

    assert len(steps) > 10
    for_each(steps, failed)


@needs_strace
def test_a_disk_that_fails_at_any_sync_keeps_nothing_under_a_name_that_was_not_promised(
    tmp_path: Path, workers: Workers
) -> None:
    fail_at_each(tmp_path, workers, "EIO", ("fsync",), {"spool_failed", "spool_unwritable", "key_unwritable"})


@needs_strace
def test_a_disk_that_is_full_at_any_call_keeps_nothing_under_a_name_that_was_not_promised(
    tmp_path: Path, workers: Workers
) -> None:
    calls = ("write", "writev", "pwrite64", "mkdir", "link", "rename", "fsync")
    fail_at_each(tmp_path, workers, "ENOSPC", calls, {"disk_full"})


def mount(*argv: str) -> None:
    """Mount, or skip where even root may not."""
    done = subprocess.run(["mount", *argv], check=False, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"mounting is not allowed here: {done.stderr.strip()}")


@contextmanager
def mounted(*argv: str | Path) -> Iterator[None]:
    mount(*map(str, argv))
    try:
        yield
    finally:
        subprocess.run(["umount", argv[-1]], check=True)


def kept(spool: Spool, data: bytes) -> str:
    writing = spool.raw.new(Facts("ct"))
    try:
        for at in range(0, len(data), 4096):
            writing.write(data[at : at + 4096])
        writing.finish()
        writing.keep()
    finally:
        writing.abort()
    return writing.id


def refusal(spool: Spool, data: bytes) -> str:
    """The code an object is refused with, and nothing of it stays; "" when it was kept."""
    named = sorted(spool.raw.ids())
    try:
        kept(spool, data)
    except Temporary as refused:
        assert sorted(spool.raw.ids()) == named
        assert list((spool.folder / "parts").iterdir()) == []
        return refused.code
    return ""


def opening(folder: Path) -> str:
    """The code a spool is not opened with."""
    try:
        open_spool(folder, KEY).close()
    except StowgateError as refused:
        return refused.code
    return ""


@needs_root
def test_a_small_disk_that_fills_at_any_byte_refuses_and_goes_on_when_there_is_room(tmp_path: Path) -> None:
    """Pages of a small disk: wherever it ends, the object is refused, nothing is left, and later ones are taken."""
    data = RAW[:250_000]
    ends: Counter[str] = Counter()
    for pages in range(2, 90, 1 if SOAK else 3):
        with mounted("-t", "tmpfs", "-o", f"size={pages * 4096},mode=700", "tmpfs", tmp_path):
            code = opening(tmp_path / "spool")
            ends[f"opening {code}"] += 1
            if code:
                continue
            with open_spool(tmp_path / "spool", KEY) as spool:
                code = refusal(spool, data)
                ends[code] += 1
                if code:
                    assert spool.room() is Room.HARD
                    mount("-o", "remount,size=4M", str(tmp_path))
                    assert refusal(spool, data) == ""
                assert contents(spool) == [data]
    assert set(ends) <= {"opening ", "opening disk_full", "disk_full", ""}
    assert ends["disk_full"] > 15
    assert ends[""] > 2


@needs_root
def test_a_disk_without_inodes_refuses_and_goes_on_when_there_are_some(tmp_path: Path) -> None:
    options = ("-t", "tmpfs", "-o", "size=8M,nr_inodes=14,mode=700", "tmpfs", tmp_path)
    with mounted(*options), open_spool(tmp_path / "spool", KEY) as spool:
        codes = [refusal(spool, RAW) for _ in range(12)]
        assert set(codes) == {"disk_full", ""}
        assert spool.room() is Room.HARD
        assert contents(spool) == [RAW] * codes.count("")
        mount("-o", "remount,size=8M,nr_inodes=1000", str(tmp_path))
        assert refusal(spool, RAW) == ""


@needs_root
def test_a_disk_that_is_read_only_is_said_and_what_lies_on_it_stays(tmp_path: Path) -> None:
    with mounted("-t", "tmpfs", "-o", "size=8M,mode=700", "tmpfs", tmp_path):
        with open_spool(tmp_path / "spool", KEY) as spool:
            kept(spool, RAW)
        mount("-o", "remount,ro", str(tmp_path))
        assert opening(tmp_path / "spool") == "spool_unwritable"
        mount("-o", "remount,rw", str(tmp_path))
        with open_spool(tmp_path / "spool", KEY) as spool:
            assert contents(spool) == [RAW]


SHUTDOWN = 0x8004587D
"""EXT4_IOC_SHUTDOWN, _IOR('X', 125, __u32); 2: without flushing the journal, as when the power goes."""


def cut_power(place: Path) -> None:
    handle = os.open(place, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.ioctl(handle, SHUTDOWN, struct.pack("I", 2))
    finally:
        os.close(handle)


def ext4(path: Path) -> Path:
    """An empty disk in a file."""
    maker = shutil.which("mkfs.ext4", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if maker is None:
        pytest.skip("mkfs.ext4 is absent: no disk whose power could be cut")
    with path.open("wb") as file:
        file.truncate(256 << 20)
    subprocess.run([maker, "-q", "-F", "-E", "lazy_itable_init=0", path], check=True)
    return path


def object_of(number: int) -> bytes:
    return b"%08d " % number * (100 + number * 7919 % 30_000)


def write_on(spool: Spool, numbers: Iterator[int], promised: list[tuple[str, str, int]], over: Event) -> None:
    """Raw and clean objects until the disk is gone; each is promised when its `keep` has returned."""
    while not over.is_set():
        number = next(numbers)
        try:
            promised.append(("raw", kept(spool, object_of(number)), number))
            sheet = spool.clean.new()
            try:
                sheet.emit([object_of(number)], MemorySource(b""))
                sheet.close()
                promised.append(("clean", spool.clean.keep(sheet.place).id, number))
            finally:
                spool.clean.drop(sheet.place)
        except StowgateError:
            return


def write_until_cut(place: Path, turn: int) -> list[tuple[str, str, int]]:
    """Two threads write; the power goes when some objects are there; what was promised before that."""
    promised: list[tuple[str, str, int]] = []
    over, numbers = Event(), Numbers()
    with open_spool(place / "spool", KEY, objects=20) as spool:  # so that epochs begin under way, too
        threads = [Thread(target=write_on, args=(spool, numbers, promised, over)) for _ in range(2)]
        for thread in threads:
            thread.start()
        deadline = time.monotonic() + 60  # a disk that others work with, too, is slow
        while len(promised) < 12 + turn % 10 * 4 and time.monotonic() < deadline:
            time.sleep(0.001 + turn % 7 * 0.0003)
        before = list(promised)
        cut_power(place)
        over.set()
        for thread in threads:
            thread.join()
    return before


class Numbers:
    """Counts for two threads at once."""

    def __init__(self) -> None:
        self._next = 0

    def __iter__(self) -> Iterator[int]:
        return self

    def __next__(self) -> int:
        self._next += 1
        return self._next


@needs_root
def test_what_was_kept_before_the_power_was_cut_is_whole_after_it(tmp_path: Path) -> None:
    disk, place = ext4(tmp_path / "disk"), tmp_path / "place"
    place.mkdir()
    total = 0
    for turn in range(200 if SOAK else 10):
        with mounted("-o", "loop", disk, place):
            promised = write_until_cut(place, turn)
        with mounted("-o", "loop", disk, place), open_spool(place / "spool", KEY) as spool:
            for shelf, id, number in promised:
                with (spool.raw if shelf == "raw" else spool.clean).open(id) as source:
                    assert source.read(0, source.size) == object_of(number)
                if shelf == "raw":
                    assert spool.raw.facts(id) == Facts("ct")
            found = contents(spool)  # whatever has a name is whole, promised or not
            assert all(data == object_of(int(data[:8])) for data in found)
            assert spool.epochs.damaged == frozenset()
            total += len(promised)
            shutil.rmtree(place / "spool")
    assert total > 100


def change_until_cut(place: Path, after: float) -> None:
    """The key changes again and again; the power goes."""
    over = Event()

    def change() -> None:
        while not over.is_set():
            try:
                rotate_file(place / "unit.key", place / "spool" / "epochs")
            except StowgateError:
                return

    thread = Thread(target=change)
    thread.start()
    time.sleep(after)
    cut_power(place)
    over.set()
    thread.join()


@needs_root
def test_the_key_file_opens_everything_after_the_power_was_cut_while_it_changed(tmp_path: Path) -> None:
    disk, place = ext4(tmp_path / "disk"), tmp_path / "place"
    place.mkdir()
    keys = set()
    with mounted("-o", "loop", disk, place):
        write_unit_key(KEY, place / "unit.key")
        for _ in range(4):
            with open_spool(place / "spool", KEY) as spool:
                kept(spool, RAW)
        started = time.monotonic()
        rotate_file(place / "unit.key", place / "spool" / "epochs")
        whole = time.monotonic() - started
    for turn in range(200 if SOAK else 10):
        with mounted("-o", "loop", disk, place):
            change_until_cut(place, whole * (0.1 + turn % 10 * 0.25))
        with mounted("-o", "loop", disk, place):
            key, made = obtain_unit_key(f"file:{place}/unit.key", place / "spool", RING)
            with open_spool(place / "spool", key) as spool:
                assert contents(spool) == [RAW] * 4
                assert spool.epochs.damaged == frozenset()
            assert not made
            keys.add(key.id)
    assert len(keys) > 2
