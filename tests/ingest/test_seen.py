"""Fingerprints of files that were dealt with: they survive, they tell nothing, and they do not pile up."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from stowgate.ingest import seen as module
from stowgate.ingest.seen import SeenFiles

KEY = bytes(range(32))


def test_a_noted_file_is_known_after_a_kill(tmp_path: Path) -> None:
    one = SeenFiles(tmp_path / "seen", KEY)
    one.note("/in/1.dcm", 10, 20)
    again = SeenFiles(tmp_path / "seen", KEY)  # nothing was closed
    assert again.has("/in/1.dcm", 10, 20)


def test_another_size_or_time_or_key_is_another_file(tmp_path: Path) -> None:
    one = SeenFiles(tmp_path / "seen", KEY)
    one.note("/in/1.dcm", 10, 20)
    assert not one.has("/in/1.dcm", 11, 20)
    assert not one.has("/in/1.dcm", 10, 21)
    assert not one.has("/in/2.dcm", 10, 20)
    assert not SeenFiles(tmp_path / "seen", bytes(32)).has("/in/1.dcm", 10, 20)


def test_its_file_is_its_owners_and_holds_no_path(tmp_path: Path) -> None:
    one = SeenFiles(tmp_path / "seen", KEY)
    one.note("/in/FOSTER^MAEVE.dcm", 10, 20)
    one.close()
    assert (tmp_path / "seen").stat().st_mode & 0o777 == 0o600
    assert b"FOSTER" not in (tmp_path / "seen").read_bytes()


def test_an_entry_that_was_cut_short_is_written_over(tmp_path: Path) -> None:
    one = SeenFiles(tmp_path / "seen", KEY)
    one.note("1", 1, 1)
    one.close()
    with (tmp_path / "seen").open("ab") as file:
        file.write(b"torn")
    two = SeenFiles(tmp_path / "seen", KEY)
    two.note("2", 2, 2)
    two.close()
    three = SeenFiles(tmp_path / "seen", KEY)
    assert three.has("1", 1, 1)
    assert three.has("2", 2, 2)
    assert (tmp_path / "seen").stat().st_size == 32


def test_what_is_gone_is_forgotten_after_a_look_at_everything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_WORTH", 5)
    one = SeenFiles(tmp_path / "seen", KEY)
    for n in range(10):
        one.note(str(n), n, n)
    one.begin()
    assert one.has("3", 3, 3)
    one.note("new", 1, 1)
    one.forget_the_rest()
    one.note("later", 1, 1)
    one.close()
    assert (tmp_path / "seen").stat().st_size == 3 * 16
    again = SeenFiles(tmp_path / "seen", KEY)
    known = {"3": (3, 3), "4": (4, 4), "new": (1, 1), "later": (1, 1)}
    assert [name for name, look in known.items() if again.has(name, *look)] == ["3", "new", "later"]
    assert [path.name for path in tmp_path.iterdir()] == ["seen"]


def test_a_look_that_was_broken_off_forgets_nothing(tmp_path: Path) -> None:
    one = SeenFiles(tmp_path / "seen", KEY)
    one.note("1", 1, 1)
    one.begin()
    one.begin()
    assert one.has("1", 1, 1)
    one.forget_the_rest()
    assert one.has("1", 1, 1)


def test_a_note_after_the_end_writes_nowhere(tmp_path: Path) -> None:
    one = SeenFiles(tmp_path / "seen", KEY)
    one.close()
    other = os.open(tmp_path / "other", os.O_RDWR | os.O_CREAT)  # gets the same number
    one.note("1", 1, 1)
    one.close()
    assert os.fstat(other).st_size == 0
    os.close(other)
