"""The unit key: found in each of its places, never the project's, never overwritten, never made where one was lost."""

from __future__ import annotations

import os
import pickle
import stat
from functools import partial
from pathlib import Path

import pytest

from stowgate.errors import Misconfigured
from stowgate.vault import epoch_file, unit_key
from stowgate.vault.epochs import Epochs
from stowgate.vault.key import Key, render
from stowgate.vault.unit_key import (
    PASSPHRASE,
    Keyring,
    UnitKey,
    from_passphrase,
    load_unit_key,
    obtain_unit_key,
    salt_of,
    write_unit_key,
)
from tests.vault.cut import cut_at

SECRET = bytes(range(32))
KEY = UnitKey(SECRET)


@pytest.fixture
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unit_key, "_LOG_COST", 4)


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    return tmp_path / "spool"


def ring(tmp_path: Path, **environ: str) -> Keyring:
    return Keyring(tmp_path, environ)


def used(spool: Path, key: UnitKey = KEY) -> Path:
    """A spool that has an epoch under a key."""
    for folder in (spool, spool / "epochs"):
        folder.mkdir(mode=0o700, exist_ok=True)
    Epochs(spool / "epochs", key).begin()
    return spool


def refusal(reference: str, spool: Path, ring: Keyring) -> tuple[str, str]:
    with pytest.raises(Misconfigured) as refused:
        load_unit_key(reference, spool, ring)
    assert SECRET.hex() not in str(refused.value)
    return refused.value.code, refused.value.place


class TestKey:
    def test_it_has_an_id_of_its_own_that_a_project_key_of_the_same_bytes_has_not(self) -> None:
        assert len(KEY.id) == 16
        assert not KEY.id.startswith(Key(SECRET).id)
        assert Key(SECRET) != KEY
        assert UnitKey.parse(KEY.render()) == KEY

    def test_it_is_never_printed_or_pickled(self) -> None:
        assert repr(SECRET)[2:20] not in f"{KEY} {KEY!r}"
        with pytest.raises(TypeError, match="never"):
            pickle.dumps(KEY)


class TestFile:
    def test_the_first_use_makes_a_private_one_beside_the_configuration(self, tmp_path: Path, spool: Path) -> None:
        key, made = obtain_unit_key("file:unit.key", spool, ring(tmp_path))
        again, made_again = obtain_unit_key("file:unit.key", spool, ring(tmp_path))
        assert (made, made_again) == (True, False)
        assert key == again
        assert stat.S_IMODE((tmp_path / "unit.key").stat().st_mode) == 0o600
        assert list(spool.iterdir()) == [], "it is made first: no key is left over where it cannot be"

    def test_what_a_dead_process_left_beside_it_goes(self, tmp_path: Path, spool: Path) -> None:
        obtain_unit_key("file:unit.key", spool, ring(tmp_path))
        for name in (".unit.key.0123.part", ".unit.key.new.0123.part", ".other.key.0123.part", "unit.key.part"):
            (tmp_path / name).write_text("half")
        obtain_unit_key("file:unit.key", spool, ring(tmp_path))
        assert {path.name for path in tmp_path.iterdir()} == {
            "unit.key",
            ".other.key.0123.part",
            "unit.key.part",
            "spool",
        }

    def test_a_lost_key_is_not_replaced_by_one_that_opens_nothing(self, tmp_path: Path, spool: Path) -> None:
        used(spool)
        with pytest.raises(Misconfigured) as refused:
            obtain_unit_key("file:unit.key", spool, ring(tmp_path))
        assert refused.value.code == "key_missing"
        assert not (tmp_path / "unit.key").exists()

    def test_one_that_is_there_is_never_overwritten(self, tmp_path: Path, spool: Path) -> None:
        (tmp_path / "unit.key").write_text("mine")
        (tmp_path / "unit.key").chmod(0o600)
        with pytest.raises(Misconfigured) as refused:
            obtain_unit_key("file:unit.key", spool, ring(tmp_path))
        assert refused.value.code == "key_damaged"
        with pytest.raises(Misconfigured) as refused:
            write_unit_key(KEY, tmp_path / "unit.key")
        assert refused.value.code == "key_exists"
        assert (tmp_path / "unit.key").read_text() == "mine"

    def test_a_dangling_link_is_no_first_use(self, tmp_path: Path, spool: Path) -> None:
        (tmp_path / "unit.key").symlink_to(tmp_path / "unplugged")
        with pytest.raises(Misconfigured) as refused:
            obtain_unit_key("file:unit.key", spool, ring(tmp_path))
        assert refused.value.code == "key_missing"

    def test_one_that_others_can_read_is_refused(self, tmp_path: Path, spool: Path) -> None:
        write_unit_key(KEY, tmp_path / "k")
        (tmp_path / "k").chmod(0o640)
        assert refusal("file:k", spool, ring(tmp_path)) == ("key_permissions", str(tmp_path / "k"))

    def test_a_project_key_is_not_taken(self, tmp_path: Path, spool: Path) -> None:
        (tmp_path / "k").write_text(render(Key(SECRET)))
        (tmp_path / "k").chmod(0o600)
        code, place = refusal("file:k", spool, ring(tmp_path))
        assert code == "wrong_key"
        assert "project key" in place


class TestOtherPlaces:
    def test_a_variable_holds_the_text_of_a_key_file(self, tmp_path: Path, spool: Path) -> None:
        assert load_unit_key("env:UNIT", spool, ring(tmp_path, UNIT=KEY.render())) == KEY
        assert refusal("env:UNIT", spool, ring(tmp_path)) == ("key_missing", "env:UNIT")
        assert refusal("env:UNIT", spool, ring(tmp_path, UNIT="0" * 52)) == ("key_damaged", "env:UNIT")

    def test_a_credential_of_systemd_is_a_file_of_its_folder(self, tmp_path: Path, spool: Path) -> None:
        (tmp_path / "spool-key").write_text(KEY.render())
        (tmp_path / "spool-key").chmod(0o440)
        given = ring(tmp_path / "elsewhere", CREDENTIALS_DIRECTORY=str(tmp_path))
        assert load_unit_key("systemd:spool-key", spool, given) == KEY
        assert refusal("systemd:none", spool, given)[0] == "key_missing"
        assert refusal("systemd:../spool-key", spool, given)[0] == "key_missing"
        assert refusal("systemd:spool-key", spool, ring(tmp_path))[0] == "key_missing"

    @pytest.mark.parametrize("reference", ["", "file:", "env:", "systemd:", "unit.key", "kms:x", "passphrase:secret"])
    def test_what_is_no_reference_is_a_bad_setting(self, tmp_path: Path, spool: Path, reference: str) -> None:
        assert refusal(reference, spool, ring(tmp_path)) == ("bad_setting", "[spool] key")


@pytest.mark.usefixtures("cheap")
class TestPassphrase:
    def test_the_same_phrase_makes_the_same_key_in_the_same_spool_only(self, tmp_path: Path, spool: Path) -> None:
        given = ring(tmp_path, **{PASSPHRASE: "correct horse"})
        key = load_unit_key("passphrase", spool, given)
        assert load_unit_key("passphrase", spool, given) == key
        assert load_unit_key("passphrase", tmp_path / "other", given) != key
        assert load_unit_key("passphrase", spool, ring(tmp_path, **{PASSPHRASE: "correct horsf"})) != key

    def test_the_salt_is_private_and_the_folders_are(self, tmp_path: Path, spool: Path) -> None:
        load_unit_key("passphrase", spool, ring(tmp_path, **{PASSPHRASE: "x"}))
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (spool, *spool.rglob("*"))}
        assert modes == {"spool": 0o700, "epochs": 0o700, "passphrase.salt": 0o600}

    def test_cut_at_any_call_of_its_first_use_it_still_opens_what_came_after(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for number in range(1, 100):
            spool, given = tmp_path / str(number), ring(tmp_path, **{PASSPHRASE: "x"})
            if not cut_at(number, monkeypatch, partial(load_unit_key, "passphrase", spool, given)):
                break
            key = load_unit_key("passphrase", spool, given)
            used(spool, key)
            epoch_file.sweep(spool / "epochs")
            assert load_unit_key("passphrase", spool, given) == key
            assert {path.suffix for path in (spool / "epochs").iterdir()} == {".epoch", ".salt"}
        assert 4 < number < 20

    def test_it_is_asked_for_where_there_is_a_terminal(self, tmp_path: Path, spool: Path) -> None:
        asked = Keyring(tmp_path, {}, lambda: "typed")
        assert load_unit_key("passphrase", spool, asked) == from_passphrase("typed", salt_of(spool))
        assert refusal("passphrase", spool, Keyring(tmp_path, {}, lambda: "")) == ("key_missing", PASSPHRASE)
        assert refusal("passphrase", spool, ring(tmp_path)) == ("key_missing", PASSPHRASE)

    def test_a_lost_or_damaged_salt_is_said_and_never_made_anew(self, tmp_path: Path, spool: Path) -> None:
        given = ring(tmp_path, **{PASSPHRASE: "x"})
        used(spool, load_unit_key("passphrase", spool, given))
        salt = spool / "epochs" / "passphrase.salt"
        whole = salt.read_text()
        for damaged in ("", whole[:-5], "scrypt 63 8 2 " + "0" * 64, whole.replace("scrypt", "argon2")):
            salt.write_text(damaged)
            assert refusal("passphrase", spool, given)[0] == "key_damaged"
        salt.unlink()
        assert refusal("passphrase", spool, given) == ("key_missing", str(salt))
        assert not salt.exists()


def test_stretching_a_phrase_costs_a_guesser_memory_and_time() -> None:
    """scrypt with N = 2^16, r = 8, p = 2; the vector is our own, so that a changed default is seen."""
    salt = f"scrypt {unit_key._LOG_COST} {unit_key._BLOCK} {unit_key._LANES} {'ab' * 32}\n"
    assert salt.startswith("scrypt 16 8 2 ")
    assert from_passphrase("correct horse", salt).id == "1bfaccdcd2be037f"


def test_no_two_new_keys_are_the_same() -> None:
    assert len({UnitKey.new().secret for _ in range(50)}) == 50
    assert os.environ.get(PASSPHRASE) is None
