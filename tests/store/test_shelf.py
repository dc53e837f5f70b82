"""The clean shelf: no half file ever under a final name, everything on disk before it counts, and no traces left."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from stowgate.dicom.source import MemorySource
from stowgate.errors import Misconfigured, Temporary
from stowgate.store import shelf as module
from stowgate.store.shelf import FolderShelf, ScratchShelf

ALIAS = "0123456789abcdef0123456789abcdef"


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


@pytest.fixture
def shelf(out: Path) -> Iterator[FolderShelf]:
    made = FolderShelf(out, ALIAS)
    yield made
    with contextlib.suppress(OSError):
        made.close()


def written(shelf: FolderShelf | ScratchShelf, data: bytes) -> str:
    """A temporary with some bytes in it."""
    sheet = shelf.new()
    sheet.emit([data], MemorySource(b""))
    sheet.close()
    return os.fspath(sheet.place)


def visible(folder: Path) -> dict[str, bytes]:
    """Every file that is not the shelf's own, with its bytes."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    }


class TestTemporaries:
    def test_they_are_written_beside_what_is_finished_in_a_folder_of_its_owner(
        self, shelf: FolderShelf, out: Path
    ) -> None:
        path = Path(written(shelf, b"half"))
        assert path.parent.parent == out
        assert path.parent.name == f".stowgate-{ALIAS[:16]}.part"
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        assert visible(out) == {}

    def test_no_two_have_one_name_and_each_can_be_read_back(self, shelf: FolderShelf) -> None:
        several = [shelf.new() for _ in range(50)]
        assert len({os.fspath(sheet.place) for sheet in several}) == 50
        for number, sheet in enumerate(several):
            sheet.emit([b"%d" % number], MemorySource(b""))
            assert sheet.reread().read(0, 9) == b"%d" % number
            sheet.close()

    def test_one_that_is_dropped_is_gone_and_dropping_it_twice_does_no_harm(self, shelf: FolderShelf) -> None:
        path = written(shelf, b"bad")
        shelf.drop(path)
        assert not Path(path).exists()
        shelf.drop(path)

    def test_what_a_dead_run_left_is_swept_and_what_another_owner_works_on_is_not(self, out: Path) -> None:
        dead, other = FolderShelf(out, ALIAS), FolderShelf(out, "f" * 32)
        left, alive = written(dead, b"dead"), written(other, b"alive")
        again = FolderShelf(out, ALIAS)
        assert not Path(left).exists()
        assert Path(alive).read_bytes() == b"alive"
        again.close()
        other.close()

    def test_closing_leaves_nothing_but_clean_objects(self, shelf: FolderShelf, out: Path) -> None:
        written(shelf, b"half")
        shelf.keep([(written(shelf, b"whole"), "a/b.dcm")])
        shelf.close()
        assert sorted(path.name for path in out.rglob("*")) == ["a", "b.dcm"]


class TestKeeping:
    def test_each_gets_its_name_and_its_folders(self, shelf: FolderShelf, out: Path) -> None:
        pairs = [(written(shelf, b"%d" % n), f"p{n % 2}/s/{n}.dcm") for n in range(6)]
        shelf.keep(pairs)
        assert visible(out) == {f"p{n % 2}/s/{n}.dcm": b"%d" % n for n in range(6)}
        assert not any(Path(path).exists() for path, _ in pairs)

    def test_a_name_that_was_there_is_replaced_whole(self, shelf: FolderShelf, out: Path) -> None:
        shelf.keep([(written(shelf, b"old"), "a.dcm")])
        shelf.keep([(written(shelf, b"newer"), "a.dcm")])
        assert visible(out) == {"a.dcm": b"newer"}

    def test_nothing_to_keep_is_no_work(self, shelf: FolderShelf, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(module, "_syncfs", lambda _: 1 / 0)
        shelf.keep([])

    def test_the_order_is_bytes_then_names_then_folders(
        self, shelf: FolderShelf, out: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """DESIGN 6: one sync of the file system, rename, fsync of each touched folder."""
        steps: list[str] = []
        replace, fsync_folder = os.replace, module.sync_folder
        monkeypatch.setattr(module, "_syncfs", lambda _: steps.append("sync") or 0)
        monkeypatch.setattr(os, "replace", lambda a, b: steps.append("name") or replace(a, b))
        monkeypatch.setattr(module, "sync_folder", lambda n: steps.append(os.path.relpath(n, out)) or fsync_folder(n))
        shelf.keep([(written(shelf, b"1"), "p/s/1.dcm"), (written(shelf, b"2"), "p/s/2.dcm")])
        assert steps[:3] == ["sync", "name", "name"]
        assert sorted(steps[3:]) == [".", "p", "p/s"]
        steps.clear()
        shelf.keep([(written(shelf, b"3"), "p/s/3.dcm"), (written(shelf, b"4"), "p/t/4.dcm")])
        assert sorted(steps[3:]) == ["p", "p/s", "p/t"]

    def test_a_folder_that_had_to_be_made_is_durable_with_those_above_it(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        synced: list[Path] = []
        monkeypatch.setattr(os, "fsync", lambda handle: synced.append(Path(f"/proc/self/fd/{handle}").readlink()))
        FolderShelf(tmp_path / "a" / "out", ALIAS).close()
        assert synced == [tmp_path / "a", tmp_path]

    def test_without_syncfs_every_file_is_synced_by_itself(
        self, shelf: FolderShelf, out: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        synced: list[int] = []
        fsync = os.fsync
        monkeypatch.setattr(os, "fsync", lambda fd: synced.append(os.fstat(fd).st_ino) or fsync(fd))
        for missing in (None, lambda _: ctypes.set_errno(errno.ENOSYS) or -1):
            monkeypatch.setattr(module, "_syncfs", missing)
            paths = [written(shelf, b"%d" % n) for n in range(3)]
            inodes = [Path(path).stat().st_ino for path in paths]
            synced.clear()
            shelf.keep([(path, f"{n}.dcm") for n, path in enumerate(paths)])
            assert synced[:3] == inodes
            assert len(visible(out)) == 3


class TestFailing:
    def test_a_sync_that_fails_is_said_and_nothing_gets_its_name(
        self, shelf: FolderShelf, out: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        calls = []

        def fails(_: int) -> int:
            calls.append(1)
            ctypes.set_errno(errno.EIO)
            return -1

        monkeypatch.setattr(module, "_syncfs", fails)
        with pytest.raises(Temporary) as stop:
            shelf.keep([(written(shelf, b"1"), "1.dcm")])
        assert stop.value.code == "cannot_write"
        assert visible(out) == {}
        assert len(calls) == 1  # a disk that failed once is not asked again until it says yes

    @pytest.mark.parametrize(
        ("number", "code"), [(errno.ENOSPC, "disk_full"), (errno.EDQUOT, "disk_full"), (errno.EIO, "cannot_write")]
    )
    @pytest.mark.parametrize("call", ["fsync", "replace", "makedirs"])
    def test_whatever_fails_has_a_code_and_a_repeat_finishes(
        self, call: str, number: int, code: str, shelf: FolderShelf, out: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fails(*_: object, **__: object) -> None:
            raise OSError(number, "/a/secret")

        monkeypatch.setattr(module, "_syncfs", None)
        pairs = [(written(shelf, b"%d" % n), f"p{n}/{n}.dcm") for n in range(3)]
        with monkeypatch.context() as patch:
            patch.setattr(os, call, fails)
            with pytest.raises(Temporary) as stop:
                shelf.keep(pairs)
        assert stop.value.code == code
        assert "secret" not in str(stop.value)
        assert visible(out) == {}
        shelf.keep(pairs)
        assert visible(out) == {f"p{n}/{n}.dcm": b"%d" % n for n in range(3)}

    def test_half_way_through_the_names_only_whole_files_are_visible(
        self, shelf: FolderShelf, out: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        replace, left = os.replace, 2
        pairs = [(written(shelf, b"whole"), f"{n}.dcm") for n in range(4)]

        def stops(old: str, new: str) -> None:
            nonlocal left
            if not left:
                raise OSError(errno.EIO, "")
            left -= 1
            replace(old, new)

        with monkeypatch.context() as patch:
            patch.setattr(os, "replace", stops)
            with pytest.raises(Temporary):
                shelf.keep(pairs)
        assert visible(out) == {"0.dcm": b"whole", "1.dcm": b"whole"}

    @pytest.mark.parametrize(("number", "code"), [(errno.ENOSPC, "disk_full"), (errno.EROFS, "cannot_write")])
    def test_a_fresh_file_that_cannot_be_made_says_why(
        self, number: int, code: str, shelf: FolderShelf, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fails(*_: object, **__: object) -> int:
            raise OSError(number, "")

        with monkeypatch.context() as patch:
            patch.setattr(os, "open", fails)
            with pytest.raises(Temporary) as stop:
                shelf.new()
        assert stop.value.code == code

    def test_a_folder_that_cannot_be_made_is_a_setting_to_correct(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("no folder")
        with pytest.raises(Misconfigured) as stop:
            FolderShelf(tmp_path / "file" / "out", ALIAS)
        assert (stop.value.code, stop.value.place) == ("output_unwritable", str(tmp_path / "file" / "out"))


@contextlib.contextmanager
def small_disk(folder: Path) -> Iterator[None]:
    """A file system of 64 KiB, where this user may mount one; skips loudly where not."""
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("this user may not mount a small file system; the same is tested with a failing system call")
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


class TestFullDisk:
    def test_a_full_disk_leaves_what_was_finished_and_no_half_file(self, tmp_path: Path) -> None:
        folder = tmp_path / "small"
        with small_disk(folder):
            shelf = FolderShelf(folder / "out", ALIAS)
            shelf.keep([(written(shelf, b"x" * 20_000), "first.dcm")])
            sheet = shelf.new()
            with pytest.raises(Temporary) as stop:
                sheet.emit([b"y" * 30_000, b"z" * 30_000], MemorySource(b""))
            sheet.close()
            assert stop.value.code == "disk_full"
            shelf.drop(sheet.place)
            assert visible(folder / "out") == {"first.dcm": b"x" * 20_000}
            shelf.keep([(written(shelf, b"y" * 20_000), "second.dcm")])
            assert len(visible(folder / "out")) == 2
            shelf.close()

    def test_a_write_that_finds_no_room_is_a_full_disk(
        self, shelf: FolderShelf, out: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def full(fd: int, pieces: list[bytes]) -> int:
            raise OSError(errno.ENOSPC, "")

        sheet = shelf.new()
        with monkeypatch.context() as patch:
            patch.setattr(os, "writev", full)
            with pytest.raises(Temporary) as stop:
                sheet.emit([b"bytes"], MemorySource(b""))
        sheet.close()
        assert stop.value.code == "disk_full"
        shelf.drop(sheet.place)
        assert visible(out) == {}


class TestScratchShelf:
    def test_a_file_that_cannot_be_made_is_no_fault_of_the_object(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def none_left(*_: object) -> int:
            raise OSError(errno.EMFILE, "Too many open files")

        shelf = ScratchShelf()
        with monkeypatch.context() as patched:
            patched.setattr(os, "open", none_left)
            with pytest.raises(Temporary) as told:
                shelf.new()
        assert told.value.code == "no_descriptors"
        shelf.close()

    def test_a_dry_run_keeps_nothing(self) -> None:
        shelf = ScratchShelf()
        kept, dropped = written(shelf, b"1"), written(shelf, b"2")
        assert Path(kept).read_bytes() == b"1"
        shelf.keep([(kept, "a/b.dcm")])
        shelf.drop(dropped)
        shelf.drop(dropped)
        folder = Path(kept).parent
        assert list(folder.iterdir()) == []
        shelf.close()
        assert not folder.exists()
