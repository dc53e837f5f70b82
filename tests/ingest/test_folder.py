"""Everything below a folder is found once, in a stable order; what is no instance counts too, no link is followed."""

from __future__ import annotations

import os
import random
import socket
from pathlib import Path

import pytest

from stowgate.errors import Misconfigured
from stowgate.ingest.folder import Input, check, find


def found(*places: Path | str, leave_out: tuple[Path, ...] = ()) -> dict[str, str | None]:
    """Codes by path below the folder they share, in the order they were found."""
    return {one.path: one.code for one in find(places, leave_out)}


def names(root: Path, *places: Path, leave_out: tuple[Path, ...] = ()) -> dict[str, str | None]:
    """The same by path relative to a folder."""
    inputs = list(find(places or (root,), leave_out))
    assert len({one.path for one in inputs}) == len(inputs)
    return {os.path.relpath(one.path, root): one.code for one in inputs}


def put(root: Path, *paths: str, text: str = "some bytes") -> None:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)


class TestWhatIsFound:
    def test_files_at_every_depth_whatever_they_are_called(self, tmp_path: Path) -> None:
        put(tmp_path, "a.dcm", "b/c/IM0001", "b/no ending", "b/ümlaut", "b/\U0001f9e0", "b/-rf", "b/x.jpg")
        assert set(names(tmp_path).values()) == {None}
        assert len(names(tmp_path)) == 7

    def test_size_and_time_are_those_of_the_file(self, tmp_path: Path) -> None:
        put(tmp_path, "a", text="123")
        os.utime(tmp_path / "a", ns=(5, 1_700_000_000_123_456_789))
        assert list(find([tmp_path])) == [Input(str(tmp_path / "a"), 3, 1_700_000_000_123_456_789)]

    def test_an_input_does_not_show_its_path(self, tmp_path: Path) -> None:
        put(tmp_path, "VANDERMEER.dcm")
        assert "VANDERMEER" not in repr(next(find([tmp_path])))

    def test_a_name_that_is_no_text_is_found_too(self, tmp_path: Path) -> None:
        raw = os.fsencode(tmp_path) + b"/\xff\xfe.dcm"
        Path(os.fsdecode(raw)).write_text("bytes")
        (one,) = find([tmp_path])
        assert os.fsencode(one.path) == raw
        assert one.code is None

    def test_an_empty_folder_holds_nothing(self, tmp_path: Path) -> None:
        (tmp_path / "a" / "b").mkdir(parents=True)
        assert names(tmp_path) == {}


class TestWhatIsNoInstance:
    def test_each_kind_has_its_code(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        put(tmp_path, "plain", ".hidden", "DICOMDIR", "dicomdir", "sub/DicomDir", ".DS_Store")
        put(tmp_path, "empty", ".empty", "sub/DICOMDIR", text="")
        (tmp_path / "link").symlink_to(tmp_path / "plain")
        (tmp_path / "broken").symlink_to(tmp_path / "nowhere")
        (tmp_path / "folder link").symlink_to(tmp_path / "sub")
        (tmp_path / ".link").symlink_to(tmp_path / "plain")
        os.mkfifo(tmp_path / "pipe")
        monkeypatch.chdir(tmp_path)  # the address of a socket is short
        with socket.socket(socket.AF_UNIX) as server:
            server.bind("socket")
            assert names(tmp_path) == {
                "plain": None,
                ".hidden": "hidden_file", ".DS_Store": "hidden_file", ".empty": "hidden_file",
                "DICOMDIR": "dicomdir", "dicomdir": "dicomdir", "sub/DicomDir": "dicomdir",
                "empty": "empty_file", "sub/DICOMDIR": "empty_file",
                "link": "symbolic_link", "broken": "symbolic_link", "folder link": "symbolic_link",
                ".link": "symbolic_link",
                "pipe": "special_file", "socket": "special_file",
            }  # fmt: skip

    def test_a_hidden_folder_is_one_hidden_input_and_is_not_entered(self, tmp_path: Path) -> None:
        put(tmp_path, ".git/config", ".git/objects/a", "a")
        assert names(tmp_path) == {".git": "hidden_file", "a": None}

    def test_a_folder_that_cannot_be_read_is_one_unreadable_input(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        put(tmp_path, "open/a", "shut/b", "z")
        listdir = os.listdir

        def refuses(path: str) -> list[str]:
            if Path(path).name == "shut":
                raise PermissionError
            return listdir(path)

        monkeypatch.setattr(os, "listdir", refuses)
        assert names(tmp_path) == {"z": None, "open/a": None, "shut": "unreadable"}

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
    def test_permissions_make_a_folder_unreadable(self, tmp_path: Path) -> None:
        put(tmp_path, "shut/b")
        (tmp_path / "shut").chmod(0)
        try:
            assert names(tmp_path) == {"shut": "unreadable"}
        finally:
            (tmp_path / "shut").chmod(0o700)

    def test_a_file_that_goes_away_meanwhile_is_unreadable(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        put(tmp_path, "a", "b")
        monkeypatch.setattr(os, "listdir", lambda _: ["a", "b", "gone"])
        assert names(tmp_path) == {"a": None, "b": None, "gone": "unreadable"}


class TestOnce:
    def test_the_same_place_twice_counts_once(self, tmp_path: Path) -> None:
        put(tmp_path, "a", "b/c")
        again = [tmp_path, tmp_path / "a", tmp_path / "b" / "..", tmp_path, tmp_path / "a"]
        assert names(tmp_path, *again) == {"a": None, "b/c": None}

    def test_a_folder_inside_another_counts_once_in_either_order(self, tmp_path: Path) -> None:
        put(tmp_path, "a", "b/c", "b/d/e")
        for places in (
            (tmp_path, tmp_path / "b"),
            (tmp_path / "b", tmp_path),
            (tmp_path / "b/d", tmp_path, tmp_path / "b"),
        ):
            assert sorted(names(tmp_path, *places)) == ["a", "b/c", "b/d/e"]

    def test_hard_links_are_one_file(self, tmp_path: Path) -> None:
        put(tmp_path, "a")
        (tmp_path / "sub").mkdir()
        for name in ("b", "sub/c"):
            os.link(tmp_path / "a", tmp_path / name)
        assert names(tmp_path) == {"a": None}
        assert names(tmp_path, tmp_path / "sub" / "c", tmp_path) == {"sub/c": None}

    def test_a_named_link_is_accounted_for_and_what_it_points_to_is_not_lost(self, tmp_path: Path) -> None:
        put(tmp_path, "real/a")
        (tmp_path / "link").symlink_to(tmp_path / "real" / "a")
        assert names(tmp_path, tmp_path / "link", tmp_path / "real") == {"link": "symbolic_link", "real/a": None}

    def test_a_link_to_a_folder_above_makes_no_circle(self, tmp_path: Path) -> None:
        put(tmp_path, "a/b")
        (tmp_path / "a" / "up").symlink_to(tmp_path)
        assert names(tmp_path) == {"a/b": None, "a/up": "symbolic_link"}

    def test_a_folder_named_through_a_link_is_entered_because_somebody_said_so(self, tmp_path: Path) -> None:
        put(tmp_path, "real/a")
        (tmp_path / "door").symlink_to(tmp_path / "real")
        assert names(tmp_path, tmp_path / "door") == {"door/a": None}
        assert len(names(tmp_path, tmp_path / "door", tmp_path / "real")) == 1


class TestLeftOut:
    def test_output_and_state_of_the_run_are_not_its_inputs(self, tmp_path: Path) -> None:
        put(tmp_path, "in/a", "out/b", "out/deep/c", "state/ledger.db", "in/state/d")
        left_out = (tmp_path / "out", tmp_path / "state", tmp_path / "not there yet")
        assert names(tmp_path, leave_out=left_out) == {"in/a": None, "in/state/d": None}

    def test_they_are_known_by_what_they_are_and_not_by_their_name(self, tmp_path: Path) -> None:
        put(tmp_path, "in/a", "out/b")
        (tmp_path / "other name").symlink_to(tmp_path / "out")
        assert names(tmp_path, leave_out=(tmp_path / "other name",)) == {"in/a": None, "other name": "symbolic_link"}
        assert names(tmp_path, tmp_path / "other name", leave_out=(tmp_path / "out",)) == {}


class TestOrder:
    def test_files_named_by_themselves_come_first_as_they_were_named(self, tmp_path: Path) -> None:
        put(tmp_path, "z", "m", "folder/a", "folder/b")
        places = [tmp_path / "folder", tmp_path / "z", tmp_path / "m"]
        assert list(names(tmp_path, *places)) == ["z", "m", "folder/a", "folder/b"]

    def test_names_are_in_order_within_a_folder_and_folders_come_after_files(self, tmp_path: Path) -> None:
        put(tmp_path, "b/2", "b/1", "a/z/1", "a/b", "c", "B")
        assert list(names(tmp_path)) == ["B", "c", "a/b", "a/z/1", "b/1", "b/2"]

    def test_five_thousand_files_come_in_the_same_order_however_they_were_written(self, tmp_path: Path) -> None:
        wanted = [f"s{n % 50:02}/{n:05}" for n in range(5000)]
        shuffled = wanted.copy()
        random.Random(7).shuffle(shuffled)
        for folder in {path.split("/")[0] for path in shuffled}:
            (tmp_path / folder).mkdir()
        for path in shuffled:
            (tmp_path / path).touch()
        assert list(names(tmp_path)) == sorted(wanted)

    def test_hundreds_of_folders_within_each_other_are_no_problem(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        for _ in range(300):
            Path("d").mkdir()
            os.chdir("d")
        Path("file").write_text("x")
        os.chdir(tmp_path)
        assert len(names(tmp_path)) == 1


class TestPlaces:
    def test_one_that_does_not_exist_is_named(self, tmp_path: Path) -> None:
        for call in (lambda place: list(find([place])), lambda place: check([place])):
            with pytest.raises(Misconfigured) as stop:
                call(tmp_path / "nowhere")
            assert (stop.value.code, stop.value.place) == ("no_input", str(tmp_path / "nowhere"))

    def test_a_broken_link_is_no_place(self, tmp_path: Path) -> None:
        (tmp_path / "link").symlink_to(tmp_path / "nowhere")
        with pytest.raises(Misconfigured):
            check([tmp_path / "link"])

    def test_nothing_is_found_before_all_places_are_known_to_exist(self, tmp_path: Path) -> None:
        put(tmp_path, "a")
        with pytest.raises(Misconfigured):
            next(find([tmp_path / "a", tmp_path / "nowhere"]))

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may enter every folder")
    def test_a_folder_that_cannot_be_entered_is_no_place(self, tmp_path: Path) -> None:
        (tmp_path / "shut").mkdir(mode=0)
        with pytest.raises(Misconfigured):
            check([tmp_path / "shut"])

    def test_a_special_file_may_be_named(self) -> None:
        assert found("/dev/null") == {"/dev/null": "special_file"}

    def test_text_and_relative_names_are_places_too(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        put(tmp_path, "a/b")
        monkeypatch.chdir(tmp_path)
        assert found("a") == found(Path("./a/../a")) == {str(tmp_path / "a" / "b"): None}
