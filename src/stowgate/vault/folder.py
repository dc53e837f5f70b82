"""The state folder: the identified side's own place on disk, closed to everyone but its owner."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from stowgate.errors import Misconfigured, disk_code

KEY = "project.key"
LEDGER = "ledger.db"
LOCK = "lock"

PRIVATE = 0o077
"""The permission bits that must be off: nothing for the group, nothing for others."""


def key_name(profile: str) -> str:
    """Name of the file that a profile's key lies in, where none is named; "" for the project's own."""
    return f"profile-{profile}.key" if profile else KEY


def is_project_key(name: str) -> bool:
    """Whether a file of this name holds the project's key or a profile's."""
    return name == KEY or (name.startswith("profile-") and name.endswith(".key"))


def default_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """${XDG_STATE_HOME:-~/.local/state}/stowgate; a relative XDG_STATE_HOME does not count (XDG base directories)."""
    named = environ.get("XDG_STATE_HOME", "")
    if os.path.isabs(named):
        return Path(named) / "stowgate"
    home = environ.get("HOME") or os.path.expanduser("~")
    if not os.path.isabs(home):
        raise Misconfigured("state_unwritable", "there is no home folder")
    return Path(home) / ".local" / "state" / "stowgate"


def prepare(folder: Path) -> Path:
    """The folder, made with mode 0700 if it was not there; Misconfigured if others could look into it."""
    try:
        make(folder, 0o700)
    except FileExistsError:
        pass
    except OSError as error:
        raise Misconfigured(disk_code(error, "state_unwritable"), str(folder)) from None
    if not folder.is_dir():
        raise Misconfigured("state_unwritable", str(folder))
    if not is_private(folder.stat()) and not _made_private(folder):
        raise Misconfigured("state_permissions", str(folder))
    return folder


def _made_private(folder: Path) -> bool:
    """Close a folder that somebody made for us and that holds nothing yet; one with content is never touched."""
    try:
        if next(folder.iterdir(), None) is None:
            folder.chmod(0o700)
    except OSError:
        return False
    return is_private(folder.stat())


def is_private(status: os.stat_result) -> bool:
    """Whether only its owner can open it, and the owner is this user (root may use what others own)."""
    mine = os.geteuid() in (status.st_uid, 0)
    return mine and not status.st_mode & PRIVATE


def make(folder: Path, mode: int = 0o777) -> None:
    """Make a folder and those missing above it, all of them durable; FileExistsError if something is there."""
    missing = [one for one in (folder, *folder.parents) if not one.exists()]
    folder.mkdir(mode=mode, parents=True)
    for one in missing:
        sync_folder(one.parent)


def remove(folder: Path) -> None:
    """Take a folder of ours away with what is left in it, as far as the disk lets us; as a rule it is empty."""
    try:
        folder.rmdir()
    except OSError:
        import shutil  # loads all archive formats

        shutil.rmtree(folder, ignore_errors=True)


def sync_folder(folder: str | os.PathLike[str]) -> None:
    """Make the names in a folder durable: a new file is safe only when its folder is, too."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
