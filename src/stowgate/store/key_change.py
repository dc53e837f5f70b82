"""`stowgate keys rotate` without its face: own the spool, find both keys, wrap the epochs anew."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from stowgate.errors import Misconfigured, Temporary, disk_code
from stowgate.store.lock import FolderLock
from stowgate.vault import epoch_file
from stowgate.vault.rotation import rotate, rotate_file
from stowgate.vault.unit_key import EPOCHS, Keyring, UnitKey, has_epochs, load_unit_key, make_salt, write_unit_key


class Changed(NamedTuple):
    """The key that opens the spool from now on, and how many epoch keys were wrapped by it."""

    key: UnitKey
    epochs: int


def change_unit_key(
    spool: Path, reference: str, ring: Keyring, to: str = "", to_ring: Keyring | None = None
) -> Changed:
    """Give the spool a new unit key; no payload is read or written.

    reference, ring -- the key that opens it now, see `vault.unit_key.load_unit_key`
    to, to_ring     -- where the new key is; without it a new key takes the old one's place, which only a file allows.
                       A key file that is not there yet is made. The setting [spool] key is the caller's to change.
    Cut short anywhere it is run again with the same arguments. Raises Misconfigured: "spool_in_use" while a gateway
    runs, "key_missing" where there is nothing to change, "wrong_key", "bad_setting"; `Temporary` when the disk fails.
    """
    if not has_epochs(spool):
        raise Misconfigured("key_missing", f"{spool} holds nothing yet")
    kind, _, name = reference.partition(":")
    lock = FolderLock(spool, "spool")
    try:
        epoch_file.sweep(spool / EPOCHS)
        if to:
            old = load_unit_key(reference, spool, ring)
            new = _new_key(to, spool, to_ring or ring)
            return Changed(new, rotate(spool / EPOCHS, old, new))
        if kind != "file":
            raise Misconfigured("bad_setting", "a key that is not in a file needs a new place")
        return Changed(*rotate_file(ring.base / Path(name).expanduser(), spool / EPOCHS))
    except OSError as error:
        raise Temporary(disk_code(error, "spool_failed"), str(spool)) from None
    finally:
        lock.release()


def _new_key(to: str, spool: Path, ring: Keyring) -> UnitKey:
    kind, _, name = to.partition(":")
    path = ring.base / Path(name).expanduser()
    if kind == "file" and name and not path.exists():
        write_unit_key(UnitKey.new(), path)
    if to == "passphrase":
        make_salt(spool)
    return load_unit_key(to, spool, ring)
