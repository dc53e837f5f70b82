"""Changing the unit key: cut short anywhere, the old or the new key opens every epoch, and it can be done again."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

import pytest

from stowgate.errors import Misconfigured, Temporary
from stowgate.vault import epoch_file, key_file
from stowgate.vault.epochs import Epochs, look
from stowgate.vault.rotation import rotate, rotate_file
from stowgate.vault.unit_key import UnitKey, load_unit_key, write_unit_key
from tests.vault.cut import cut_at

OLD, NEW = UnitKey(bytes(range(32))), UnitKey(bytes(32))


def filled(folder: Path, count: int = 3) -> dict[bytes, bytes]:
    folder.mkdir(exist_ok=True)
    return {epoch.id: epoch.key for epoch in (Epochs(folder, OLD).begin() for _ in range(count))}


def opened(folder: Path, key: UnitKey) -> dict[bytes, bytes]:
    return {id: epoch.key for id, epoch in look(folder, key).epochs.items()}


def test_every_epoch_opens_with_the_new_key_alone(tmp_path: Path) -> None:
    found = filled(tmp_path / "e")
    assert rotate(tmp_path / "e", OLD, NEW) == 3
    assert opened(tmp_path / "e", NEW) == found
    assert opened(tmp_path / "e", OLD) == {}
    assert Epochs(tmp_path / "e", NEW).ids() == set(found)


def test_the_switch_happens_when_both_keys_open_everything(tmp_path: Path) -> None:
    found = filled(tmp_path / "e")
    seen = []
    rotate(tmp_path / "e", OLD, NEW, lambda: seen.extend(opened(tmp_path / "e", key) for key in (OLD, NEW)))
    assert seen == [found, found]


def test_cut_at_any_call_one_of_the_keys_opens_everything_and_a_second_try_ends_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(1, 1000):
        folder = tmp_path / str(number)
        found, switched = filled(folder), []
        if not cut_at(number, monkeypatch, partial(rotate, folder, OLD, NEW, partial(switched.append, 1))):
            break
        assert found in (opened(folder, OLD), opened(folder, NEW)), number
        assert opened(folder, NEW if switched else OLD) == found
        assert rotate(folder, OLD, NEW) == 3
        assert (opened(folder, NEW), opened(folder, OLD)) == (found, {})
    assert 20 < number < 100


def test_cut_at_any_call_a_key_file_holds_a_key_that_opens_everything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(1, 1000):
        spool = tmp_path / str(number)
        spool.mkdir()
        path = spool / "unit.key"
        write_unit_key(OLD, path)
        found = filled(spool / "epochs")
        if not cut_at(number, monkeypatch, partial(rotate_file, path, spool / "epochs")):
            break
        key = load_unit_key(f"file:{path}", spool)
        assert opened(spool / "epochs", key) == found, number
        assert Epochs(spool / "epochs", key).ids() == set(found)  # and starting with it ends what was cut short
        assert look(spool / "epochs", key).shared == frozenset()
        again, count = rotate_file(path, spool / "epochs")
        assert (count, load_unit_key(f"file:{path}", spool)) == (3, again)
        assert opened(spool / "epochs", again) == found
        assert not path.with_name("unit.key.new").exists()
    assert 20 < number < 100
    assert load_unit_key(f"file:{path}", spool) != OLD


def test_opening_ends_a_change_that_was_cut_short_with_whichever_key_fits(tmp_path: Path) -> None:
    for stays, goes in ((OLD, NEW), (NEW, OLD)):
        folder = tmp_path / stays.id
        found = filled(folder)
        for id, key in found.items():
            epoch_file.write(folder, id, [epoch_file.wrap(OLD, id, key), epoch_file.wrap(NEW, id, key)])
        Epochs(folder, stays)
        assert (opened(folder, stays), opened(folder, goes)) == (found, {})


def test_a_full_disk_does_not_keep_a_spool_from_opening_half_way_through_a_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = filled(tmp_path / "e")
    for id, key in found.items():
        epoch_file.write(tmp_path / "e", id, [epoch_file.wrap(OLD, id, key), epoch_file.wrap(NEW, id, key)])

    def full(*_: object) -> int:
        raise OSError(28, "")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        assert Epochs(tmp_path / "e", OLD).ids() == set(found)
        with pytest.raises(Temporary) as failed:
            rotate(tmp_path / "e", OLD, NEW)
    assert failed.value.code == "disk_full"
    assert opened(tmp_path / "e", OLD) == found


def test_two_keys_that_do_not_fit_change_nothing(tmp_path: Path) -> None:
    found = filled(tmp_path / "e")
    with pytest.raises(Misconfigured) as refused:
        rotate(tmp_path / "e", UnitKey.new(), NEW)
    assert refused.value.code == "wrong_key"
    assert opened(tmp_path / "e", OLD) == found


def test_no_key_is_ever_written_over_another(tmp_path: Path) -> None:
    """The new one takes the old one's place in one rename, after it opens everything."""
    write_unit_key(OLD, tmp_path / "unit.key")
    with pytest.raises(Misconfigured) as refused:
        key_file.write_new(b"other", tmp_path / "unit.key")
    assert refused.value.code == "key_exists"
