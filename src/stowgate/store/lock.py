"""One process owns a state folder or a spool: a file lock that the kernel lets go of when its holder dies."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path
from typing import Literal

from stowgate.errors import Misconfigured, disk_code
from stowgate.vault import folder as state

_MOMENT = 0.1
"""Seconds within which whoever asked `is_held` has let go again."""


def is_held(folder: Path) -> bool:
    """Whether a process owns the folder right now; asking changes nothing."""
    try:
        handle = os.open(folder / state.LOCK, os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False


class FolderLock:
    """Held from creation until `release`; a second process gets Misconfigured("state_in_use") with the holder's id.

    what -- "state" or "spool": which folder it is, and so which codes say what is wrong with it
    """

    def __init__(self, folder: Path, what: Literal["state", "spool"] = "state") -> None:
        in_use, unwritable = f"{what}_in_use", f"{what}_unwritable"
        try:
            self._handle = os.open(folder / state.LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise Misconfigured(disk_code(error, unwritable), str(folder)) from None
        try:
            owned = _owned(self._handle)
            if owned:
                # in place and always as long: a disk that is full by now has room for it
                os.pwrite(self._handle, b"%-19d\n" % os.getpid(), 0)
        except OSError as error:
            os.close(self._handle)
            raise Misconfigured(disk_code(error, unwritable), str(folder)) from None
        if not owned:
            holder = os.pread(self._handle, 20, 0).decode("ascii", "replace").strip()
            os.close(self._handle)
            raise Misconfigured(in_use, f"{folder}, held by process {holder or 'unknown'}")

    def release(self) -> None:
        """Let the next process in. The file stays: unlinking it would let two in."""
        fcntl.flock(self._handle, fcntl.LOCK_UN)  # a child that was forked just now still has the descriptor
        os.close(self._handle)


def _owned(handle: int) -> bool:
    """Whether the lock is ours now; whoever only looks whether it is held must not keep a gateway from starting."""
    until = time.monotonic() + _MOMENT
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > until:
                return False
            time.sleep(_MOMENT / 20)
        else:
            return True
