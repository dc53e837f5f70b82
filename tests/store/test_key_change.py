"""`keys rotate`: from any place a key can be in to any other, only while nobody runs, and no payload is touched."""

from __future__ import annotations

from pathlib import Path

import pytest

from stowgate.errors import Misconfigured, Temporary
from stowgate.store.key_change import change_unit_key
from stowgate.store.lock import is_held
from stowgate.store.spool import Facts
from stowgate.store.spool_folder import open_spool
from stowgate.vault import unit_key
from stowgate.vault.epochs import look
from stowgate.vault.unit_key import EPOCHS, PASSPHRASE, Keyring, UnitKey, load_unit_key, obtain_unit_key

DATA = b"an object " * 30_000


@pytest.fixture
def ring(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Keyring:
    monkeypatch.setattr(unit_key, "_LOG_COST", 4)
    return Keyring(tmp_path, {PASSPHRASE: "one", "UNIT": UnitKey(bytes(range(32))).render()})


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    return tmp_path / "spool"


def filled(spool: Path, reference: str, ring: Keyring) -> str:
    key, _ = obtain_unit_key(reference, spool, ring)
    with open_spool(spool, key) as opened:
        writing = opened.raw.new(Facts("ct"))
        writing.write(DATA)
        writing.finish()
        writing.keep()
        return writing.id


def payload(spool: Path) -> dict[str, tuple[bytes, int]]:
    paths = [path for path in (spool / "raw").rglob("*") if path.is_file()]
    return {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in paths}


def opens(spool: Path, key: UnitKey, id: str) -> bool:
    if look(spool / EPOCHS, key).foreign:
        return False
    with open_spool(spool, key) as opened, opened.raw.open(id) as source:
        return source.read(0, source.size) == DATA


PLACES = ["file:unit.key", "env:UNIT", "passphrase"]


@pytest.mark.parametrize(("before", "after"), [(one, two) for one in PLACES for two in PLACES if one != two])
def test_a_key_moves_from_any_place_to_any_other(spool: Path, ring: Keyring, before: str, after: str) -> None:
    id = filled(spool, before, ring)
    old, stored = load_unit_key(before, spool, ring), payload(spool)
    changed = change_unit_key(spool, before, ring, after)
    assert changed == (load_unit_key(after, spool, ring), 1)
    assert (opens(spool, changed.key, id), opens(spool, old, id)) == (True, False)
    assert payload(spool) == stored


def test_a_key_file_gets_a_new_key_in_its_place(spool: Path, ring: Keyring) -> None:
    id = filled(spool, "file:unit.key", ring)
    old = load_unit_key("file:unit.key", spool, ring)
    changed = change_unit_key(spool, "file:unit.key", ring)
    assert changed.key == load_unit_key("file:unit.key", spool, ring) != old
    assert (opens(spool, changed.key, id), opens(spool, old, id)) == (True, False)


def test_a_passphrase_gives_way_to_another(spool: Path, ring: Keyring) -> None:
    id = filled(spool, "passphrase", ring)
    changed = change_unit_key(spool, "passphrase", ring, "passphrase", ring._replace(environ={PASSPHRASE: "two"}))
    assert opens(spool, changed.key, id)
    assert not opens(spool, load_unit_key("passphrase", spool, ring), id)


def refusal(spool: Path, reference: str, ring: Keyring, to: str = "") -> str:
    with pytest.raises(Misconfigured) as refused:
        change_unit_key(spool, reference, ring, to)
    return refused.value.code


def test_nothing_changes_while_a_gateway_runs_or_with_a_key_that_does_not_fit(spool: Path, ring: Keyring) -> None:
    id = filled(spool, "file:unit.key", ring)
    key = load_unit_key("file:unit.key", spool, ring)
    with open_spool(spool, key):
        assert refusal(spool, "file:unit.key", ring) == "spool_in_use"
    assert refusal(spool, "env:UNIT", ring, "passphrase") == "wrong_key"
    assert refusal(spool, "env:UNIT", ring) == "bad_setting"
    assert refusal(spool, "file:none", ring) == "key_missing"
    assert refusal(spool, "file:unit.key", ring, "kms:x") == "bad_setting"
    assert opens(spool, key, id)


def test_where_nothing_lies_yet_there_is_nothing_to_change(spool: Path, ring: Keyring) -> None:
    assert refusal(spool, "file:unit.key", ring) == "key_missing"
    assert not spool.exists()


def test_a_disk_that_fails_meanwhile_is_told_in_our_words(spool: Path, ring: Keyring) -> None:
    filled(spool, "file:unit.key", ring)
    (spool / EPOCHS / "x.part" / "y").mkdir(parents=True)  # cannot be taken away
    with pytest.raises(Temporary) as told:
        change_unit_key(spool, "file:unit.key", ring)
    assert told.value.code == "spool_failed"
    assert not is_held(spool)
