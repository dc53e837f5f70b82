"""The state folder: where it is, and that nobody else can look into it."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from stowgate.errors import Misconfigured
from stowgate.vault.folder import default_folder, is_private, prepare


def test_it_follows_the_base_directories() -> None:
    assert default_folder({"XDG_STATE_HOME": "/x", "HOME": "/h"}) == Path("/x/stowgate")
    assert default_folder({"HOME": "/h"}) == Path("/h/.local/state/stowgate")
    assert default_folder({"XDG_STATE_HOME": "relative", "HOME": "/h"}) == Path("/h/.local/state/stowgate")


def test_a_user_without_a_home_has_to_name_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)
    with pytest.raises(Misconfigured) as refused:
        default_folder({})
    assert "--state" in str(refused.value)


def test_it_is_made_private_with_the_folders_above_it(tmp_path: Path) -> None:
    made = prepare(tmp_path / "a" / "b")
    assert stat.S_IMODE(made.stat().st_mode) == 0o700
    assert prepare(made) == made


def test_every_folder_that_had_to_be_made_is_durable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[Path] = []
    monkeypatch.setattr(os, "fsync", lambda handle: synced.append(Path(f"/proc/self/fd/{handle}").readlink()))
    prepare(tmp_path / "a" / "b" / "c")
    assert synced == [tmp_path / "a" / "b", tmp_path / "a", tmp_path]


@pytest.mark.parametrize("mode", [0o701, 0o710, 0o755, 0o777])
def test_one_that_others_can_enter_is_refused_and_left_as_it_is(tmp_path: Path, mode: int) -> None:
    (tmp_path / "something").write_bytes(b"")
    tmp_path.chmod(mode)
    with pytest.raises(Misconfigured) as refused:
        prepare(tmp_path)
    assert (refused.value.code, refused.value.place) == ("state_permissions", str(tmp_path))
    assert stat.S_IMODE(tmp_path.stat().st_mode) == mode


def test_an_empty_one_is_made_private(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    assert prepare(tmp_path) == tmp_path
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o700


def test_only_its_owner_and_root_may_use_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tmp_path.chmod(0o700)
    status = tmp_path.stat()
    for user, allowed in ((status.st_uid, True), (0, True), (status.st_uid + 1, False)):
        monkeypatch.setattr(os, "geteuid", lambda user=user: user)
        assert is_private(status) is allowed


@pytest.mark.parametrize("above", ["file", "file/below"])
def test_what_cannot_be_a_folder_is_refused(tmp_path: Path, above: str) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(Misconfigured) as refused:
        prepare(tmp_path / above)
    assert refused.value.code == "state_unwritable"


def test_a_dangling_link_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "none")
    with pytest.raises(Misconfigured) as refused:
        prepare(tmp_path / "link")
    assert refused.value.code == "state_unwritable"
