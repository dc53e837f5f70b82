"""The small file of one epoch key: the key wrapped by one unit key, or by two while they are changed."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from stowgate.errors import Temporary, disk_code
from stowgate.vault import folder as state
from stowgate.vault.unit_key import SUFFIX, UnitKey

ID = 16
"""Bytes of an epoch's id. It is random, no date: trucks boot with wrong clocks."""
_MAGIC = b"SGEPOCH1"
_HEAD = len(_MAGIC) + ID
_NONCE, _WRAPPED, _OWNER = 12, 32 + 16, UnitKey.BYTES
_ENTRY = _OWNER + _NONCE + _WRAPPED
_CHECK = 16
PART = ".part"


def wrap(unit: UnitKey, epoch: bytes, key: bytes) -> bytes:
    """The epoch key under the unit key: AES-256-GCM, bound to the ids of both."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    nonce, owner = os.urandom(_NONCE), bytes.fromhex(unit.id)
    return owner + nonce + AESGCM(unit.sub(b"epoch-wrap")).encrypt(nonce, key, _MAGIC + epoch + owner)


def unwrap(unit: UnitKey, epoch: bytes, wrapped: bytes) -> bytes | None:
    """The epoch key; None where the tag does not fit."""
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    owner, nonce, sealed = wrapped[:_OWNER], wrapped[_OWNER : _OWNER + _NONCE], wrapped[_OWNER + _NONCE :]
    try:
        return AESGCM(unit.sub(b"epoch-wrap")).decrypt(nonce, sealed, _MAGIC + epoch + owner)
    except InvalidTag:
        return None


def owner_of(wrapped: bytes) -> str:
    """The id of the unit key that something is wrapped by."""
    return wrapped[:_OWNER].hex()


def write(folder: Path, epoch: bytes, wrapped: list[bytes]) -> None:
    """Put the file in its place, over an earlier one; afterwards it is durable. `Temporary` when the disk fails.

    At every moment the earlier or the new file lies there whole.
    """
    body = _MAGIC + epoch + b"".join(wrapped)
    path, part = path_of(folder, epoch), folder / f"{epoch.hex()}{SUFFIX}{PART}"
    try:
        try:
            handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            try:
                _write_all(handle, body + _check(body))
                os.fsync(handle)
            finally:
                os.close(handle)
            os.rename(part, path)
        finally:
            part.unlink(missing_ok=True)
        state.sync_folder(folder)
    except OSError as error:
        raise Temporary(disk_code(error, "spool_failed"), str(folder)) from None


def read(path: Path) -> list[bytes] | None:
    """What the file holds, wrapped; None where it is not what was written. `Temporary` when the disk fails."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise Temporary(disk_code(error, "spool_failed"), str(path.parent)) from None
    body, check = data[:-_CHECK], data[-_CHECK:]
    entries = body[_HEAD:]
    if body[:_HEAD] != _MAGIC + id_of(path) or check != _check(body) or not entries or len(entries) % _ENTRY:
        return None
    return [entries[at : at + _ENTRY] for at in range(0, len(entries), _ENTRY)]


def erase(folder: Path, epoch: bytes) -> None:
    """Take the file's name away, overwrite it in place, sync, unlink: what hangs on it cannot be read any more.

    Cut short, what is left is a part, which `sweep` treats alike. A file system that copies on write, or a flash drive,
    may hold an earlier copy; that one is still wrapped. `Temporary` when the disk fails.
    """
    path = path_of(folder, epoch)
    part = path.with_name(f"{path.name}{PART}")
    try:
        os.rename(path, part)
        state.sync_folder(folder)
        _overwrite(part)
        part.unlink()
        state.sync_folder(folder)
    except FileNotFoundError:
        return
    except OSError as error:
        raise Temporary(disk_code(error, "spool_failed"), str(folder)) from None


def sweep(folder: Path) -> int:
    """Overwrite and take away what a dead process left half written or half erased; how many files that were."""
    left = [path for path in folder.iterdir() if path.suffix == PART]
    for path in left:
        with suppress(OSError):  # where the disk is full it may not even be written over
            if path.lstat().st_nlink == 1:  # else it is a second name of a file that is in its place
                _overwrite(path)
        path.unlink(missing_ok=True)
    return len(left)


def paths(folder: Path) -> Iterator[Path]:
    """The files of all epochs in a folder, in the order of their ids."""
    for path in sorted(folder.iterdir()):
        if path.suffix == SUFFIX and len(path.stem) == 2 * ID and set(path.stem) <= set("0123456789abcdef"):
            yield path


def path_of(folder: Path, epoch: bytes) -> Path:
    """Where the file of an epoch lies."""
    return folder / f"{epoch.hex()}{SUFFIX}"


def id_of(path: Path) -> bytes:
    """The epoch a file is named after."""
    return bytes.fromhex(path.stem)


def _check(body: bytes) -> bytes:
    """Tells a damaged file from one of another key."""
    return hashlib.sha256(body).digest()[:_CHECK]


def _overwrite(path: Path) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        _write_all(handle, os.urandom(os.fstat(handle).st_size))
        os.fsync(handle)
    finally:
        os.close(handle)


def _write_all(handle: int, data: bytes) -> None:
    while data:
        data = data[os.write(handle, data) :]
