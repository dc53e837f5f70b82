"""Opens the spool: one owner, the parts swept, both shelves and the epochs ready, and nothing else touched."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from stowgate.closing import Closing
from stowgate.errors import Misconfigured, disk_code
from stowgate.store.clean_shelf import SealedCleanShelf
from stowgate.store.lock import FolderLock
from stowgate.store.raw_shelf import SealedRawShelf
from stowgate.store.room import Free, Room, free_of, room_of
from stowgate.store.sealed_folder import SealedFolder, epochs_in_use, sweep
from stowgate.store.sealed_header import Kind
from stowgate.store.spool import CleanView, RawView
from stowgate.vault import epoch_file
from stowgate.vault import folder as state
from stowgate.vault.epochs import OBJECTS, SECONDS, Epochs
from stowgate.vault.unit_key import EPOCHS, UnitKey

RAW, CLEAN, PARTS = "raw", "clean", "parts"
_SHELVES = ((RAW, Kind.RAW), (CLEAN, Kind.CLEAN))
_AS_SPOOL = {"state_permissions": "spool_permissions", "state_unwritable": "spool_unwritable"}
RESERVE = 1 << 30
"""Bytes; the default of [spool] reserve."""


@dataclass(frozen=True, slots=True)
class Lying:
    """What lies in a spool: objects on each shelf, epochs, and epochs whose file is damaged."""

    raw: int
    clean: int
    epochs: int
    damaged_epochs: int


class Spool(Closing):
    """An open spool; `close` lets the next process in."""

    def __init__(self, folder: Path, lock: FolderLock, opened: Epochs, reserve: int, swept: int) -> None:
        self.folder, self.epochs, self.reserve = folder, opened, reserve
        self.swept = swept
        """How many parts a dead process had left."""
        parts = folder / PARTS
        raw, clean = (SealedFolder(folder / name, parts, kind, opened) for name, kind in _SHELVES)
        self.raw, self.clean = SealedRawShelf(raw), SealedCleanShelf(clean)
        self._lock: FolderLock | None = lock

    def room(self, coming: int = 0) -> Room:
        """Whether there is room for `coming` bytes more. `Temporary` when the disk is gone."""
        return room_of(self.free(), self.reserve, coming)

    def free(self) -> Free:
        """What the file system has left."""
        return free_of(self.folder)

    def lies(self) -> Lying:
        """Count what lies there: one listing of both shelves."""
        raw, clean = (sum(1 for _ in shelf.ids()) for shelf in (self.raw, self.clean))
        return Lying(raw, clean, len(self.epochs.ids()), len(self.epochs.damaged))

    def destroy_unused_epochs(self) -> int:
        """Crypto-erase every epoch that no object is under any more; how many. Reads every header: not often."""
        idle = self.epochs.idle()
        used = epochs_in_use((self.raw.folder, self.clean.folder))
        return sum(self.epochs.destroy(id, used[id]) for id in idle)

    def close(self) -> None:
        """Let go of it; harmless when called twice."""
        if self._lock is not None:
            self._lock.release()
            self._lock = None


def open_spool(
    folder: Path,
    unit: UnitKey,
    reserve: int = RESERVE,
    objects: int = OBJECTS,
    seconds: float = SECONDS,
    clock: Callable[[], float] = time.monotonic,
) -> Spool:
    """Own the spool in `folder`, made with mode 0700 if it is not there. Named files are neither read nor changed.

    reserve -- bytes that intake leaves free; objects, seconds, clock -- see `vault.epochs.Epochs`
    Raises Misconfigured: "spool_in_use" with the holder's process id, "spool_permissions", "spool_unwritable",
    "disk_full", "wrong_key".
    """
    prepare_spool(folder)
    lock = FolderLock(folder, "spool")
    try:
        made = [_prepared(folder / name) for name in (RAW, CLEAN, PARTS, EPOCHS)]
        epoch_file.sweep(made[3])
        opened = Epochs(made[3], unit, objects, seconds, clock)
        return Spool(folder, lock, opened, reserve, sweep(made[2]))
    except OSError as error:
        lock.release()
        raise Misconfigured(disk_code(error, "spool_unwritable"), str(folder)) from None
    except BaseException:
        lock.release()
        raise


class View(NamedTuple):
    """Both shelves, to be read."""

    raw: RawView
    clean: CleanView


def read_spool(folder: Path, unit: UnitKey) -> View:
    """Look into a spool that another process may own; nothing is locked, swept or changed.

    Raises Misconfigured: "spool_unwritable" if there is none, "wrong_key".
    """
    if not (folder / EPOCHS).is_dir():
        raise Misconfigured("spool_unwritable", str(folder))
    parts, opened = folder / PARTS, Epochs(folder / EPOCHS, unit, owner=False)
    raw, clean = (SealedFolder(folder / name, parts, kind, opened) for name, kind in _SHELVES)
    return View(SealedRawShelf(raw), SealedCleanShelf(clean))


def prepare_spool(folder: Path) -> None:
    """Make the folder, closed to everyone but its owner. Raises as `open_spool` does."""
    _prepared(folder)


def _prepared(folder: Path) -> Path:
    try:
        return state.prepare(folder)
    except Misconfigured as error:
        raise Misconfigured(_AS_SPOOL.get(error.code, error.code), error.place) from None
