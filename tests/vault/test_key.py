"""The project key: never printed, never overwritten, and every damage to its file is found."""

from __future__ import annotations

import copy
import os
import pickle
import stat
import subprocess
import sys
import threading
import traceback
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import stowgate
from stowgate.errors import Misconfigured
from stowgate.framing import mac
from stowgate.vault.key import Key, load, obtain, parse, render, write

SECRET = bytes(range(32))
KEY = Key(SECRET)


def refusal(reference: str | Path, **more: object) -> str:
    with pytest.raises(Misconfigured) as refused:
        load(str(reference), **more)  # type: ignore[arg-type]
    return refused.value.code


class TestKey:
    def test_its_id_is_the_first_eight_digits_of_the_framed_mac(self) -> None:
        assert KEY.id == mac(SECRET, b"key-id").hex()[:8] == "72c4a44f"

    def test_printing_it_shows_the_id_alone(self) -> None:
        texts = [repr(KEY), str(KEY), f"{KEY}", f"{[KEY]}", str({"key": KEY})]
        try:
            raise ValueError(KEY)
        except ValueError:
            texts.append(traceback.format_exc())
        for text in texts:
            assert KEY.id in text
            assert not any(form in text for form in (SECRET.hex(), repr(SECRET)[2:-1], repr(SECRET)[2:20]))

    def test_it_is_never_pickled_or_copied_away(self) -> None:
        with pytest.raises(TypeError, match="never"):
            pickle.dumps(KEY)
        with pytest.raises(TypeError, match="never"):
            copy.copy(KEY)

    def test_it_cannot_be_changed(self) -> None:
        with pytest.raises(AttributeError):
            KEY.id = "00000000"  # type: ignore[misc]

    @pytest.mark.parametrize("length", [0, 16, 31, 33])
    def test_it_has_32_bytes(self, length: int) -> None:
        with pytest.raises(ValueError, match="32 bytes"):
            Key(bytes(length))

    def test_no_two_new_ones_are_the_same(self) -> None:
        assert len({Key.new().secret for _ in range(50)}) == 50

    def test_keys_for_a_purpose_differ_and_are_not_the_key(self) -> None:
        assert len({KEY.sub(b"a"), KEY.sub(b"b"), Key(bytes(32)).sub(b"a"), KEY.secret}) == 4
        assert KEY.sub(b"ledger-path").hex()[:16] == "7c6b376a64e2046b"


class TestText:
    @given(st.binary(min_size=32, max_size=32))
    def test_what_was_written_reads_back(self, secret: bytes) -> None:
        assert parse(render(Key(secret))).secret == secret

    def test_the_format_is_fixed(self) -> None:
        lines = [line for line in render(KEY).splitlines() if not line.startswith("#")]
        assert lines == [
            "version: 1",
            "id: 72c4a44f",
            "key: 0001-081G-8186-0W40-J2GB-1G6G-W3RG-2491-650N-2RBH-G68T-3CE1-T7GZ",
        ]

    def test_people_mix_up_letters_and_digits(self) -> None:
        text = render(KEY)
        body = text.split("key: ")[1]
        for typed in (
            body.lower(),
            body.replace("0", "O"),
            body.replace("0", "o"),
            body.replace("1", "I"),
            body.replace("1", "l"),
            body.replace("-", ""),
        ):
            assert parse(text.replace(body, typed)).secret == SECRET

    def test_one_line_is_enough_for_an_environment(self) -> None:
        assert parse(" ".join(line for line in render(KEY).splitlines() if line[0] != "#")).secret == SECRET

    def test_a_file_from_another_system_has_other_line_ends(self) -> None:
        assert parse("\ufeff" + render(KEY).replace("\n", "\r\n")).secret == SECRET

    @pytest.mark.parametrize("keep", range(len(render(KEY)) - 1))
    def test_cut_anywhere_it_is_found_out(self, keep: int) -> None:
        with pytest.raises(Misconfigured) as refused:
            parse(render(KEY)[:keep])
        assert refused.value.code == "key_damaged"

    @given(st.data())
    def test_a_mistyped_letter_is_found_out(self, data: st.DataObject) -> None:
        text = render(KEY)
        start = text.index("id: ")
        spots = [n for n in range(start, len(text)) if text[n].isalnum() and text[n - 1 : n + 2] not in ("id:", "key")]
        spot = data.draw(st.sampled_from([n for n in spots if text[:n].count("\n") > 3 or n > start + 3]))
        other = data.draw(st.sampled_from("0123456789ABCDEFGHJKMNPQRSTVWXYZ").filter(lambda c: c != text[spot].upper()))
        mistyped = text[:spot] + other + text[spot + 1 :]
        with pytest.raises(Misconfigured):
            parse(mistyped)

    def test_a_later_version_is_not_guessed_at(self) -> None:
        with pytest.raises(Misconfigured):
            parse(render(KEY).replace("version: 1", "version: 2"))

    def test_a_number_too_large_for_a_key_is_refused(self) -> None:
        with pytest.raises(Misconfigured):
            parse(f"version: 1 id: {KEY.id} key: {'Z' * 52}")

    def test_what_is_wrong_with_a_key_never_quotes_it(self) -> None:
        text = render(KEY).replace(KEY.id, "00000000")
        with pytest.raises(Misconfigured) as refused:
            parse(text, "the place")
        shown = "".join(traceback.format_exception(refused.value))
        assert "the place" in shown
        assert text.split("key: ")[1][:9] not in shown


class TestFile:
    def test_it_is_private_and_complete(self, tmp_path: Path) -> None:
        write(KEY, tmp_path / "k")
        assert stat.S_IMODE((tmp_path / "k").stat().st_mode) == 0o600
        assert load(f"file:{tmp_path}/k").secret == load(f"{tmp_path}/k").secret == SECRET
        assert [file.name for file in tmp_path.iterdir()] == ["k"]

    def test_a_loose_umask_does_not_open_it(self, tmp_path: Path) -> None:
        before = os.umask(0)
        try:
            write(KEY, tmp_path / "k")
        finally:
            os.umask(before)
        assert stat.S_IMODE((tmp_path / "k").stat().st_mode) == 0o600

    def test_an_existing_file_is_never_overwritten(self, tmp_path: Path) -> None:
        (tmp_path / "k").write_text("mine")
        with pytest.raises(Misconfigured) as refused:
            write(KEY, tmp_path / "k")
        assert refused.value.code == "key_exists"
        assert (tmp_path / "k").read_text() == "mine"
        assert [file.name for file in tmp_path.iterdir()] == ["k"]

    def test_where_links_are_unknown_it_is_renamed_but_never_over_another(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def no_links(*_: object) -> None:
            raise PermissionError

        monkeypatch.setattr(os, "link", no_links)
        write(KEY, tmp_path / "k")
        assert load(f"{tmp_path}/k").secret == SECRET
        with pytest.raises(Misconfigured) as refused:
            write(Key.new(), tmp_path / "k")
        assert refused.value.code == "key_exists"
        assert [file.name for file in tmp_path.iterdir()] == ["k"]

    def test_a_folder_that_is_not_there_is_said(self, tmp_path: Path) -> None:
        with pytest.raises(Misconfigured) as refused:
            write(KEY, tmp_path / "no" / "k")
        assert refused.value.code == "key_unwritable"

    def test_a_disk_that_fails_leaves_no_file(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def fails(_: int) -> None:
            raise OSError(28, "no room")

        monkeypatch.setattr(os, "fsync", fails)
        with pytest.raises(Misconfigured):
            write(KEY, tmp_path / "k")
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644])
    def test_a_file_others_can_open_is_refused_unless_asked(self, tmp_path: Path, mode: int) -> None:
        write(KEY, tmp_path / "k")
        (tmp_path / "k").chmod(mode)
        assert refusal(tmp_path / "k") == "key_permissions"
        assert load(f"{tmp_path}/k", private=False).secret == SECRET

    def test_what_is_no_file_is_refused_without_waiting(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "pipe", 0o600)
        assert refusal(tmp_path / "pipe") == "key_unreadable"
        assert refusal(tmp_path) == "key_unreadable"
        assert refusal(tmp_path / "none") == "key_missing"

    def test_bytes_that_are_no_text_are_damage(self, tmp_path: Path) -> None:
        (tmp_path / "k").write_bytes(b"\xff\xfe" * 9000)
        (tmp_path / "k").chmod(0o600)
        assert refusal(tmp_path / "k") == "key_damaged"


class TestReferences:
    def test_a_variable_holds_the_text_of_a_key_file(self) -> None:
        assert load("env:PROJECT_KEY", environ={"PROJECT_KEY": render(KEY)}).secret == SECRET

    def test_a_variable_that_is_not_set_or_wrong_is_said(self) -> None:
        assert refusal("env:PROJECT_KEY", environ={}) == "key_missing"
        assert refusal("env:PROJECT_KEY", environ={"PROJECT_KEY": "0" * 52}) == "key_damaged"

    def test_home_is_understood(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HOME", str(tmp_path))
        write(KEY, tmp_path / "k")
        assert load("file:~/k").secret == SECRET


class TestObtain:
    def test_the_first_use_makes_one_and_the_second_finds_it(self, tmp_path: Path) -> None:
        first, made = obtain(tmp_path / "state")
        again, made_again = obtain(tmp_path / "state")
        assert (made, made_again) == (True, False)
        assert first == again
        assert stat.S_IMODE((tmp_path / "state").stat().st_mode) == 0o700

    def test_a_reference_comes_first_and_makes_nothing(self, tmp_path: Path) -> None:
        write(KEY, tmp_path / "k")
        assert obtain(tmp_path / "state", f"file:{tmp_path}/k") == (KEY, False)
        assert not (tmp_path / "state").exists()

    def test_a_lost_key_is_not_replaced_by_one_that_fits_nothing(self, tmp_path: Path) -> None:
        tmp_path.chmod(0o700)
        (tmp_path / "ledger.db").write_bytes(b"")
        with pytest.raises(Misconfigured) as refused:
            obtain(tmp_path)
        assert refused.value.code == "key_missing"
        assert [file.name for file in tmp_path.iterdir()] == ["ledger.db"]

    def test_many_at_once_all_get_the_same_one(self, tmp_path: Path) -> None:
        keys: list[tuple[Key, bool]] = []
        threads = [threading.Thread(target=lambda: keys.append(obtain(tmp_path / "s"))) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len({key.secret for key, _ in keys}) == 1
        assert sum(made for _, made in keys) == 1


def test_looking_after_a_key_imports_nothing_heavy() -> None:
    heavy = ("cryptography", "pydantic", "pydicom", "sqlite3")
    script = f"import sys, stowgate.vault.key; print([name for name in {heavy} if name in sys.modules])"
    env = {**os.environ, "PYTHONPATH": str(Path(stowgate.__file__).parents[1])}
    done = subprocess.run([sys.executable, "-c", script], env=env, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
