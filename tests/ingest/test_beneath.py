"""Files below a folder: no link is followed, no name is taken away, and only what was read is deleted."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from stowgate.dicom.source import FileSource
from stowgate.errors import Rejected
from stowgate.ingest.beneath import Beneath, identity, is_being_written


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "in"
    (folder / "a" / "b").mkdir(parents=True)
    (folder / "a" / "b" / "1.dcm").write_bytes(b"one")
    (folder / "2.dcm").write_bytes(b"two")
    return folder


def names(root: Path, *leave_out: Path) -> list[str]:
    return sorted(Beneath(str(root), map(str, leave_out)).walk())


def listed(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def was(path: Path) -> tuple[int, int, int, int]:
    return identity(path.stat())


def test_a_walk_sees_regular_files_and_nothing_else(root: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.dcm").write_bytes(b"x")
    os.mkfifo(root / "pipe")
    (root / "link.dcm").symlink_to(outside / "secret.dcm")
    (root / "linked").symlink_to(outside)
    (root / ".hidden.dcm").write_bytes(b"x")
    (root / ".git").mkdir()
    (root / ".git" / "3.dcm").write_bytes(b"x")
    assert names(root) == ["2.dcm", "a/b/1.dcm"]


def test_what_is_left_out_is_not_entered_wherever_it_is(root: Path) -> None:
    (root / "again").symlink_to(root / "a")
    beneath = Beneath(str(root), [str(root / "again")])  # named by a link: it is the folder that counts
    assert sorted(beneath.walk()) == ["2.dcm"]
    assert beneath.is_complete
    assert beneath.status("a/b/1.dcm") is None


def test_a_walk_that_could_not_enter_everything_says_so(root: Path) -> None:
    beneath = Beneath(str(root))
    found = beneath.walk()
    first = next(found)
    (root / "a").rename(root.parent / "gone")
    assert [first, *found] == ["2.dcm"]
    assert not beneath.is_complete


def test_a_root_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        next(Beneath(str(tmp_path / "none")).walk())


@pytest.mark.parametrize("act", ["status", "open", "remove", "move"])
def test_a_folder_that_became_a_link_leads_nowhere(root: Path, tmp_path: Path, act: str) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "1.dcm").write_bytes(b"one")
    seen = was(outside / "1.dcm")
    (root / "a" / "b" / "1.dcm").unlink()
    (root / "a" / "b").rmdir()
    (root / "a" / "b").symlink_to(outside)
    beneath = Beneath(str(root))
    if act == "status":
        assert beneath.status("a/b/1.dcm") is None
    else:
        more = {"open": (), "remove": (seen,), "move": (seen, Beneath(str(tmp_path / "taken")))}[act]
        with pytest.raises(OSError, match=r"."):
            getattr(beneath, act)("a/b/1.dcm", *more)
    assert (outside / "1.dcm").read_bytes() == b"one"


def test_a_link_in_place_of_a_file_is_not_opened(root: Path) -> None:
    (root / "3.dcm").symlink_to(root / "2.dcm")
    with pytest.raises(Rejected, match="could not be read"):
        Beneath(str(root)).open("3.dcm")
    assert Beneath(str(root)).status("3.dcm") is None


def test_a_removed_file_is_gone_and_nothing_stays_beside_it(root: Path) -> None:
    assert Beneath(str(root)).remove("2.dcm", was(root / "2.dcm"))
    assert listed(root) == ["a"]


def test_another_file_that_took_the_name_is_not_removed(root: Path) -> None:
    seen = was(root / "2.dcm")
    (root / "new").write_bytes(b"new")
    (root / "new").rename(root / "2.dcm")
    assert not Beneath(str(root)).remove("2.dcm", seen)
    assert (root / "2.dcm").read_bytes() == b"new"
    assert listed(root) == ["2.dcm", "a"]


def test_a_moved_file_keeps_its_place_below_the_other_folder(root: Path, tmp_path: Path) -> None:
    assert Beneath(str(root)).move("a/b/1.dcm", was(root / "a/b/1.dcm"), Beneath(str(tmp_path / "taken")))
    assert (tmp_path / "taken/a/b/1.dcm").read_bytes() == b"one"
    assert names(root) == ["2.dcm"]
    assert (tmp_path / "taken").stat().st_mode & 0o077 == 0


def test_a_moved_file_never_takes_the_place_of_another(root: Path, tmp_path: Path) -> None:
    taken = tmp_path / "taken"
    taken.mkdir()
    (taken / "2.dcm").write_bytes(b"first")
    (taken / "2-1.dcm").write_bytes(b"second")
    assert Beneath(str(root)).move("2.dcm", was(root / "2.dcm"), Beneath(str(taken)))
    assert {path.name: path.read_bytes() for path in taken.iterdir()} == {
        "2.dcm": b"first", "2-1.dcm": b"second", "2-2.dcm": b"two",
    }  # fmt: skip


def test_another_file_that_took_the_name_is_moved_back(root: Path, tmp_path: Path) -> None:
    seen = was(root / "2.dcm")
    (root / "new").write_bytes(b"new")
    (root / "new").rename(root / "2.dcm")
    assert not Beneath(str(root)).move("2.dcm", seen, Beneath(str(tmp_path / "taken")))
    assert (root / "2.dcm").read_bytes() == b"new"
    assert not list((tmp_path / "taken").iterdir())


def test_a_file_that_a_dead_process_was_about_to_delete_is_found_again(root: Path) -> None:
    (root / "2.dcm").rename(root / ".stowgate-taken-00ff")
    names(root)
    assert names(root) == ["a/b/1.dcm", "stowgate-taken-00ff"]
    assert (root / "stowgate-taken-00ff").read_bytes() == b"two"


def test_no_descriptor_stays_open(root: Path, tmp_path: Path) -> None:
    before = len(listed(Path("/proc/self/fd")))
    for _ in range(5):
        beneath = Beneath(str(root), [str(root / "a")])
        list(beneath.walk())
        beneath.status("a/b/1.dcm")
        beneath.status("2.dcm/x")
        beneath.open("2.dcm").close()
    assert len(listed(Path("/proc/self/fd"))) == before


def test_a_file_that_somebody_writes_to_is_known(root: Path) -> None:
    with FileSource(root / "2.dcm") as source:
        assert not is_being_written(source)
    with (root / "2.dcm").open("ab"), FileSource(root / "2.dcm") as source:
        assert is_being_written(source)
    with FileSource(root / "2.dcm") as source:
        assert not is_being_written(source)
        (root / "2.dcm").open("ab").close()  # nobody is kept waiting, and nobody is killed


def test_a_folder_that_came_stands_for_the_files_below_it(root: Path, tmp_path: Path) -> None:
    (root / "a" / ".hidden").mkdir()
    (root / "a" / ".hidden" / "x.dcm").write_bytes(b"x")
    (root / "link").symlink_to(root / "a")
    beneath = Beneath(str(root), [str(root / "out")])
    (root / "out").mkdir()
    (root / "out" / "3.dcm").write_bytes(b"three")
    assert list(beneath.at("a")) == ["a/b/1.dcm"]
    assert list(beneath.at("a/b/1.dcm")) == ["a/b/1.dcm"]
    for name in ("link", "out", "gone"):  # no folder to enter: a look at the name itself finds no file, too
        assert list(beneath.at(name)) == [name]
        assert beneath.status(name) is None
