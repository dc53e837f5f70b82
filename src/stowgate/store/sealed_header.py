"""The header of a file in the spool: which epoch it hangs on, and its own key and facts sealed under that epoch."""

from __future__ import annotations

import hashlib
import json
import os
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum

from stowgate.errors import Rejected
from stowgate.store.spool import Facts
from stowgate.vault.epochs import Epoch

MAGIC = b"SGSPOOL1"
CHUNK = 64 * 1024
"""Plain bytes of every chunk but the last."""
TAG = 16
ID = 16
_FIXED = struct.Struct(">8sBBHI16s16s12s")
"""Magic, version, shelf, bytes of the sealed part, plain bytes of a chunk, epoch, object, nonce: 60 bytes."""
_VERSION = 1
_KEY = 32
_ROUND = 128
"""Facts are padded to a multiple of this: how long a name is stays inside."""
LARGEST = _FIXED.size + 0xFFFF


class Kind(IntEnum):
    """Which shelf an object was written for; one is never taken for the other."""

    RAW = 1
    CLEAN = 2


@dataclass(frozen=True, slots=True)
class Header:
    """A header as it lies on the disk, and what it says to who has the epoch's key."""

    data: bytes = field(repr=False)
    epoch: bytes
    key: bytes = field(repr=False)
    facts: Facts
    digest: bytes
    """What every chunk is bound to (32 bytes): all that is said of the object, but not under which epoch its key lies,
    so that an object that is held for long can be put under another epoch without being encrypted anew."""


def make(kind: Kind, id: str, epoch: Epoch, facts: Facts) -> Header:
    """A header with a fresh key for one object. ValueError if the facts are longer than 65,000 bytes."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    said = json.dumps({"source": facts.source, "peer": facts.peer}).encode()
    said += b" " * (-len(said) % _ROUND)
    length = _KEY + len(said) + TAG
    if length > 65_000:
        raise ValueError("facts are names, not stories")
    key, nonce = os.urandom(_KEY), os.urandom(12)
    fixed = _FIXED.pack(MAGIC, _VERSION, kind, length, CHUNK, epoch.id, bytes.fromhex(id), nonce)
    sealed = AESGCM(epoch.key).encrypt(nonce, key + said, fixed)
    return Header(fixed + sealed, epoch.id, key, facts, _digest(kind, id, said))


def parse(data: bytes, kind: Kind, id: str, key_of: Callable[[bytes], bytes]) -> Header:
    """The header at the beginning of `data`, checked against the shelf and the id that it should be of.

    key_of -- the key of an epoch, as `vault.epochs.Epochs.key`. Raises Rejected("spool_damaged").
    """
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    fixed = data[: _FIXED.size]
    if len(fixed) < _FIXED.size:
        raise Rejected("spool_damaged")
    magic, version, shelf, length, chunk, epoch, owner, nonce = _FIXED.unpack(fixed)
    sealed = data[_FIXED.size : _FIXED.size + length]
    if (magic, version, shelf, chunk, owner.hex()) != (MAGIC, _VERSION, kind, CHUNK, id) or len(sealed) < length:
        raise Rejected("spool_damaged")
    try:
        opened = AESGCM(key_of(epoch)).decrypt(nonce, sealed, fixed)
        said = json.loads(opened[_KEY:])
        facts = Facts(said["source"], said["peer"])
    except (InvalidTag, ValueError, KeyError, TypeError):
        raise Rejected("spool_damaged") from None
    return Header(fixed + sealed, epoch, opened[:_KEY], facts, _digest(kind, id, opened[_KEY:]))


def _digest(kind: Kind, id: str, said: bytes) -> bytes:
    stays = (MAGIC, bytes((_VERSION, kind)), CHUNK.to_bytes(4, "big"), bytes.fromhex(id), said)
    return hashlib.sha256(b"".join(stays)).digest()


def epoch_of(data: bytes) -> bytes | None:
    """The epoch that a header names, without opening it; None where there is no header."""
    fixed = data[: _FIXED.size]
    if len(fixed) < _FIXED.size:
        return None
    magic, version, *_, epoch, _, _ = _FIXED.unpack(fixed)
    return epoch if (magic, version) == (MAGIC, _VERSION) else None
