"""Changing the unit's key: every epoch key is wrapped anew, no payload is touched, a kill at any step loses none."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from stowgate.errors import Misconfigured, Temporary, disk_code
from stowgate.vault import epoch_file
from stowgate.vault import folder as state
from stowgate.vault.epochs import look
from stowgate.vault.key_file import read_text
from stowgate.vault.unit_key import UnitKey, write_unit_key


def _nothing() -> None:
    """A key that the caller keeps elsewhere is switched by the caller."""


def rotate(folder: Path, old: UnitKey, new: UnitKey, switch: Callable[[], None] = _nothing) -> int:
    """Wrap every epoch key in spool/epochs by `new` instead of `old`; how many there are.

    First each file gets both wrappings, then `switch` makes `new` the unit's key, then the old wrappings go: until the
    switch the old key opens everything, from the switch on the new one. Cut short anywhere it can be done again with
    the same two keys, and opening the spool with either key that fits ends it as well. Nobody else may have the spool
    open. Raises Misconfigured("wrong_key") before anything is written if neither key opens an epoch, `Temporary` when
    the disk fails.
    """
    by_old, by_new = look(folder, old), look(folder, new)
    if by_old.foreign & by_new.foreign:
        raise Misconfigured("wrong_key", f"{len(by_old.foreign & by_new.foreign)} epochs open with neither key")
    epochs = {**by_old.epochs, **by_new.epochs}
    for id, epoch in epochs.items():
        if id not in by_new.epochs:
            both = [epoch_file.wrap(old, id, epoch.key), epoch_file.wrap(new, id, epoch.key)]
            epoch_file.write(folder, id, both)
    switch()
    for id, epoch in epochs.items():
        epoch_file.write(folder, id, [epoch_file.wrap(new, id, epoch.key)])
    return len(epochs)


def rotate_file(path: Path, folder: Path) -> tuple[UnitKey, int]:
    """Give the unit a new key in the key file at `path`: the key, and how many epochs were wrapped anew.

    The new key waits beside the old one as PATH.new until it opens everything, then takes its place in one rename.
    """
    old = UnitKey.parse(read_text(path, private=True), str(path))
    fresh = path.with_name(f"{path.name}.new")
    if not fresh.exists():
        write_unit_key(UnitKey.new(), fresh)
    new = UnitKey.parse(read_text(fresh, private=True), str(fresh))
    return new, rotate(folder, old, new, lambda: _take_place(fresh, path))


def _take_place(fresh: Path, path: Path) -> None:
    try:
        os.rename(fresh, path)
        state.sync_folder(path.parent)
    except OSError as error:
        raise Temporary(disk_code(error, "spool_failed"), str(path)) from None
