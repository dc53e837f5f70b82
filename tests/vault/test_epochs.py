"""Epoch keys: begun when they should, opened by the right key alone, and gone for good when they are destroyed."""

from __future__ import annotations

import errno
import os
import stat
from functools import partial
from pathlib import Path
from threading import Thread

import pytest

from stowgate.errors import Misconfigured, Rejected, Temporary
from stowgate.vault import epoch_file
from stowgate.vault.epochs import Epochs, look
from stowgate.vault.unit_key import UnitKey
from tests.vault.cut import cut_at

KEY, OTHER = UnitKey(bytes(range(32))), UnitKey(bytes(32))


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def files(folder: Path) -> list[Path]:
    return sorted(folder.iterdir())


def filled(folder: Path, count: int, key: UnitKey = KEY) -> dict[bytes, bytes]:
    """Some epochs, each begun by a start of its own: id -> key."""
    found = [Epochs(folder, key).begin() for _ in range(count)]
    return {epoch.id: epoch.key for epoch in found}


class TestBeginning:
    def test_opening_alone_makes_none(self, tmp_path: Path) -> None:
        Epochs(tmp_path, KEY)
        assert files(tmp_path) == []

    def test_one_begins_with_the_first_object_of_each_start(self, tmp_path: Path) -> None:
        first = Epochs(tmp_path, KEY)
        assert first.begin() == first.begin()
        second = Epochs(tmp_path, KEY)
        assert second.begin().id != first.begin().id
        assert len(files(tmp_path)) == 2

    def test_one_begins_after_so_many_objects(self, tmp_path: Path) -> None:
        epochs = Epochs(tmp_path, KEY, objects=3)
        ids = [epochs.begin().id for _ in range(7)]
        assert [ids.index(id) for id in ids] == [0, 0, 0, 3, 3, 3, 6]

    def test_one_begins_after_so_long_whatever_the_wall_clock_says(self, tmp_path: Path) -> None:
        clock = Clock()
        epochs = Epochs(tmp_path, KEY, seconds=60, clock=clock)
        first = epochs.begin()
        clock.now += 59.9
        assert epochs.begin() == first
        clock.now += 0.2
        second = epochs.begin()
        assert second != first
        clock.now += 59.9
        assert epochs.begin() == second

    def test_ids_and_keys_are_random_and_the_file_is_private(self, tmp_path: Path) -> None:
        found = filled(tmp_path, 20)
        assert len(set(found.values())) == 20
        for path in files(tmp_path):
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
            assert found[epoch_file.id_of(path)] not in path.read_bytes()
            assert path.stat().st_size < 4096

    def test_many_threads_share_one(self, tmp_path: Path) -> None:
        epochs, found = Epochs(tmp_path, KEY, objects=1000), []
        threads = [Thread(target=lambda: found.extend(epochs.begin().id for _ in range(50))) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(found) == 400
        assert len(set(found)) == len(files(tmp_path)) == 1

    def test_its_key_is_on_the_disk_before_anything_hangs_on_it(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        said: list[str] = []

        def noted(name: str) -> None:
            real = getattr(os, name)
            monkeypatch.setattr(os, name, lambda *arguments: (said.append(name), real(*arguments))[1])

        for name in ("write", "fsync", "rename"):
            noted(name)
        Epochs(tmp_path, KEY).begin()
        assert said == ["write", "fsync", "rename", "fsync"]

    @pytest.mark.parametrize("call", ["open", "write", "fsync", "rename"])
    @pytest.mark.parametrize(("number", "code"), [(errno.ENOSPC, "disk_full"), (errno.EIO, "spool_failed")])
    def test_a_disk_that_fails_leaves_no_half_file_and_the_next_object_tries_again(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, number: int, code: str
    ) -> None:
        epochs = Epochs(tmp_path, KEY)

        def fails(*_: object) -> int:
            raise OSError(number, "/a/secret/path")

        with monkeypatch.context() as patch:
            patch.setattr(os, call, fails)
            with pytest.raises(Temporary) as failed:
                epochs.begin()
        assert failed.value.code == code
        assert "secret" not in str(failed.value)
        assert files(tmp_path) == []
        epochs.begin()
        assert len(files(tmp_path)) == 1


class TestOpening:
    def test_every_epoch_opens_again(self, tmp_path: Path) -> None:
        found = filled(tmp_path, 5)
        epochs = Epochs(tmp_path, KEY)
        assert {id: epochs.key(id) for id in epochs.ids()} == found

    def test_another_key_is_refused_and_changes_nothing(self, tmp_path: Path) -> None:
        filled(tmp_path, 2)
        before = [path.read_bytes() for path in files(tmp_path)]
        with pytest.raises(Misconfigured) as refused:
            Epochs(tmp_path, OTHER)
        assert refused.value.code == "wrong_key"
        assert OTHER.id in refused.value.place
        assert "2 of 2" in refused.value.place
        assert [path.read_bytes() for path in files(tmp_path)] == before

    def test_an_epoch_that_is_not_there_is_damage_to_its_objects(self, tmp_path: Path) -> None:
        with pytest.raises(Rejected) as refused:
            Epochs(tmp_path, KEY).key(bytes(16))
        assert refused.value.code == "spool_damaged"

    def test_every_flipped_byte_and_every_cut_is_damage_to_this_epoch_and_no_other(self, tmp_path: Path) -> None:
        filled(tmp_path, 2)
        path, _ = files(tmp_path)
        whole = path.read_bytes()
        changed = [whole[:at] + bytes([whole[at] ^ 1 << at % 8]) + whole[at + 1 :] for at in range(len(whole))]
        for content in (*changed, *(whole[:length] for length in range(len(whole))), whole + b"\0"):
            path.write_bytes(content)
            epochs = Epochs(tmp_path, KEY)
            assert epochs.damaged == {epoch_file.id_of(path)}
            assert len(epochs.ids()) == 1
        path.write_bytes(whole)
        assert Epochs(tmp_path, KEY).damaged == frozenset()

    def test_one_epoch_under_the_name_of_another_is_damage(self, tmp_path: Path) -> None:
        filled(tmp_path, 2)
        one, two = files(tmp_path)
        one.write_bytes(two.read_bytes())
        assert Epochs(tmp_path, KEY).damaged == {epoch_file.id_of(one)}

    def test_only_parts_are_swept(self, tmp_path: Path) -> None:
        filled(tmp_path, 1)
        (tmp_path / "x.epoch.part").write_bytes(b"half")
        (tmp_path / "notes").write_bytes(b"somebody's")
        assert epoch_file.sweep(tmp_path) == 1
        assert {path.suffix for path in files(tmp_path)} == {"", ".epoch"}
        assert len(Epochs(tmp_path, KEY).ids()) == 1


class TestDestroying:
    def test_a_destroyed_epoch_is_overwritten_and_gone(self, tmp_path: Path) -> None:
        (id,) = filled(tmp_path, 1)
        (path,) = files(tmp_path)
        whole, beside = path.read_bytes(), tmp_path / "beside"
        os.link(path, beside)  # what lies on the same blocks of the disk
        epochs = Epochs(tmp_path, KEY)
        assert epochs.destroy(id, 0)
        assert files(tmp_path) == [beside]
        assert len(beside.read_bytes()) == len(whole)
        assert not any(whole[at : at + 8] in beside.read_bytes() for at in range(0, len(whole) - 8, 8))
        with pytest.raises(Rejected):
            epochs.key(id)

    def test_cut_at_any_call_it_is_there_whole_or_gone_after_the_next_start(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for number in range(1, 100):
            folder = tmp_path / str(number)
            folder.mkdir()
            (id,) = filled(folder, 1)
            if not cut_at(number, monkeypatch, partial(Epochs(folder, KEY).destroy, id, 0)):
                break
            epoch_file.sweep(folder)
            epochs = Epochs(folder, KEY)
            assert epochs.damaged == frozenset()
            assert [path.suffix for path in files(folder)] == [".epoch"] * len(epochs.ids())
        assert 4 < number < 20

    def test_what_is_swept_is_overwritten_first_but_never_through_another_name(self, tmp_path: Path) -> None:
        (tmp_path / "a.epoch.part").write_bytes(b"a wrapped key")
        (tmp_path / "passphrase.salt").write_bytes(b"the salt")
        (tmp_path / ".passphrase.salt.0.part").hardlink_to(tmp_path / "passphrase.salt")  # killed before its unlink
        (tmp_path / "elsewhere").write_bytes(b"somebody's")
        (tmp_path / "b.part").symlink_to(tmp_path / "elsewhere")
        with (tmp_path / "a.epoch.part").open("rb") as blocks:
            assert epoch_file.sweep(tmp_path) == 3
            left = blocks.read()
        assert len(left) == 13
        assert b"wrapped" not in left
        assert (tmp_path / "elsewhere").read_bytes() == b"somebody's"
        assert (tmp_path / "passphrase.salt").read_bytes() == b"the salt"

    def test_it_stays_while_an_object_is_under_it(self, tmp_path: Path) -> None:
        (id,) = filled(tmp_path, 1)
        epochs = Epochs(tmp_path, KEY)
        assert not epochs.destroy(id, 1)
        assert epochs.key(id)

    def test_the_current_one_stays_and_so_does_one_under_which_something_is_written(self, tmp_path: Path) -> None:
        epochs = Epochs(tmp_path, KEY, objects=1)
        lent = epochs.begin()
        current = epochs.begin()
        epochs.end(current)
        assert epochs.idle() == frozenset()
        assert not epochs.destroy(lent.id, 0)
        assert not epochs.destroy(current.id, 0)
        epochs.end(lent)
        assert epochs.idle() == {lent.id}
        assert epochs.destroy(lent.id, 0)

    def test_one_that_is_not_there_is_no_fault(self, tmp_path: Path) -> None:
        assert not Epochs(tmp_path, KEY).destroy(bytes(16), 0)


def test_looking_tells_apart_what_a_key_opens(tmp_path: Path) -> None:
    (mine,) = filled(tmp_path, 1)
    foreign = os.urandom(16)
    epoch_file.write(tmp_path, foreign, [epoch_file.wrap(OTHER, foreign, bytes(32))])
    found = look(tmp_path, KEY)
    assert (set(found.epochs), found.foreign, found.damaged, found.shared) == ({mine}, {foreign}, set(), set())
