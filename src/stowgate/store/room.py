"""How much room the spool has: open, soft (take nothing new in), hard (write nothing that can wait)."""

from __future__ import annotations

import os
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from stowgate.errors import Temporary, disk_code

HARD_BYTES = 64 * 1024 * 1024
"""Below this only the ledger and what makes room may write."""
SOFT_FILES, HARD_FILES = 5_000, 500
"""Free inodes; a raw and a clean object take one each."""


class Room(Enum):
    """What may still be written."""

    OPEN = "open"
    SOFT = "soft"
    HARD = "hard"


@dataclass(frozen=True, slots=True)
class Free:
    """What the file system has left for this user. files -- inodes, None where it has no limit of them."""

    bytes: int
    files: int | None


def free_of(folder: Path) -> Free:
    """As statvfs(3) says; `Temporary` when the file system is gone."""
    try:
        said = os.statvfs(folder)
    except OSError as error:
        raise Temporary(disk_code(error, "spool_failed"), str(folder)) from None
    return Free(said.f_bavail * said.f_frsize, said.f_favail if said.f_files else None)


def room_of(free: Free, reserve: int, coming: int = 0) -> Room:
    """How open a spool is with so much left, once `coming` bytes more are written.

    reserve -- bytes that intake leaves for the rest of the work; never less than the hard reserve counts
    """
    left = free.bytes - coming
    if left < HARD_BYTES or (free.files is not None and free.files < HARD_FILES):
        return Room.HARD
    if left < reserve or (free.files is not None and free.files < SOFT_FILES):
        return Room.SOFT
    return Room.OPEN
