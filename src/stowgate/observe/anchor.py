"""Remembers beside the audit log how far it had come, so that records cut off at its end are missed."""

from __future__ import annotations

import hmac
import os
import re
from dataclasses import dataclass
from pathlib import Path

from stowgate.framing import mac
from stowgate.observe.record import FIRST

_SLOT = 256
_TEXT = re.compile(rb"(\d{20}) ([0-9a-f]{64}) ([0-9a-f]{64})\n")


@dataclass(frozen=True, slots=True)
class Anchor:
    """The last record that is durable: its number and the digest of its line."""

    number: int = 0
    digest: str = FIRST


def read(key: bytes, path: Path) -> Anchor | None:
    """The later of the two slots that are whole; None if there is no such file or no slot is ours. Raises OSError."""
    try:
        data = path.read_bytes()[: 2 * _SLOT]
    except FileNotFoundError:
        return None
    slots = [_parse(key, data[at : at + _SLOT]) for at in (0, _SLOT)]
    return max((slot for slot in slots if slot), key=lambda slot: slot.number, default=None)


def write(key: bytes, path: Path, anchor: Anchor) -> None:
    """Overwrite the older slot and fsync: a torn write leaves the other one. Raises OSError."""
    facts = b"%020d %s" % (anchor.number, anchor.digest.encode())
    text = b"%s %s\n" % (facts, mac(key, b"audit-anchor", facts).hex().encode())
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.pwrite(handle, text.ljust(_SLOT, b"\0"), anchor.number % 2 * _SLOT)
        os.fsync(handle)
    finally:
        os.close(handle)


def _parse(key: bytes, slot: bytes) -> Anchor | None:
    found = _TEXT.match(slot)
    if found is None:
        return None
    facts = slot[: found.start(3) - 1]
    if not hmac.compare_digest(mac(key, b"audit-anchor", facts).hex().encode(), found[3]):
        return None
    return Anchor(int(found[1]), found[2].decode())
